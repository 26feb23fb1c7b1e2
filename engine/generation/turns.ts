/** A queue of one: each piece of work starts when the one before it has settled. */
export interface Turns {
  take<T>(work: () => Promise<T>): Promise<T>
}

export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve()
  return {
    take(work) {
      const mine = last.then(work, work)
      last = mine.catch(() => undefined) // The caller hears of it; the next turn does not care.
      return mine
    },
  }
}
