// What the store keeps of the past beside its history: plans, deltas, events of the journal, tokens that ended, and the audit for a year.
// Rows of the history and marks stay.

import type { Clock, Log } from '../../adapters/port.ts'
import { messageOf } from '../../adapters/redact.ts'
import type { Store } from '../../engine/store/port.ts'

const dayMs = 24 * 3_600_000
const keptDays = 90
const auditKeptDays = 365

export interface RetentionOptions {
  readonly store: Pick<Store, 'prune' | 'pruneAudit' | 'readAudit'>
  readonly clock: Clock
  readonly log: Log
  /** Whether the log is to say where the audit ends: it can then be measured against what was logged. */
  readonly tellsHead: boolean
  readonly signal: AbortSignal
}

/** Removes what is older than 90 days, of the audit a year, now and then once a day, until `signal` is aborted. Never rejects. */
export async function pruneDaily({ store, clock, log, tellsHead, signal }: RetentionOptions): Promise<void> {
  while (!signal.aborted) {
    try {
      await store.prune(new Date(clock.now() - keptDays * dayMs).toISOString())
      await store.pruneAudit(new Date(clock.now() - auditKeptDays * dayMs).toISOString())
      const [head] = tellsHead ? await store.readAudit({ limit: 1 }) : []
      if (head) log.info({ seq: head.seq, hash: head.hash }, 'Head of the audit')
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
