// A service that floods the log must neither fill it nor slow down the others: each source has so many bytes a second, and what is over is
// counted and told once a second. A token bucket that may go into debt, as the size of a line is known only once it is made.

export interface FloodOptions {
  readonly bytesPerSecond: number
  /** What a source may write at once after it was silent. */
  readonly burstBytes: number
  /** Milliseconds of a clock that no one sets. */
  readonly now: () => number
  /** Told a second after the first line that was left out. */
  readonly onLeftOut: (source: string, lines: number) => void
}

interface Bucket {
  bytes: number
  filledAt: number
  leftOut: number
}

const tellMs = 1_000
/** A line costs more than its bytes. */
const lineBytes = 256
const maxSources = 10_000

export class Flood {
  readonly #options: FloodOptions
  readonly #buckets = new Map<string, Bucket>()
  #leftOut = 0

  constructor(options: FloodOptions) {
    this.#options = options
  }

  /** Whether `source` may write a line; where not, it is counted as left out. */
  admits(source: string): boolean {
    const bucket = this.#bucketOf(source)
    if (bucket.bytes > 0) return true
    this.#leftOut++
    if (bucket.leftOut++ === 0) setTimeout(() => this.#tell(source, bucket), tellMs).unref()
    return false
  }

  /** The line that was admitted has so many bytes. */
  spend(source: string, bytes: number): void {
    this.#bucketOf(source).bytes -= bytes + lineBytes
  }

  /** Lines left out since the start. */
  get leftOut(): number {
    return this.#leftOut
  }

  #bucketOf(source: string): Bucket {
    const { burstBytes, bytesPerSecond, now } = this.#options
    const at = now()
    let bucket = this.#buckets.get(source)
    if (bucket === undefined) {
      // Of all of them the one that was made first: at worst it gets a new burst.
      if (this.#buckets.size >= maxSources) for (const first of this.#buckets.keys()) if (this.#buckets.delete(first)) break
      bucket = { bytes: burstBytes, filledAt: at, leftOut: 0 }
      this.#buckets.set(source, bucket)
    }
    bucket.bytes = Math.min(burstBytes, bucket.bytes + ((at - bucket.filledAt) * bytesPerSecond) / 1_000)
    bucket.filledAt = at
    return bucket
  }

  #tell(source: string, bucket: Bucket): void {
    const lines = bucket.leftOut
    bucket.leftOut = 0
    this.#options.onLeftOut(source, lines)
  }
}
