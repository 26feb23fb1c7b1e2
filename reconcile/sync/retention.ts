// What the store keeps of the past beside its history: plans, deltas, events of the journal. Rows of the history and marks stay.

import type { Clock, Log } from '../../adapters/port.ts'
import { messageOf } from '../../adapters/redact.ts'
import type { Store } from '../../engine/store/port.ts'

const dayMs = 24 * 3_600_000
const keptDays = 90

export interface RetentionOptions {
  readonly store: Pick<Store, 'prune'>
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

/** Removes what is older than 90 days, now and then once a day, until `signal` is aborted. Never rejects. */
export async function pruneDaily({ store, clock, log, signal }: RetentionOptions): Promise<void> {
  while (!signal.aborted) {
    try {
      await store.prune(new Date(clock.now() - keptDays * dayMs).toISOString())
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'Cannot remove what the store kept long enough; it is tried again tomorrow')
    }
    try {
      await clock.sleep(dayMs, signal)
    } catch {
      // Aborted: the loop's condition sees it.
    }
  }
}
