// What every implementation of the store port promises, as tests. `open` opens a store at a place; opening the same place again
// finds what was committed there.

import assert from 'node:assert'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { beforeEach, describe, onTestFinished, test } from 'vitest'
import type { Deploy, Layer } from '../../engine/store/layers.ts'
import type { HistoryRow, Mark, PlanRow, Store } from '../../engine/store/port.ts'
import { auditConformance } from './audit.ts'
import { taskConformance } from './task-store.ts'
import { tokenConformance } from './tokens.ts'

export interface StoreUnderTest {
  /** A new, empty place; removed after the test. */
  place(): Promise<{ readonly path: string } & AsyncDisposable>
  open(path: string): Promise<Store>
  /** URL of the module that exports `open` under `name`, for a process of its own. */
  readonly module: { readonly url: string; readonly name: string }
}

export function storeConformance(name: string, { place, open, module }: StoreUnderTest): void {
  describe(`${name} as a store`, () => {
    const at = { path: '' }
    beforeEach(async () => {
      const found = await place()
      at.path = found.path
      onTestFinished(() => found[Symbol.asyncDispose]())
    })

    test('appendJournal() numbers events upwards, and readJournal() gives those after a number, oldest first', async () => {
      await using store = await open(at.path)
      const events = await Promise.all([1, 2, 3].map(n => store.appendJournal(`sync.step${n}`, { n, text: 'größe\n' })))
      assert.deepEqual(await store.readJournal(0, 10), events)
      const [first, second, third] = events
      assert(first && second && third && first.seq < second.seq && second.seq < third.seq)
      assert.deepEqual(await store.readJournal(first.seq, 1), [second])
      assert.deepEqual(await store.readJournal(third.seq, 10), [])
      assert.match(first.at, /^\d{4}-\d\d-\d\dT.*Z$/)
    })

    test('insertHistory() keeps the first row of a serial', async () => {
      await using store = await open(at.path)
      assert.equal(await store.insertHistory(historyOf(1)), true)
      assert.equal(await store.insertHistory({ ...historyOf(1), actor: 'another' }), false)
      assert.deepEqual(await store.getHistory(1), historyOf(1))
      assert.equal(await store.getHistory(2), undefined)
    })

    test('insertHistory() sets with the row how earlier ones ended, all of it or nothing', async () => {
      await using store = await open(at.path)
      await store.insertHistory(historyOf(1))
      const broken = { ...historyOf(2), serial: 'two' as unknown as number } // not what the table takes
      await assert.rejects(store.insertHistory(broken, [{ serial: 1, outcome: 'superseded' }]))
      assert.equal((await store.getHistory(1))?.outcome, historyOf(1).outcome)
      await store.insertHistory(historyOf(2), [{ serial: 1, outcome: 'superseded' }])
      assert.deepEqual([(await store.getHistory(1))?.outcome, (await store.getHistory(2))?.serial], ['superseded', 2])
    })

    test('listHistory() is newest first, and setOutcome() changes one row', async () => {
      await using store = await open(at.path)
      for (const serial of [2, 1, 3]) await store.insertHistory(historyOf(serial))
      await store.setOutcome(2, 'superseded')
      const list = await store.listHistory(10)
      assert.deepEqual(
        list.map(row => [row.serial, row.outcome]),
        [
          [3, 'live'],
          [2, 'superseded'],
          [1, 'live'],
        ],
      )
      assert.deepEqual(
        (await store.listHistory(1, 3)).map(row => row.serial),
        [2],
      )
    })

    test('closePlan() lets exactly one of many close an open plan', async () => {
      await using store = await open(at.path)
      const plan = planOf('p1', await store.putBlob(new Uint8Array([1])))
      await store.putPlan(plan)
      const closed = await Promise.all(Array.from({ length: 8 }, () => store.closePlan('p1', 'applied')))
      assert.equal(closed.filter(Boolean).length, 1)
      assert.deepEqual(await store.getPlan('p1'), { ...plan, state: 'applied' })
      assert.equal(await store.closePlan('none', 'applied'), false)
    })

    test('reopenPlan() opens one that was closed as applied, and no other', async () => {
      await using store = await open(at.path)
      for (const id of ['applied', 'expired']) await store.putPlan(planOf(id, 'x'))
      await store.closePlan('applied', 'applied')
      await store.closePlan('expired', 'expired')
      for (const id of ['applied', 'expired', 'none']) await store.reopenPlan(id)
      assert.equal((await store.getPlan('applied'))?.state, 'open')
      assert.equal((await store.getPlan('expired'))?.state, 'expired')
    })

    test('listPlans() is newest first', async () => {
      await using store = await open(at.path)
      for (const id of ['a', 'b', 'c']) await store.putPlan(planOf(id, 'x'))
      await store.putPlan({ ...planOf('old', 'x'), createdAt: '2020-01-01T00:00:00.000Z' })
      assert.deepEqual(
        (await store.listPlans(3)).map(plan => plan.id),
        ['c', 'b', 'a'],
      )
    })

    test('clearMarks() removes the marks it is given and says how many', async () => {
      await using store = await open(at.path)
      for (const id of ['a', 'b', 'c']) await store.putMark(markOf(id))
      assert.deepEqual(await store.listMarks(), ['a', 'b', 'c'].map(markOf))
      assert.equal(await store.clearMarks(['a', 'c', 'none']), 2)
      assert.deepEqual(await store.listMarks(), [markOf('b')])
    })

    test('acquireLease() gives a lease to one holder, renews it for the same, and raises the term for the next', async () => {
      await using store = await open(at.path)
      assert.deepEqual(await store.acquireLease('loop', 'a', 1000, 0), { name: 'loop', holder: 'a', term: 1, expiresAt: 1000 })
      assert.equal(await store.acquireLease('loop', 'b', 1000, 999), null)
      assert.equal((await store.acquireLease('loop', 'a', 1000, 500))?.expiresAt, 1500)
      assert.equal(await store.acquireLease('loop', 'b', 1000, 1499), null)
      assert.deepEqual(await store.acquireLease('loop', 'b', 1000, 1500), { name: 'loop', holder: 'b', term: 2, expiresAt: 2500 })
      assert.equal(await store.acquireLease('loop', 'a', 1000, 1600), null)
      assert.equal((await store.listLeases()).length, 1)
    })

    test('acquireLease() gives a free lease to exactly one of many', async () => {
      await using store = await open(at.path)
      const got = await Promise.all(Array.from({ length: 8 }, (_, holder) => store.acquireLease('loop', `h${holder}`, 1000, 0)))
      assert.equal(got.filter(lease => lease !== null).length, 1)
    })

    test('releaseLease() frees it for its holder and term only, and the next term is higher', async () => {
      await using store = await open(at.path)
      await store.acquireLease('loop', 'a', 1000, 0)
      assert.equal(await store.releaseLease('loop', 'b', 1), false)
      assert.equal(await store.releaseLease('loop', 'a', 2), false)
      assert.equal(await store.releaseLease('loop', 'a', 1), true)
      assert.deepEqual(await store.listLeases(), [])
      assert.equal((await store.acquireLease('loop', 'a', 1000, 1))?.term, 2)
    })

    test('claim() is true for the first of many', async () => {
      await using store = await open(at.path)
      const claimed = await Promise.all(Array.from({ length: 8 }, (_, holder) => store.claim('job@12:00', `h${holder}`)))
      assert.equal(claimed.filter(Boolean).length, 1)
      assert.equal(await store.claim('job@12:00', 'late'), false)
    })

    taskConformance(() => open(at.path))
    tokenConformance(() => open(at.path))
    auditConformance(() => open(at.path))

    test('getBlob() gives the bytes that putBlob() was given, under one digest for equal bytes', async () => {
      await using store = await open(at.path)
      const bytes = Uint8Array.from({ length: 100_000 }, (_, at) => at % 256)
      const digest = await store.putBlob(bytes)
      assert.equal(await store.putBlob(bytes.slice()), digest)
      assert.deepEqual(new Uint8Array((await store.getBlob(digest)) ?? []), bytes)
      assert.equal(await store.getBlob('0'.repeat(64)), undefined)
    })

    test('insertDeploy() writes a deploy and its layers in one step, once', async () => {
      await using store = await open(at.path)
      const digest = await store.putBlob(new Uint8Array([1]))
      assert.equal(await store.insertDeploy(deployOf('d1', 1), [layerOf('a', digest), layerOf('b', null)], []), true)
      assert.equal(await store.insertDeploy(deployOf('d1', 1), [layerOf('c', digest)], []), false)
      assert.deepEqual(await store.listLayers(), [layerOf('a', digest), layerOf('b', null)])
      assert.deepEqual(await store.getDeploy('d1'), deployOf('d1', 1))
      assert.deepEqual(await store.listOpenDeploys(), [deployOf('d1', 1)])
      assert.deepEqual([await store.lastSequence('copy'), await store.lastSequence('another')], [1, 0])
    })

    test('insertDeploy() writes nothing where the content of one layer is not here', async () => {
      await using store = await open(at.path)
      const digest = await store.putBlob(new Uint8Array([1]))
      await assert.rejects(store.insertDeploy(deployOf('d1', 1), [layerOf('a', digest), layerOf('b', 'f'.repeat(64))], []))
      assert.deepEqual([await store.listLayers(), await store.getDeploy('d1')], [[], undefined])
    })

    test('endDeploy() keeps the layers of a deploy, or makes them what they were before it', async () => {
      await using store = await open(at.path)
      const [first, second] = await Promise.all([1, 2].map(n => store.putBlob(new Uint8Array([n]))))
      assert(first && second)
      await store.insertDeploy(deployOf('d1', 1), [layerOf('a', first), layerOf('b', first)], [])
      await store.endDeploy('d1', { kind: 'live' }, false)
      await store.insertDeploy({ ...deployOf('d2', 2), files: filesOf('a', 'b', 'c') }, [layerOf('a', second), layerOf('c', second)], ['b'])
      assert.deepEqual(await store.listLayers(), [layerOf('a', second), layerOf('c', second)])
      await store.endDeploy('d2', { kind: 'refused' }, true)
      assert.deepEqual(await store.listLayers(), [layerOf('a', first), layerOf('b', first)])
      await store.endDeploy('d1', { kind: 'refused' }, true)
      assert.deepEqual([(await store.getDeploy('d1'))?.outcome, (await store.listLayers()).length], [{ kind: 'live' }, 2])
      assert.deepEqual(await store.listOpenDeploys(), [])
      assert.equal(await store.liftLayers(['a', 'nowhere']), 1)
    })

    test('missingBlobs() names those that are not here', async () => {
      await using store = await open(at.path)
      const digest = await store.putBlob(new Uint8Array([1]))
      assert.deepEqual(await store.missingBlobs([digest, 'f'.repeat(64)]), ['f'.repeat(64)])
    })

    test('prune() keeps the content of layers, and of each client its last deploy', async () => {
      await using store = await open(at.path)
      const digest = await store.putBlob(new Uint8Array([1]))
      for (const sequence of [1, 2]) {
        await store.insertDeploy(deployOf(`d${sequence}`, sequence), [layerOf('a', digest)], [])
        await store.endDeploy(`d${sequence}`, { kind: 'live' }, false)
      }
      await store.prune('2998-01-01T00:00:00.000Z')
      assert.notEqual(await store.getBlob(digest), undefined)
      assert.deepEqual([await store.getDeploy('d1'), await store.lastSequence('copy')], [undefined, 2])
    })

    test('prune() removes what is old and named by nothing, and no history', async () => {
      await using store = await open(at.path)
      const [kept, lost, ofOldPlan] = await Promise.all([1, 2, 3].map(n => store.putBlob(new Uint8Array([n]))))
      assert(kept && lost && ofOldPlan)
      await store.putPlan({ ...planOf('kept', kept), expiresAt: '2999-01-01T00:00:00.000Z' })
      await store.putPlan(planOf('old', ofOldPlan))
      await store.appendJournal('old', {})
      await store.insertHistory(historyOf(1))
      await store.putSetting('key', 'value')
      await store.prune('2020-01-01T00:00:00.000Z')
      assert.equal((await store.listPlans(10)).length, 2)
      assert.equal((await store.readJournal(0, 10)).length, 1)

      await store.prune('2998-01-01T00:00:00.000Z')
      assert.deepEqual(
        (await store.listPlans(10)).map(plan => plan.id),
        ['kept'],
      )
      assert.notEqual(await store.getBlob(kept), undefined)
      assert.equal(await store.getBlob(lost), undefined)
      assert.equal(await store.getBlob(ofOldPlan), undefined)
      assert.deepEqual(await store.readJournal(0, 10), [])
      assert.equal((await store.listHistory(10)).length, 1)
      assert.equal(await store.getSetting('key'), 'value')
    })

    test('a number of the journal is not given twice, even after all events were removed', async () => {
      await using store = await open(at.path)
      const { seq } = await store.appendJournal('one', {})
      await store.prune('2998-01-01T00:00:00.000Z')
      assert((await store.appendJournal('two', {})).seq > seq)
    })

    test('a call that fails does not take others of the same tick with it', async () => {
      await using store = await open(at.path)
      const broken = { ...historyOf(9), actor: null as unknown as string } // what no caller may send
      const settled = await Promise.allSettled([store.putSetting('a', '1'), store.insertHistory(broken), store.putSetting('b', '2')])
      assert.deepEqual(
        settled.map(result => result.status),
        ['fulfilled', 'rejected', 'fulfilled'],
      )
      assert.deepEqual([await store.getSetting('a'), await store.getSetting('b')], ['1', '2'])
    })

    test('what was written is there after the store was closed and opened again', async () => {
      {
        await using store = await open(at.path)
        void store.putSetting('unawaited', 'kept')
        await store.insertHistory(historyOf(1))
      }
      await using store = await open(at.path)
      assert.equal(await store.getSetting('unawaited'), 'kept')
      assert.deepEqual(await store.getHistory(1), historyOf(1))
    })

    test('a closed store refuses', async () => {
      const store = await open(at.path)
      await store[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
      await assert.rejects(store.getSetting('a'), /closed/)
    })

    test('a write that resolved survives kill -9 right after it', async () => {
      const script = `
        const { ${module.name}: open } = await import(${JSON.stringify(module.url)})
        const store = await open(${JSON.stringify(at.path)})
        await Promise.all([store.insertHistory(${JSON.stringify(historyOf(7))}), store.appendJournal('sync', {})])
        process.kill(process.pid, 'SIGKILL')`
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'ignore', 'inherit'] })
      assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL'])
      await using store = await open(at.path)
      assert.deepEqual(await store.getHistory(7), historyOf(7))
      assert.equal((await store.readJournal(0, 10)).length, 1)
    })
  })
}

