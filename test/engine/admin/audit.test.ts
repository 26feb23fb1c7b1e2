import assert from 'node:assert'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'vitest'
import { feedAudit } from '../../../engine/admin/audit-feed.ts'
import { verifyAudit } from '../../../engine/admin/audit-verify.ts'
import { auditedEvents } from '../../../engine/admin/audited-events.ts'
import type { AuditEntry } from '../../../engine/store/audit.ts'
import { observeJournal } from '../../../engine/store/observed.ts'
import { openSqliteStore } from '../../../engine/store/sqlite.ts'
import { temporaryDirectory } from '../../directory.ts'
import { repositoryFiles } from '../../house/repository.ts'
import { until } from '../../until.ts'
import { silent } from './server.ts'

for (const [what, sql, broken, reason] of [
  ['nothing', '', null, ''],
  ['who did it', "UPDATE audit SET actor = 'mallory' WHERE seq = 4", 4, /its content/],
  ['when it was', "UPDATE audit SET at = '2020-01-01T00:00:00.000Z' WHERE seq = 1", 1, /its content/],
  ['what was asked', `UPDATE audit SET detail = '{"at":99}' WHERE seq = 6`, 6, /its content/],
  ['a detail into what is no JSON', "UPDATE audit SET detail = '{' WHERE seq = 6", 6, /its content/],
  ['one row out of it', 'DELETE FROM audit WHERE seq = 5', 6, /row 5 before it is missing/],
  ['the first rows out of it', 'DELETE FROM audit WHERE seq < 4', 4, /rows from 1 to 3 are missing/],
  [
    'two rows into the places of each other',
    'UPDATE audit SET seq = -1 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 6; UPDATE audit SET seq = 6 WHERE seq = -1',
    5,
    /does not follow/,
  ],
  ['the last row out of it', 'DELETE FROM audit WHERE seq = 8', 8, /is gone: the last row is 7/],
  ['all of it away', 'DELETE FROM audit', 8, /is gone: the last row is 0/],
] as const)
  test(`verifyAudit() of an audit in which somebody changed ${what} names ${broken === null ? 'no row' : `row ${broken}`}`, async () => {
    await using directory = await temporaryDirectory()
    const path = join(directory.path, 'store.db')
    const known = await written(path, async store => {
      const { head, broken: before } = await verifyAudit(store, null)
      assert.equal(before, null)
      return head
    })
    edit(path, sql)
    await using store = await openSqliteStore(path)
    const found = await verifyAudit(store, known)
    assert.equal(found.broken?.seq ?? null, broken)
    if (found.broken)
      assert.match(found.broken.reason, reason as RegExp) // every broken case has one
    else assert.deepEqual([found.rows, found.first, found.head], [8, 1, known])
  })

test('verifyAudit() with a row noted elsewhere finds that the whole chain was made anew', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'store.db')
  const known = await written(path, async store => (await verifyAudit(store, null)).head)
  edit(path, 'DELETE FROM audit')
  await using store = await openSqliteStore(path)
  for (let at = 0; at < 9; at++) await store.appendAudit(entryOf({ actor: 'mallory' }))
  assert.equal((await verifyAudit(store, null)).broken, null)
  assert.match((await verifyAudit(store, known)).broken?.reason ?? '', /another row/)
})

test('verifyAudit() accepts what was removed in good order, and nothing more', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'store.db')
  await written(path, async store => {
    await store.pruneAudit('2026-01-05T00:00:00.000Z')
    assert.deepEqual({ ...(await verifyAudit(store, null)), head: null }, { rows: 5, first: 5, head: null, broken: null })
    await store.pruneAudit('2026-01-06T00:00:00.000Z')
    assert.equal((await verifyAudit(store, null)).first, 6)
    return null
  })
  edit(path, 'DELETE FROM audit WHERE seq = 6')
  await using store = await openSqliteStore(path)
  assert.match((await verifyAudit(store, null)).broken?.reason ?? '', /rows from 6 to 6 are missing/)
})

