import assert from 'node:assert'
import { mkdir, open as openFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { onTestFinished, test } from 'vitest'
import { StoreError, type StoreFault } from '../../../engine/store/error.ts'
import { openSqliteStore } from '../../../engine/store/sqlite.ts'
import { runStoreConformance } from '../../conformance/run-store.ts'
import { storeConformance } from '../../conformance/store.ts'
import { temporaryDirectory } from '../../directory.ts'
import { mountSmallDisk } from '../../small-disk.ts'

storeConformance('node:sqlite', {
  async place() {
    const directory = await temporaryDirectory()
    return { path: join(directory.path, 'store.db'), [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() }
  },
  open: openSqliteStore,
  module: { url: pathToFileURL(join(import.meta.dirname, '../../../engine/store/sqlite.ts')).href, name: 'openSqliteStore' },
})

runStoreConformance(async () => {
  const directory = await temporaryDirectory()
  onTestFinished(() => directory[Symbol.asyncDispose]())
  return await openSqliteStore(join(directory.path, 'store.db'))
})

test('openSqliteStore() makes a file that only its user may read', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'store.db')
  await using _store = await openSqliteStore(path)
  assert.equal((await stat(path)).mode & 0o777, 0o600)
})

test('openSqliteStore() commits the writes of one tick together', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openSqliteStore(join(directory.path, 'store.db'))
  const elapsedMs = async (work: () => Promise<unknown>): Promise<number> => {
    const startedAt = performance.now()
    await work()
    return performance.now() - startedAt
  }
  const apartMs = await elapsedMs(async () => {
    for (let at = 0; at < 20; at++) await store.putSetting(`apart${at}`, 'value')
  })
  const togetherMs = await elapsedMs(() => Promise.all(Array.from({ length: 2000 }, (_, at) => store.putSetting(`key${at}`, 'value'))))
  // with a flush for each they would take a hundred times as long as the twenty
  assert(togetherMs < apartMs * 50, `2,000 together took ${togetherMs} ms, 20 apart ${apartMs} ms`)
})

for (const [what, fault, prepare] of [
  ['is not a database', 'corrupt', path => writeFile(path, 'this is a note, and not a database '.repeat(100))],
  ['was damaged', 'corrupt', damage],
  ['was written by a later build', 'version', path => edit(path, 'PRAGMA user_version = 999')],
  ['is a directory', 'io', path => mkdir(path).then(() => undefined)],
] as const satisfies readonly (readonly [string, StoreFault, (path: string) => Promise<void>])[])
  test(`openSqliteStore() says so where the file ${what}`, async () => {
    await using directory = await temporaryDirectory()
    const path = join(directory.path, 'store.db')
    await prepare(path)
    await assert.rejects(openSqliteStore(path), (error: unknown) => {
      assert(error instanceof StoreError)
      assert.equal(error.fault, fault)
      assert.match(error.message, /^Cannot open the store ".*store.db" as .*; /)
      return true
    })
  })

test('openSqliteStore() refuses a file that another store holds, and takes it once that is closed', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'store.db')
  const first = await openSqliteStore(path)
  const second = openSqliteStore(path, { busyTimeoutMs: 50 }).catch((error: unknown) => error)
  await first.putSetting('a', '1')
  const error = await second
  assert(error instanceof StoreError && error.fault === 'busy' && error.retryable, String(error))
  await first[Symbol.asyncDispose]()
  await using third = await openSqliteStore(path)
  assert.equal(await third.getSetting('a'), '1')
})

test('a store whose disk is full refuses what is written, keeps what was, and goes on once there is room', async context => {
  await using disk = await mountSmallDisk()
  if (disk === null) return context.skip('mounting a file system needs root')
  await using store = await openSqliteStore(join(disk.path, 'store.db'))
  await store.putSetting('before', 'kept')
  await disk.fill()
  for (const result of await Promise.allSettled([store.putBlob(new Uint8Array(500_000)), store.putSetting('beside', 'lost')])) {
    assert(result.status === 'rejected' && result.reason instanceof StoreError)
    assert.equal(result.reason.fault, 'full')
  }
  assert.equal(await store.getSetting('before'), 'kept')
  assert.equal(await store.getSetting('beside'), undefined)
  await disk.free()
  await store.putSetting('after', 'there')
  assert.equal(await store.getSetting('after'), 'there')
})

async function damage(path: string): Promise<void> {
  const store = await openSqliteStore(path)
  for (let at = 0; at < 50; at++) await store.putSetting(`key${at}`, 'value'.repeat(1000))
  await store[Symbol.asyncDispose]()
  await using file = await openFile(path, 'r+')
  await file.write(Buffer.alloc(3000, 0xff), 0, 3000, 100)
}

async function edit(path: string, sql: string): Promise<void> {
  await (await openSqliteStore(path))[Symbol.asyncDispose]()
  using database = new DatabaseSync(path)
  database.exec(sql)
}