function historyOf(serial: number): HistoryRow {
  return {
    serial,
    generation: serial,
    environment: 'dev',
    revision: null,
    digest: '0'.repeat(64),
    manifest: `${'1'.repeat(64)}.manifest`,
    actor: 'Zoë',
    reason: 'sync',
    at: '2026-01-01T00:00:00.000Z',
    outcome: 'live',
    summary: { create: 1, update: 2, delete: 3 },
  }
}

function planOf(id: string, blob: string): PlanRow {
  return {
    id,
    environment: 'dev',
    revision: 'a'.repeat(40),
    baseSerial: 3,
    createdAt: '2026-01-01T00:00:00.000Z',
    expiresAt: '2026-01-02T00:00:00.000Z',
    actor: 'Zoë',
    state: 'open',
    body: { changes: [] },
    blob,
  }
}

function markOf(id: string): Mark {
  return {
    id,
    environment: 'dev',
    pairs: [['channel_rest/a', 'absent']],
    actor: 'Zoë',
    reason: 'rolled back',
    at: '2026-01-01T00:00:00.000Z',
  }
}

function layerOf(path: string, digest: string | null): Layer {
  const blob = digest === null ? null : 'b'.repeat(40)
  return { path, digest, blob, bytes: 1, base: 'a'.repeat(40), by: 'Zoë', at: '2026-01-01T00:00:00.000Z', deploy: 'd', client: 'copy' }
}

function filesOf(...paths: readonly string[]): Deploy['files'] {
  return paths.map(path => ({ path, digest: null, base: null }))
}

function deployOf(id: string, sequence: number): Deploy {
  return { id, client: 'copy', sequence, by: 'Zoë', at: '2026-01-01T00:00:00.000Z', files: filesOf('a', 'b'), outcome: null }
}