test('feedAudit() has a row for each event that changes something, once, also for those of before it began', async () => {
  await using directory = await temporaryDirectory()
  const { store, events } = observeJournal(await openSqliteStore(join(directory.path, 'store.db')))
  try {
    await store.appendJournal('generation.live', { actor: 'schedule', serial: 1, secret: 'kept out' })
    await store.appendJournal('sync.started', { actor: 'schedule' })
    for (let times = 0; times < 2; times++) {
      await using _feed = feedAudit({ store, events, log: silent })
      await store.appendJournal('service.quarantined', { ref: 'service/a', kills: 3 })
      await store.appendJournal('an.event.nobody.knows', {})
    }
    const rows = await store.readAudit({ after: 0, limit: 100 })
    assert.deepEqual(
      rows.map(({ actor, via, action, target, detail, event }) => ({ actor, via, action, target, detail, event })),
      [
        { actor: 'schedule', via: 'server', action: 'generation.live', target: null, detail: { serial: 1 }, event: 1 },
        ...[3, 5].flatMap(event => [
          { actor: 'plumb', via: 'server', action: 'service.quarantined', target: 'service/a', detail: { kills: 3 }, event },
          { actor: 'plumb', via: 'server', action: 'an.event.nobody.knows', target: null, detail: {}, event: event + 1 },
        ]),
      ],
    )
  } finally {
    await store[Symbol.asyncDispose]()
  }
})

test('feedAudit() goes on where it could not write, and loses nothing', async () => {
  await using directory = await temporaryDirectory()
  const { store, events } = observeJournal(await openSqliteStore(join(directory.path, 'store.db')))
  const disk = { isFull: true }
  const errors: string[] = []
  const kept = {
    readJournal: store.readJournal,
    lastAuditedEvent: store.lastAuditedEvent,
    getSetting: store.getSetting,
    putSetting: store.putSetting,
    appendAudit: (entry: AuditEntry) => (disk.isFull ? Promise.reject(new Error('the disk is full')) : store.appendAudit(entry)),
  }
  const log = { ...silent, error: (_: object, message: string) => void errors.push(message) }
  try {
    await using _feed = feedAudit({ store: kept, events, log, retryMs: 1 })
    for (let serial = 1; serial <= 3; serial++) await store.appendJournal('generation.live', { serial })
    await until(() => errors.length > 0, 'it says that it cannot write')
    disk.isFull = false
    await until(async () => (await store.readAudit({ limit: 10 })).length === 3, 'all are written')
    assert.equal(errors.length, 1)
  } finally {
    await store[Symbol.asyncDispose]()
  }
})

test('every event that the code writes to the journal is decided on: whether the audit has to have it', () => {
  const found = new Set<string>()
  for (const source of repositoryFiles(path => /^(?:adapters|engine|reconcile|cli)\/.*\.ts$/.test(path)).values())
    for (const [, type = ''] of source.matchAll(/\b(?:(?:appendJournal|announce)\(\s*'|tell\(\s*'(?=[a-z]+\.))([a-z]+(?:\.[a-z]+)*)'/g))
      found.add(type)
  assert(found.has('generation.live') && found.has('rollback'))
  const undecided = [...found].filter(type => auditedEvents[type] === undefined)
  assert.deepEqual(undecided, [], 'Say in engine/admin/audited-events.ts whether a change that no request caused stands behind it')
})

async function written<T>(path: string, act: (store: Awaited<ReturnType<typeof openSqliteStore>>) => Promise<T>): Promise<T> {
  await using store = await openSqliteStore(path)
  for (let at = 1; at <= 8; at++) await store.appendAudit(entryOf({ at: `2026-01-0${at}T00:00:00.000Z`, detail: { at } }))
  return await act(store)
}

function edit(path: string, sql: string): void {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

function entryOf(fields: Partial<AuditEntry>): AuditEntry {
  return {
    ...{ at: '2026-01-01T00:00:00.000Z', actor: 'Zoë', via: 'token', address: '192.0.2.1', role: 'admin', token: 'k3v9x0a4m2qd' },
    ...{ action: 'rollback', target: null, outcome: 'done', detail: {}, event: null },
    ...fields,
  }
}
