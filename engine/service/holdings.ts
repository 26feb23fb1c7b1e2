// What one module instance holds in the process outside of its own memory: timers, listeners, subscriptions. Each of them
// would keep the instance alive after its last generation is gone, so release ends them and says who left them.

export interface Held {
  /** `setInterval of 1000 ms`, `listener for "SIGTERM" on process`. */
  readonly what: string
  /** Whose stack names the line that made it; null where taking it would cost too much (one-shot timers). */
  readonly origin: Error | null
  /** Expected to end by itself, such as a one-shot timer: ended silently. */
  readonly passing: boolean
  release(): void
}

/** Told what a callback of a module instance threw, or rejected with, outside of any call. */
export type OnStray = (path: string, what: string, error: unknown) => void

export class Holdings {
  readonly path: string
  readonly #onStray: OnStray
  readonly #held = new Set<Held>()
  readonly #clients = new WeakMap<object, object>()
  #released = false

  constructor(path: string, onStray: OnStray) {
    this.path = path
    this.#onStray = onStray
  }

  /** Runs a callback that nobody waits for. What it throws would end the process, and every other service's calls with it. */
  runStray(what: string, callback: () => unknown): void {
    const stray = (error: unknown) => this.#onStray(this.path, what, error)
    try {
      const result = callback()
      if (result instanceof Promise) result.catch(stray)
    } catch (error) {
      stray(error)
    }
  }

  /** After release the instance may hold nothing more: what its last callbacks start is ended at once. */
  add(held: Held): Held {
    if (this.#released) held.release()
    else this.#held.add(held)
    return held
  }

  delete(held: Held): void {
    this.#held.delete(held)
  }

  /** The proxy this instance sees in place of `client`; made by `make` at the first call. */
  proxyOf(client: object, make: (holdings: Holdings) => object): object {
    const known = this.#clients.get(client)
    if (known !== undefined) return known
    const proxy = make(this)
    this.#clients.set(client, proxy)
    return proxy
  }

  /** Ends everything held. Returns what was left behind, with the reason where ending it failed. */
  release(): readonly { readonly held: Held; readonly failure: unknown }[] {
    this.#released = true
    const left: { held: Held; failure: unknown }[] = []
    for (const held of this.#held) {
      let failure: unknown = null
      try {
        held.release()
      } catch (error) {
        failure = error // reported by the caller; the rest still has to be ended
      }
      if (!held.passing || failure !== null) left.push({ held, failure })
    }
    this.#held.clear()
    return left
  }
}
