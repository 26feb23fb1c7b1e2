// What a debugger held may have missed an apply. Before a worker that goes on takes new work it asks control, which brings it to what is
// live; the work that arrived meanwhile waits for that.

import type { Pauses } from './pauses.ts'

/** What new work waits for; null where it need not. */
export type CatchUp = () => Promise<void> | null

/** Control that is away, or takes longer, keeps nobody waiting: the worker then serves what it has. */
const patienceMs = 10_000

/** @param resumed tells control of so many pauses; resolves when the worker serves what is live */
export function createCatchUp(pauses: Pauses, resumed: (count: number) => Promise<unknown>): CatchUp {
  let seen = 0
  let running: Promise<void> | null = null
  return () => {
    if (pauses.count === seen) return null
    running ??= catchUp().finally(() => {
      running = null
    })
    return running
  }

  async function catchUp(): Promise<void> {
    const { count } = pauses
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, patienceMs)
    await Promise.race([resumed(count).catch(() => undefined), late]) // control is away
    clearTimeout(timer)
    seen = count
  }
}
