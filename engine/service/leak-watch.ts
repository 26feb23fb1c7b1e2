// Tells whether released module instances were collected. A token lives in the context of every closure an instance made;
// a second one, the canary, is as old and held by nothing else. When the canary of an instance is gone and its token is
// not, a full collection has passed it by: something still holds its code.

export interface Leak {
  readonly path: string
  readonly count: number
}

interface Watched {
  readonly path: string
  readonly token: WeakRef<object>
  /** Held until release. */
  canary: object | null
}

export class LeakWatch {
  readonly #suspects = new Set<Watched>()
  readonly #canaries = new FinalizationRegistry<Watched>(watched => this.#suspects.add(watched))

  /** `alive` goes into the instance; `forget` is called at its release. */
  watch(path: string): { alive: object; forget: () => void } {
    const alive = {}
    const canary = {}
    const watched: Watched = { path, token: new WeakRef(alive), canary }
    this.#canaries.register(canary, watched)
    const forget = () => {
      watched.canary = null
    }
    return { alive, forget }
  }

  leaks(): readonly Leak[] {
    const counts = new Map<string, number>()
    for (const watched of this.#suspects) {
      if (watched.token.deref() === undefined) this.#suspects.delete(watched)
      else counts.set(watched.path, (counts.get(watched.path) ?? 0) + 1)
    }
    return [...counts].map(([path, count]) => ({ path, count }))
  }
}
