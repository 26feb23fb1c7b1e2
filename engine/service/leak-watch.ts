// Tells whether released module instances were collected. A token lives in the context of every closure an instance made;
// a second one, the canary, is as old and held by nothing else. When the canary of an instance is gone and its token is
// not, a full collection has passed it by: something still holds its code.

export interface Leak {
  readonly path: string
  readonly count: number
  /** What such instances had left behind at their release: the first place to look. */
  readonly holders: readonly string[]
}

interface Watched {
  readonly path: string
  readonly token: WeakRef<object>
  /** Held until release. */
  canary: object | null
  holders: readonly string[]
}

export class LeakWatch {
  readonly #suspects = new Set<Watched>()
  readonly #canaries = new FinalizationRegistry<Watched>(watched => this.#suspects.add(watched))

  /** `alive` goes into the instance; `forget` is called at its release. */
  watch(path: string): { alive: object; forget: (holders: readonly string[]) => void } {
    const alive = {}
    const canary = {}
    const watched: Watched = { path, token: new WeakRef(alive), canary, holders: [] }
    this.#canaries.register(canary, watched)
    const forget = (holders: readonly string[]) => {
      watched.holders = holders
      watched.canary = null
    }
    return { alive, forget }
  }

  leaks(): readonly Leak[] {
    const found = new Map<string, { count: number; holders: Set<string> }>()
    for (const watched of this.#suspects) {
      if (watched.token.deref() === undefined) {
        this.#suspects.delete(watched)
        continue
      }
      const leak = found.get(watched.path) ?? { count: 0, holders: new Set() }
      leak.count++
      for (const holder of watched.holders) leak.holders.add(holder)
      found.set(watched.path, leak)
    }
    return [...found].map(([path, { count, holders }]) => ({ path, count, holders: [...holders] }))
  }
}
