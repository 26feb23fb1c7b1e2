// What the threads of one process know of its debuggers, in memory that they share: the main thread may stand at a breakpoint, and the
// others must still know that it does. Times are of the clock that is one for all threads.

const [since, total, ended] = [0, 1, 2] as const
const [sessions, begun] = [0, 1] as const
const timesBytes = 3 * BigInt64Array.BYTES_PER_ELEMENT
const countsBytes = 2 * Int32Array.BYTES_PER_ELEMENT

export class Pauses {
  /** Hands all of it to another thread. */
  readonly buffer: SharedArrayBuffer
  readonly #times: BigInt64Array
  readonly #counts: Int32Array

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(timesBytes + countsBytes)) {
    this.buffer = buffer
    this.#times = new BigInt64Array(buffer, 0, 3)
    this.#counts = new Int32Array(buffer, timesBytes, 2)
  }

  /** Debuggers that are attached. */
  get sessions(): number {
    return Atomics.load(this.#counts, sessions)
  }

  /** Pauses that began, the one under way included. */
  get count(): number {
    return Atomics.load(this.#counts, begun)
  }

  get isPaused(): boolean {
    return Atomics.load(this.#times, since) !== 0n
  }

  /** Milliseconds that the main thread has stood still in all, up to this instant. */
  get totalMs(): number {
    const from = Atomics.load(this.#times, since)
    const running = from === 0n ? 0n : process.hrtime.bigint() - from
    return Number((Atomics.load(this.#times, total) + running) / 1_000_000n)
  }

  /** Whether it stands still, or did within the last `ms`: what timers say then is not to be believed. */
  isFresh(ms: number): boolean {
    if (this.isPaused) return true
    const at = Atomics.load(this.#times, ended)
    return at !== 0n && process.hrtime.bigint() - at < BigInt(ms) * 1_000_000n
  }

  attach(): void {
    Atomics.add(this.#counts, sessions, 1)
  }

  detach(): void {
    Atomics.sub(this.#counts, sessions, 1)
    Atomics.notify(this.#counts, sessions)
  }

  /** Blocks this thread until no debugger is attached, at most `ms`. */
  awaitDetached(ms: number): void {
    const giveUpAt = performance.now() + ms
    for (let left = this.sessions; left > 0 && performance.now() < giveUpAt; left = this.sessions)
      Atomics.wait(this.#counts, sessions, left, giveUpAt - performance.now())
  }

  pause(): void {
    if (this.isPaused) return
    Atomics.add(this.#counts, begun, 1)
    Atomics.store(this.#times, since, process.hrtime.bigint())
  }

  resume(): void {
    const from = Atomics.load(this.#times, since)
    if (from === 0n) return
    const now = process.hrtime.bigint()
    Atomics.add(this.#times, total, now - from)
    Atomics.store(this.#times, ended, now)
    Atomics.store(this.#times, since, 0n)
  }
}
