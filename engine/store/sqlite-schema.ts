// Tables of the embedded store. A migration is never changed once released; `user_version` counts those that ran.

import type { DatabaseSync } from 'node:sqlite'
import { layerTables } from './sqlite-layers.ts'

const migrations: readonly string[] = [
  `CREATE TABLE journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, type TEXT NOT NULL, body TEXT NOT NULL) STRICT;
   CREATE TABLE history (serial INTEGER PRIMARY KEY, generation INTEGER NOT NULL, environment TEXT NOT NULL, revision TEXT,
     digest TEXT NOT NULL, manifest TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL, outcome TEXT NOT NULL,
     summary TEXT NOT NULL) STRICT;
   CREATE TABLE plan (id TEXT PRIMARY KEY, environment TEXT NOT NULL, revision TEXT NOT NULL, base_serial INTEGER NOT NULL,
     created_at TEXT NOT NULL, expires_at TEXT NOT NULL, actor TEXT NOT NULL, state TEXT NOT NULL, body TEXT NOT NULL,
     blob TEXT NOT NULL) STRICT;
   CREATE INDEX plan_by_age ON plan (created_at);
   CREATE TABLE mark (id TEXT PRIMARY KEY, environment TEXT NOT NULL, pairs TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL,
     at TEXT NOT NULL) STRICT;
   CREATE TABLE lease (name TEXT PRIMARY KEY, holder TEXT, term INTEGER NOT NULL, expires_at INTEGER NOT NULL) STRICT;
   CREATE TABLE claim (key TEXT PRIMARY KEY, holder TEXT NOT NULL, at TEXT NOT NULL) STRICT;
   CREATE TABLE blob (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL, at TEXT NOT NULL) STRICT;
   CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;`,
  `CREATE TABLE task (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, service TEXT NOT NULL, payload TEXT NOT NULL,
     cid TEXT NOT NULL, state TEXT NOT NULL, accepted_at TEXT NOT NULL, due_at INTEGER NOT NULL, attempts INTEGER NOT NULL,
     max_attempts INTEGER NOT NULL, begun INTEGER NOT NULL, deadline_ms INTEGER NOT NULL, holder TEXT, failure TEXT) STRICT;
   CREATE INDEX task_by_due ON task (state, due_at, seq);
   CREATE INDEX task_by_state ON task (state, seq);`,
  `CREATE TABLE token (id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, scopes TEXT NOT NULL, digest TEXT NOT NULL,
     environment TEXT NOT NULL, created_by TEXT NOT NULL, created_at TEXT NOT NULL, expires_at TEXT, last_used_at TEXT,
     revoked_at TEXT) STRICT;
   CREATE TABLE audit (seq INTEGER PRIMARY KEY, at TEXT NOT NULL, actor TEXT NOT NULL, via TEXT NOT NULL, address TEXT, role TEXT,
     token TEXT, action TEXT NOT NULL, target TEXT, outcome TEXT NOT NULL, detail TEXT NOT NULL, event INTEGER, prev_hash TEXT NOT NULL,
     hash TEXT NOT NULL) STRICT;
   CREATE UNIQUE INDEX audit_by_event ON audit (event) WHERE event IS NOT NULL;`,
  layerTables,
  `CREATE TABLE run (job TEXT NOT NULL, nominal INTEGER NOT NULL, service TEXT NOT NULL, origin TEXT NOT NULL, by TEXT,
     state TEXT NOT NULL, attempt INTEGER NOT NULL, due_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, life TEXT,
     cid TEXT NOT NULL, reason TEXT, count INTEGER NOT NULL, PRIMARY KEY (job, nominal)) STRICT, WITHOUT ROWID;
   CREATE INDEX run_by_time ON run (nominal);
   CREATE INDEX run_open ON run (state) WHERE state IN ('scheduled', 'running');
   CREATE TABLE job (job TEXT PRIMARY KEY, times TEXT, anchor INTEGER NOT NULL, cursor INTEGER NOT NULL, fires INTEGER NOT NULL,
     pruned_to INTEGER NOT NULL, pause TEXT) STRICT, WITHOUT ROWID;`,
]

/** The version of the tables that this build reads and writes. */
export const schemaVersion = migrations.length

/** Brings the tables up to this build, all or nothing. Returns the version found, which is higher than ours where a later build wrote it. */
export function migrate(database: DatabaseSync): number {
  const found = Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0)
  if (found >= schemaVersion) return found
  database.exec('BEGIN IMMEDIATE')
  try {
    for (const migration of migrations.slice(found)) database.exec(migration)
    database.exec(`PRAGMA user_version = ${schemaVersion}`)
    database.exec('COMMIT')
  } catch (cause) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw cause
  }
  return schemaVersion
}
