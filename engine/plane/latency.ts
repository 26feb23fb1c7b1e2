// How long things took, as a histogram of fixed buckets: counting one is an addition or two.

/** Upper bounds of the buckets in ms; a last bucket takes the rest. */
export const latencyBoundsMs = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000] as const

export class Latency {
  readonly #buckets = new Float64Array(latencyBoundsMs.length + 1)
  #totalMs = 0

  count(elapsedMs: number): void {
    let bucket = 0
    for (const bound of latencyBoundsMs) {
      if (elapsedMs <= bound) break
      bucket++
    }
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1
    this.#totalMs += elapsedMs
  }

  /** `buckets` has one more than `latencyBoundsMs`; each holds its own, not those below it. */
  tally(): { readonly buckets: readonly number[]; readonly totalMs: number } {
    return { buckets: [...this.#buckets], totalMs: this.#totalMs }
  }
}
