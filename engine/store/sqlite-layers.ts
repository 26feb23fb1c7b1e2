// Layers and deploys in SQL. Runs in the store's thread; a call is one savepoint.

import type { SQLOutputValue } from 'node:sqlite'
import type { Deploy, Layer, LayerStore } from './layers.ts'
import type { Row, Sql } from './sql.ts'
import type { SyncPart } from './sqlite-protocol.ts'

export const layerTables = `CREATE TABLE layer (path TEXT PRIMARY KEY, digest TEXT, blob TEXT, bytes INTEGER NOT NULL, base TEXT,
     by TEXT NOT NULL, at TEXT NOT NULL, deploy TEXT NOT NULL, client TEXT NOT NULL) STRICT;
   CREATE TABLE deploy (id TEXT PRIMARY KEY, client TEXT NOT NULL, sequence INTEGER NOT NULL, by TEXT NOT NULL, at TEXT NOT NULL,
     files TEXT NOT NULL, before TEXT NOT NULL, outcome TEXT) STRICT;
   CREATE INDEX deploy_by_client ON deploy (client, sequence);`

/** Calls that only read. */
export const layerReaders = ['listLayers', 'getDeploy', 'listOpenDeploys', 'lastSequence'] as const satisfies (keyof LayerStore)[]

/** @param now gives ISO time */
export function layerStatements({ all, get, changes }: Sql, now: () => string): SyncPart<LayerStore> {
  const lift = (path: string) => changes('DELETE FROM layer WHERE path = ?', path)
  const layerAt = (path: string) => get('SELECT * FROM layer WHERE path = ?', path)
  const lay = ({ path, digest, blob, bytes, base, by, at, deploy, client }: Layer) => {
    if (digest !== null && get('SELECT 1 FROM blob WHERE digest = ?', digest) === undefined)
      throw new Error(`the content ${digest} of a layer is not here`)
    changes('INSERT OR REPLACE INTO layer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)', path, digest, blob, bytes, base, by, at, deploy, client)
  }
  return {
    listLayers: () => all('SELECT * FROM layer ORDER BY path').map(layerRow),
    insertDeploy(deploy, laid, lifted) {
      const paths = [...laid.map(({ path }) => path), ...lifted]
      const before = paths.map(layerAt).filter(row => row !== undefined)
      const { id, client, sequence, by, at, files, outcome } = deploy
      const inserted = changes(
        'INSERT INTO deploy VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
        id,
        client,
        sequence,
        by,
        at,
        JSON.stringify(files),
        JSON.stringify(before.map(layerRow)),
        outcome && JSON.stringify(outcome),
      )
      if (inserted === 0) return false
      for (const path of lifted) lift(path)
      for (const layer of laid) lay(layer)
      return true
    },
    getDeploy(id) {
      const row = get('SELECT * FROM deploy WHERE id = ?', id)
      return row && deployRow(row)
    },
    listOpenDeploys: () => all('SELECT * FROM deploy WHERE outcome IS NULL ORDER BY at, sequence').map(deployRow),
    lastSequence: client => Number(get('SELECT max(sequence) AS last FROM deploy WHERE client = ?', client)?.last ?? 0),
    endDeploy(id, outcome, undo) {
      const row = get('SELECT * FROM deploy WHERE id = ? AND outcome IS NULL', id)
      if (row === undefined) return
      changes('UPDATE deploy SET outcome = ?, before = ? WHERE id = ?', JSON.stringify(outcome), '[]', id)
      if (!undo) return
      for (const { path } of deployRow(row).files) lift(path)
      for (const layer of JSON.parse(String(row.before)) as Layer[]) lay(layer) // written by insertDeploy
    },
    liftLayers: paths => paths.reduce((lifted, path) => lifted + lift(path), 0),
    missingBlobs: digests => digests.filter(digest => changes('UPDATE blob SET at = ? WHERE digest = ?', now(), digest) === 0),
  }
}

function layerRow(row: Row): Layer {
  return {
    path: String(row.path),
    digest: textOf(row.digest),
    blob: textOf(row.blob),
    bytes: Number(row.bytes),
    base: textOf(row.base),
    by: String(row.by),
    at: String(row.at),
    deploy: String(row.deploy),
    client: String(row.client),
  }
}

function deployRow(row: Row): Deploy {
  const { id, client, sequence, by, at, files, outcome } = row
  return {
    id: String(id),
    client: String(client),
    sequence: Number(sequence),
    by: String(by),
    at: String(at),
    files: JSON.parse(String(files)) as Deploy['files'], // written by insertDeploy
    outcome: outcome === null ? null : (JSON.parse(String(outcome)) as Deploy['outcome']), // written by endDeploy
  }
}

function textOf(column: SQLOutputValue | undefined): string | null {
  return column === null || column === undefined ? null : String(column)
}
