// The worker's side of orders: runs each as a unit of work on the generation that is live at that moment, and keeps how it ended
// until control has it on disk, however often control goes away meanwhile.

import type { Clock } from '../../adapters/port.ts'
import type { InvocationOutcome } from '../generation/engine.ts'
import { outcomeOf, type WorkOrder, type WorkOutcome } from './order.ts'

export interface TakenOptions {
  /** Whether a generation is live. */
  readonly canRun: () => boolean
  /** Runs it, at most for its deadline. Never rejects. */
  readonly run: (order: WorkOrder) => Promise<InvocationOutcome>
  /** Resolves once control has the outcome on disk. */
  readonly tell: (id: string, outcome: WorkOutcome) => Promise<unknown>
  readonly clock: Clock
}

export interface Taken {
  /** False where it is not taken. One that is held is not run twice. */
  take(order: WorkOrder): boolean
  /** Ids of what runs here, or ended here and control does not know for certain. */
  held(): readonly string[]
  /** Takes no more; resolves once control knows of all that was taken, after `graceMs`, or where control is away for long. */
  close(graceMs: number): Promise<void>
}

const firstRetryMs = 50
const longestRetryMs = 1_000
/** So long an end waits for control once everything has ended: what control does not hear of is delivered again. */
const tellMs = 5_000

export function createTaken({ canRun, run, tell, clock }: TakenOptions): Taken {
  const held = new Map<string, { readonly ended: Promise<unknown>; readonly told: Promise<void> }>()
  let closing = false

  return {
    take(order) {
      if (held.has(order.id)) return true
      if (closing || !canRun()) return false
      const ended = run(order)
      held.set(order.id, { ended, told: tellOf(order.id, ended) })
      return true
    },
    held: () => [...held.keys()],
    async close(graceMs) {
      closing = true
      const settled = new AbortController()
      const within = (ms: number) => clock.sleep(ms, settled.signal).catch(() => undefined) // rejects only once nobody waits
      const all = [...held.values()]
      const told = Promise.all(all.map(each => each.told))
      await Promise.race([told, within(graceMs), Promise.all(all.map(each => each.ended)).then(() => within(tellMs))])
      settled.abort()
    },
  }

  async function tellOf(id: string, ended: Promise<InvocationOutcome>): Promise<void> {
    const outcome = outcomeOf(await ended)
    for (let pauseMs = firstRetryMs; ; pauseMs = Math.min(pauseMs * 2, longestRetryMs)) {
      try {
        await tell(id, outcome)
        held.delete(id)
        return
      } catch {
        // Control is away, or cannot write: it is told again.
        await clock.sleep(pauseMs)
      }
    }
  }
}
