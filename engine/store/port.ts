// The store port: what must survive a restart and is not the live state itself (that is `current` and its manifests).
// Two implementations are foreseen (node:sqlite, PostgreSQL); both pass test/conformance/store.ts. A write that resolved is on disk.

import type { JsonObject } from '../../schema/json.ts'
import type { AuditStore } from './audit.ts'
import type { LayerStore } from './layers.ts'
import type { RunStore } from './runs.ts'
import type { TaskStore } from './tasks.ts'
import type { TokenStore } from './tokens.ts'

/** One thing that happened; journal order is the order of `seq`. */
export interface JournalEvent {
  readonly seq: number
  /** ISO time */
  readonly at: string
  /** Dotted, such as `sync.failed`. */
  readonly type: string
  readonly body: JsonObject
}

export type Outcome = 'live' | 'probation' | 'superseded' | 'rolled-back' | 'failed-probation'

/** One row for each serial: every commit point makes one, swap-backs and rollbacks included. */
export interface HistoryRow {
  readonly serial: number
  readonly generation: number
  readonly environment: string
  readonly revision: string | null
  /** Digest over the effective digests of all entries. */
  readonly digest: string
  /** File name of the manifest under `<data>/manifests`. */
  readonly manifest: string
  readonly actor: string
  /** Why there is a new serial: `sync`, `apply`, `rollback`, `probation failed: …` */
  readonly reason: string
  readonly at: string
  readonly outcome: Outcome
  readonly summary: { readonly create: number; readonly update: number; readonly delete: number }
}

export interface PlanRow {
  readonly id: string
  readonly environment: string
  readonly revision: string
  readonly baseSerial: number
  readonly createdAt: string
  readonly expiresAt: string
  readonly actor: string
  readonly state: 'open' | 'applied' | 'expired' | 'refused'
  /** The plan as people read it; secrets as digests. */
  readonly body: JsonObject
  /** Blob that holds the delta, secrets sealed. */
  readonly blob: string
}

/** A change set that was judged bad: held while every pair of it is in a revision. */
export interface Mark {
  readonly id: string
  readonly environment: string
  /** [part, digest or "absent"]; a part is a ref, `settings` or `lockfile` */
  readonly pairs: readonly (readonly [string, string])[]
  readonly actor: string
  readonly reason: string
  readonly at: string
}

export interface Lease {
  readonly name: string
  readonly holder: string
  /** Rises by one at every change of holder. */
  readonly term: number
  readonly expiresAt: number
}

export interface Store extends LayerStore, TaskStore, TokenStore, AuditStore, RunStore, AsyncDisposable {
  appendJournal(type: string, body: JsonObject): Promise<JournalEvent>
  /** Events after `after`, oldest first. `limit` 1 to 1000. */
  readJournal(after: number, limit: number): Promise<readonly JournalEvent[]>

  /** Inserts the row unless its serial is there, and with it sets how earlier ones ended: all of it or nothing. Says whether it was inserted. */
  insertHistory(row: HistoryRow, ended?: readonly Pick<HistoryRow, 'serial' | 'outcome'>[]): Promise<boolean>
  setOutcome(serial: number, outcome: Outcome): Promise<void>
  /** Newest first, older than `before` where given. `limit` 1 to 1000. */
  listHistory(limit: number, before?: number): Promise<readonly HistoryRow[]>
  getHistory(serial: number): Promise<HistoryRow | undefined>

  putPlan(row: PlanRow): Promise<void>
  getPlan(id: string): Promise<PlanRow | undefined>
  /** Newest first. */
  listPlans(limit: number): Promise<readonly PlanRow[]>
  /** Moves an open plan to `state`; false where it was not open any more, so that a plan is applied at most once. */
  closePlan(id: string, state: 'applied' | 'expired' | 'refused'): Promise<boolean>
  /** Opens a plan again that was closed as applied and then was not. */
  reopenPlan(id: string): Promise<void>

  putMark(mark: Mark): Promise<void>
  listMarks(): Promise<readonly Mark[]>
  /** Number of marks removed. */
  clearMarks(ids: readonly string[]): Promise<number>

  /** Takes `name` if it is free or expired, or renews it for the same holder; null where another holds it. `now` in ms. */
  acquireLease(name: string, holder: string, ttlMs: number, now: number): Promise<Lease | null>
  /** Gives it up, whatever its expiry; false where `holder` and `term` do not hold it. */
  releaseLease(name: string, holder: string, term: number): Promise<boolean>
  listLeases(): Promise<readonly Lease[]>

  /** True for the first that claims `key`; for work that may be done once. */
  claim(key: string, holder: string): Promise<boolean>

  putBlob(bytes: Uint8Array): Promise<string>
  getBlob(digest: string): Promise<Uint8Array | undefined>
  /** Removes plans, blobs and events older than `before` (ISO) that nothing names. */
  prune(before: string): Promise<void>

  getSetting(key: string): Promise<string | undefined>
  putSetting(key: string, value: string): Promise<void>
}
