// The part of the store that keeps the audit: rows that are only ever appended, each bound to the one before by its hash, so that a row
// that was changed, taken out or put in shows. The store makes number and hash, as only it knows which row is the last.

import { digestOf } from '../../schema/digest.ts'
import type { Json, JsonObject } from '../../schema/json.ts'

/** What is to be written down. */
export interface AuditEntry {
  /** ISO time */
  readonly at: string
  /** Who, as history and journal name them. */
  readonly actor: string
  /** How they came: `server` where no request caused it. */
  readonly via: 'socket' | 'token' | 'server' | 'nobody'
  readonly address: string | null
  readonly role: string | null
  /** Id of the token. */
  readonly token: string | null
  /** The id of a route, or the type of an event. */
  readonly action: string
  readonly target: string | null
  /** `asked` comes before what it names is done; one of the others follows, and its detail names the row as `of`. */
  readonly outcome: 'asked' | 'done' | 'refused' | 'failed' | 'denied'
  readonly detail: JsonObject
  /** Number of the journal's event that this row is about. */
  readonly event: number | null
}

export interface AuditRow extends AuditEntry {
  /** 1 and up, without a gap. */
  readonly seq: number
  /** Hash of the row before; zeros for the first. */
  readonly prevHash: string
  /** SHA-256 over the canonical JSON of all the other fields. */
  readonly hash: string
}

export interface AuditQuery {
  /** Oldest first from after this number; without it newest first. */
  readonly after?: number
  readonly before?: number
  /** ISO times; `until` is not within. */
  readonly since?: string
  readonly until?: string
  /** As rows have it, or without the token's id in brackets. */
  readonly actor?: string
  readonly action?: string
  readonly outcome?: string
  /** 1 to 1000 */
  readonly limit: number
}

export interface AuditStore {
  /** Appends a row. One for an event that has its row already changes nothing and gives that row. */
  appendAudit(entry: AuditEntry): Promise<AuditRow>
  readAudit(query: AuditQuery): Promise<readonly AuditRow[]>
  /** Number of the last event of the journal that has a row; 0 where none has. */
  lastAuditedEvent(): Promise<number>
  /**
   * Removes the rows older than `before` (ISO) and appends one, the anchor, that names the last of them and its hash: what is left can
   * be verified from it. Null where nothing was that old. The newest row always stays.
   */
  pruneAudit(before: string): Promise<AuditRow | null>
}

export const noHash = '0'.repeat(64)
/** Action of the row that says which ones were removed. */
export const anchorAction = 'audit.pruned'

export function hashOf(row: Omit<AuditRow, 'hash'>): string {
  const { seq, at, actor, via, address, role, token, action, target, outcome, detail, event, prevHash } = row
  return digestOf({ seq, at, actor, via, address, role, token, action, target, outcome, detail, event, prevHash } satisfies Record<
    string,
    Json
  >)
}
