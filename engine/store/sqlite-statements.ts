// The store port in SQL, call by call. Runs in the store's thread; transactions are the caller's.

import { createHash } from 'node:crypto'
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import type { JsonObject } from '../../schema/json.ts'
import type { HistoryRow, JournalEvent, Lease, Mark, PlanRow } from './port.ts'
import { createSql, type Row, within } from './sql.ts'
import { auditReaders, auditStatements } from './sqlite-audit.ts'
import { layerReaders, layerStatements } from './sqlite-layers.ts'
import type { Method, SyncStore } from './sqlite-protocol.ts'
import { createRunStatements, runReaders } from './sqlite-runs.ts'
import { createTaskStatements, taskReaders } from './sqlite-tasks.ts'
import { pruneTokens, tokenReaders, tokenStatements } from './sqlite-tokens.ts'

/** Calls that only read: they need no transaction that may write. */
export const readers: ReadonlySet<Method> = new Set<Method>([
  'readJournal',
  'listHistory',
  'getHistory',
  'getPlan',
  'listPlans',
  'listMarks',
  'listLeases',
  'getBlob',
  'getSetting',
  ...taskReaders,
  ...tokenReaders,
  ...auditReaders,
  ...layerReaders,
  ...runReaders,
])

/** @param now gives ISO time */
export function createStatements(database: DatabaseSync, now: () => string): SyncStore {
  const sql = createSql(database)
  const { all, get, changes } = sql

  const setOutcome: SyncStore['setOutcome'] = (serial, outcome) =>
    void changes('UPDATE history SET outcome = ? WHERE serial = ?', outcome, serial)

  return {
    ...createTaskStatements(sql),
    ...createRunStatements(sql),
    appendJournal(type, body) {
      const at = now()
      const row = get('INSERT INTO journal (at, type, body) VALUES (?, ?, ?) RETURNING seq', at, type, JSON.stringify(body))
      return { seq: Number(row?.seq), at, type, body }
    },
    readJournal: (after, limit) =>
      all('SELECT * FROM journal WHERE seq > ? ORDER BY seq LIMIT ?', after, within(limit)).map(
        (row): JournalEvent => ({ seq: Number(row.seq), at: String(row.at), type: String(row.type), body: parsed<JsonObject>(row.body) }),
      ),

    insertHistory(row, ended = []) {
      for (const { serial, outcome } of ended) setOutcome(serial, outcome)
      const inserted = changes(
        `INSERT INTO history (serial, generation, environment, revision, digest, manifest, actor, reason, at, outcome, summary)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
        row.serial,
        row.generation,
        row.environment,
        row.revision,
        row.digest,
        row.manifest,
        row.actor,
        row.reason,
        row.at,
        row.outcome,
        JSON.stringify(row.summary),
      )
      return inserted === 1
    },
    setOutcome,
    listHistory: (limit, before) =>
      all('SELECT * FROM history WHERE serial < ? ORDER BY serial DESC LIMIT ?', before ?? Number.MAX_SAFE_INTEGER, within(limit)).map(
        historyRow,
      ),
    getHistory: serial => optional(get('SELECT * FROM history WHERE serial = ?', serial), historyRow),

    putPlan: row =>
      void changes(
        `INSERT OR REPLACE INTO plan (id, environment, revision, base_serial, created_at, expires_at, actor, state, body, blob)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        row.id,
        row.environment,
        row.revision,
        row.baseSerial,
        row.createdAt,
        row.expiresAt,
        row.actor,
        row.state,
        JSON.stringify(row.body),
        row.blob,
      ),
    getPlan: id => optional(get('SELECT * FROM plan WHERE id = ?', id), planRow),
    listPlans: limit => all('SELECT * FROM plan ORDER BY created_at DESC, rowid DESC LIMIT ?', within(limit)).map(planRow),
    closePlan: (id, state) => changes(`UPDATE plan SET state = ? WHERE id = ? AND state = 'open'`, state, id) === 1,

    reopenPlan: id => void changes(`UPDATE plan SET state = 'open' WHERE id = ? AND state = 'applied'`, id),

    putMark: mark =>
      void changes(
        'INSERT OR REPLACE INTO mark (id, environment, pairs, actor, reason, at) VALUES (?, ?, ?, ?, ?, ?)',
        mark.id,
        mark.environment,
        JSON.stringify(mark.pairs),
        mark.actor,
        mark.reason,
        mark.at,
      ),
    listMarks: () => all('SELECT * FROM mark ORDER BY at, id').map(markRow),
    clearMarks: ids => ids.reduce((removed, id) => removed + changes('DELETE FROM mark WHERE id = ?', id), 0),

    // One statement, so that the rule "free, expired or one's own" is judged and carried out at once.
    acquireLease(name, holder, ttlMs, at) {
      const row = get(
        `INSERT INTO lease (name, holder, term, expires_at) VALUES (?1, ?2, 1, ?3)
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at,
           term = term + (lease.holder IS NOT excluded.holder)
         WHERE lease.holder IS excluded.holder OR lease.holder IS NULL OR lease.expires_at <= ?4
         RETURNING *`,
        name,
        holder,
        at + ttlMs,
        at,
      )
      return row ? leaseRow(row) : null
    },
    // The row stays: its term must rise for the next holder.
    releaseLease: (name, holder, term) =>
      changes('UPDATE lease SET holder = NULL, expires_at = 0 WHERE name = ? AND holder = ? AND term = ?', name, holder, term) === 1,
    listLeases: () => all('SELECT * FROM lease WHERE holder IS NOT NULL ORDER BY name').map(leaseRow),

    claim: (key, holder) =>
      changes('INSERT INTO claim (key, holder, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING', key, holder, now()) === 1,

    // A blob put again is as young as a new one: its plan row comes after it.
    putBlob(bytes) {
      const digest = createHash('sha256').update(bytes).digest('hex')
      changes(
        'INSERT INTO blob (digest, bytes, at) VALUES (?, ?, ?) ON CONFLICT (digest) DO UPDATE SET at = excluded.at',
        digest,
        bytes,
        now(),
      )
      return digest
    },
    getBlob: digest => optional(get('SELECT bytes FROM blob WHERE digest = ?', digest), row => row.bytes as Uint8Array), // the column is a BLOB
    prune(before) {
      changes('DELETE FROM plan WHERE created_at < ? AND expires_at < ?', before, before)
      changes(
        'DELETE FROM blob WHERE at < ? AND digest NOT IN (SELECT blob FROM plan) AND digest NOT IN (SELECT digest FROM layer WHERE digest IS NOT NULL)',
        before,
      )
      changes('DELETE FROM journal WHERE at < ?', before)
      changes('DELETE FROM claim WHERE at < ?', before)
      pruneTokens(sql, before)
      // The last deploy of a client stays, as its sequence tells an older one that comes late.
      changes(
        `DELETE FROM deploy WHERE at < ? AND outcome IS NOT NULL
           AND sequence < (SELECT max(sequence) FROM deploy AS other WHERE other.client = deploy.client)`,
        before,
      )
    },

    getSetting: key => optional(get('SELECT value FROM setting WHERE key = ?', key), row => String(row.value)),
    ...layerStatements(sql, now),
    putSetting: (key, value) => void changes('INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)', key, value),

    ...tokenStatements(sql),
    ...auditStatements(sql, now),
  }
}

function historyRow(row: Row): HistoryRow {
  return {
    serial: Number(row.serial),
    generation: Number(row.generation),
    environment: String(row.environment),
    revision: row.revision === null ? null : String(row.revision),
    digest: String(row.digest),
    manifest: String(row.manifest),
    actor: String(row.actor),
    reason: String(row.reason),
    at: String(row.at),
    outcome: row.outcome as HistoryRow['outcome'], // only setOutcome and insertHistory write it
    summary: parsed(row.summary),
  }
}

function planRow(row: Row): PlanRow {
  return {
    id: String(row.id),
    environment: String(row.environment),
    revision: String(row.revision),
    baseSerial: Number(row.base_serial),
    createdAt: String(row.created_at),
    expiresAt: String(row.expires_at),
    actor: String(row.actor),
    state: row.state as PlanRow['state'], // only putPlan and closePlan write it
    body: parsed(row.body),
    blob: String(row.blob),
  }
}

function markRow(row: Row): Mark {
  return {
    id: String(row.id),
    environment: String(row.environment),
    pairs: parsed(row.pairs),
    actor: String(row.actor),
    reason: String(row.reason),
    at: String(row.at),
  }
}

function leaseRow(row: Row): Lease {
  return { name: String(row.name), holder: String(row.holder), term: Number(row.term), expiresAt: Number(row.expires_at) }
}

/** `T` is what the statement beside wrote into the column. */
function parsed<T>(column: SQLOutputValue | undefined): T {
  return JSON.parse(String(column)) as T // written by JSON.stringify of a T
}

function optional<T>(row: Row | undefined, read: (row: Row) => T): T | undefined {
  return row && read(row)
}
