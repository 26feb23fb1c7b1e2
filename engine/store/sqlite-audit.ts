// The audit in SQL. Number and hash of a row are made here, in the one thread that writes, so that the chain has no two ends.

import type { JsonObject } from '../../schema/json.ts'
import { type AuditEntry, type AuditRow, type AuditStore, anchorAction, hashOf, noHash } from './audit.ts'
import type { Row, Sql } from './sql.ts'
import type { SyncPart } from './sqlite-protocol.ts'

/** Calls that only read. */
export const auditReaders = ['readAudit', 'lastAuditedEvent'] as const

export function auditStatements({ all, get, changes }: Sql, now: () => string): SyncPart<AuditStore> {
  return {
    appendAudit(entry) {
      const known = entry.event === null ? undefined : get('SELECT * FROM audit WHERE event = ?', entry.event)
      return known ? auditRow(known) : append(entry)
    },
    readAudit({ after, before, since, until, actor, action, outcome, limit }) {
      const order = after === undefined ? 'DESC' : 'ASC'
      return all(
        `SELECT * FROM audit WHERE seq > ?1 AND seq < ?2 AND (?3 IS NULL OR at >= ?3) AND (?4 IS NULL OR at < ?4)
           AND (?5 IS NULL OR actor = ?5 OR substr(actor, 1, length(?5) + 2) = ?5 || ' (')
           AND (?6 IS NULL OR action = ?6) AND (?7 IS NULL OR outcome = ?7)
         ORDER BY seq ${order} LIMIT ?8`,
        after ?? 0,
        before ?? Number.MAX_SAFE_INTEGER,
        since ?? null,
        until ?? null,
        actor ?? null,
        action ?? null,
        outcome ?? null,
        Math.min(Math.max(limit, 1), 1000),
      ).map(auditRow)
    },
    lastAuditedEvent: () => Number(get('SELECT max(event) AS event FROM audit')?.event ?? 0),
    pruneAudit(before) {
      // Up to the first that is young enough, whatever the clock did in between: a gap could not be told from a row taken out.
      const oldest = Number(get('SELECT coalesce(min(seq), 0) AS seq FROM audit WHERE at >= ?', before)?.seq)
      const newest = Number(get('SELECT coalesce(max(seq), 0) AS seq FROM audit')?.seq)
      const through = (oldest === 0 ? newest : oldest) - 1
      const last = get('SELECT seq, hash FROM audit WHERE seq = ?', through)
      if (!last) return null
      const removed = changes('DELETE FROM audit WHERE seq <= ?', through)
      const detail = { through, hash: String(last.hash), removed }
      const none = { address: null, role: null, token: null, target: null, event: null }
      return append({ ...none, at: now(), actor: 'plumb', via: 'server', action: anchorAction, outcome: 'done', detail })
    },
  }

  function append(entry: AuditEntry): AuditRow {
    const last = get('SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1')
    const linked = { ...entry, seq: Number(last?.seq ?? 0) + 1, prevHash: String(last?.hash ?? noHash) }
    const row: AuditRow = { ...linked, hash: hashOf(linked) }
    changes(
      `INSERT INTO audit (seq, at, actor, via, address, role, token, action, target, outcome, detail, event, prev_hash, hash)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.seq,
      row.at,
      row.actor,
      row.via,
      row.address,
      row.role,
      row.token,
      row.action,
      row.target,
      row.outcome,
      JSON.stringify(row.detail),
      row.event,
      row.prevHash,
      row.hash,
    )
    return row
  }
}

/** As it is found, so that what somebody changed in the file shows. */
function auditRow(row: Row): AuditRow {
  const textOrNull = (value: Row[string] | undefined) => (value === null || value === undefined ? null : String(value))
  return {
    seq: Number(row.seq),
    at: String(row.at),
    actor: String(row.actor),
    via: row.via as AuditRow['via'], // only append writes it
    address: textOrNull(row.address),
    role: textOrNull(row.role),
    token: textOrNull(row.token),
    action: String(row.action),
    target: textOrNull(row.target),
    outcome: row.outcome as AuditRow['outcome'], // only append writes it
    detail: detailOf(String(row.detail)),
    event: row.event === null ? null : Number(row.event),
    prevHash: String(row.prev_hash),
    hash: String(row.hash),
  }
}

function detailOf(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject // only append writes it
  } catch {
    return { unreadable: text } // somebody wrote it by hand: the row's hash tells
  }
}
