// Long work in a process that serves live traffic is cut into slices: between two of them the event loop turns.

import { setImmediate } from 'node:timers/promises'

/** No slice of ours may hold the event loop for 10 ms; the budget leaves room for the one step that overshoots. */
const defaultBudgetMs = 4

export interface Slices {
  /** True when the event loop is due: `if (slices.isSpent()) await slices.rest()`. Cheap enough for every step of a loop. */
  isSpent(): boolean
  /** Lets the event loop turn, then begins the next slice. */
  rest(): Promise<void>
}

/** @param signal checked after every rest, which then rejects with its reason */
export function createSlices({ budgetMs = defaultBudgetMs, signal }: { budgetMs?: number; signal?: AbortSignal | undefined } = {}): Slices {
  let startedAt = performance.now()
  return {
    isSpent: () => performance.now() - startedAt >= budgetMs,
    async rest() {
      await setImmediate()
      signal?.throwIfAborted()
      startedAt = performance.now()
    },
  }
}
