// What control knows of the debuggers of one worker. Two tell it that the worker goes on: the thread that relays the debugger, and the
// worker itself, which asks for what is live before it takes new work. Pauses are counted, so that the later of the two changes nothing.

export class Halts {
  /** Debuggers that are attached. */
  sessions = 0
  #begun = 0
  #ended = 0
  /** `performance.now()` */
  #endedAt = Number.NEGATIVE_INFINITY

  /** Whether the worker stands at a breakpoint. */
  get isPaused(): boolean {
    return this.sessions > 0 && this.#begun > this.#ended
  }

  /** Whether it stood at one at any instant since `at`. */
  hasHeldSince(at: number): boolean {
    return this.isPaused || this.#endedAt >= at
  }

  /** `count` pauses have begun, of which the last is under way. */
  pause(count: number): void {
    this.#begun = Math.max(this.#begun, count)
  }

  /** `count` pauses have begun and ended. True where that is news. */
  resume(count: number): boolean {
    if (count <= this.#ended) return false
    this.#ended = count
    this.#begun = Math.max(this.#begun, count)
    this.#endedAt = performance.now()
    return true
  }

  attach(): void {
    this.sessions++
  }

  /** The last one that leaves lets the worker go on. */
  detach(): void {
    this.sessions--
    if (this.sessions === 0) this.resume(this.#begun)
  }
}
