// What every implementation of the store promises for jobs, as tests.

import assert from 'node:assert/strict'
import { test } from 'vitest'
import type { HeldLease } from '../../adapters/port.ts'
import type { Store } from '../../engine/store/port.ts'
import type { JobState, RunRow } from '../../engine/store/runs.ts'

/** @param open opens a new, empty store */
export function runStoreConformance(open: () => Promise<Store>): void {
  test('putRuns() keeps the first row of a job and time, and advances the job by what its times led to', async () => {
    await using store = await open()
    const lease = await holding(store)
    await store.putJobStates([stateOf('a')])
    const rows = [rowOf(10), rowOf(20, { state: 'skipped' }), rowOf(15, { origin: 'manual' })]
    assert.deepEqual(await store.putRuns(lease, rows), [true, true, true])
    assert.deepEqual(await store.putRuns(lease, [rowOf(10, { reason: 'another' }), rowOf(30)]), [false, true])
    const [state] = await store.listJobStates()
    assert.deepEqual([state?.cursor, state?.fires], [30, 2])
    assert.deepEqual(await store.getRun({ job: 'a', nominal: 10 }), rowOf(10))
  })

  test('who holds the lease no more writes nothing', async () => {
    await using store = await open()
    const lease = await holding(store)
    const former = { ...lease, term: lease.term - 1 }
    assert.equal(await store.putRuns(former, [rowOf(10)]), null)
    assert.equal(await store.takeRun(former, rowOf(10)), 'fenced')
    await store.releaseLease(lease.name, 'me', lease.term)
    assert.equal(await store.takeRun(lease, rowOf(10)), 'fenced')
    assert.deepEqual(await store.listRuns({ limit: 10 }), [])
  })

  test('takeRun() lets a time be taken once: by many callers, again after its end, and after its row was pruned', async () => {
    await using store = await open()
    const lease = await holding(store)
    await store.putJobStates([stateOf('a')])
    const asked = await Promise.all(Array.from({ length: 8 }, (_, at) => store.takeRun(lease, rowOf(10, { cid: `c${at}` }))))
    assert.deepEqual(asked.filter(answer => answer === 'taken').length, 1)
    assert.equal(await store.takeRun(lease, rowOf(10, { cid: 'c0', life: 'another' })), 'taken', 'a worker that did not get it is replaced')
    await store.endRun(rowOf(10), { state: 'done', endedAt: 11, reason: null }, [])
    assert.equal(await store.takeRun(lease, rowOf(10, { cid: 'c0' })), 'known')
    for (const nominal of [20, 30]) await store.putRuns(lease, [rowOf(nominal, { state: 'skipped' })])
    assert.equal(await store.pruneRuns(25, 1), 2)
    assert.deepEqual(
      (await store.listRuns({ limit: 10 })).map(({ nominal }) => nominal),
      [30],
    )
    assert.equal(await store.takeRun(lease, rowOf(10)), 'known')
  })

  test('endRun() ends an attempt once, and writes what follows at times that are free', async () => {
    await using store = await open()
    const lease = await holding(store)
    await store.takeRun(lease, rowOf(10))
    await store.putRuns(lease, [rowOf(50, { job: 'b' })])
    const following = rowOf(50, { job: 'b', origin: 'follow-up', state: 'scheduled' })
    const end = { state: 'failed', endedAt: 12, reason: 'it broke' } as const
    assert.deepEqual(await store.endRun(rowOf(10), end, [following]), [{ ...following, nominal: 51 }])
    assert.equal(await store.endRun(rowOf(10), end, [following]), false)
    assert.deepEqual(await store.getRun({ job: 'a', nominal: 10 }), rowOf(10, end))
    assert.equal((await store.listRuns({ job: 'b', limit: 10 })).length, 2)
  })

  test('an attempt that is to come is open, and an end of the one before it is none of its own', async () => {
    await using store = await open()
    const lease = await holding(store)
    await store.takeRun(lease, rowOf(10))
    await store.endRun(rowOf(10), { state: 'scheduled', endedAt: 12, reason: 'it broke', next: { attempt: 2, dueAt: 99 } }, [])
    const [open2] = await store.openRuns()
    assert.deepEqual([open2?.attempt, open2?.dueAt, open2?.state], [2, 99, 'scheduled'])
    assert.equal(await store.endRun(rowOf(10), { state: 'done', endedAt: 13, reason: null }, []), false)
  })

  test('listRuns() is latest first, of one job or all, and setPause() changes nothing else', async () => {
    await using store = await open()
    const lease = await holding(store)
    await store.putJobStates([stateOf('a'), stateOf('b')])
    await store.putRuns(lease, [rowOf(10), rowOf(20, { job: 'b' }), rowOf(30)])
    const nominals = async (query: Parameters<Store['listRuns']>[0]) => (await store.listRuns(query)).map(({ nominal }) => nominal)
    assert.deepEqual(
      [
        await nominals({ limit: 10 }),
        await nominals({ job: 'a', limit: 1 }),
        await nominals({ limit: 10, after: { nominal: 30, job: 'a' } }),
      ],
      [[30, 20, 10], [30], [20, 10]],
    )
    await store.putRuns(lease, [rowOf(20), rowOf(20, { job: 'c' })])
    const page = await store.listRuns({ limit: 2, after: { nominal: 20, job: 'a' } })
    assert.deepEqual(
      page.map(({ job }) => job),
      ['b', 'c'],
      'of one time none is left out between two pages',
    )
    const pause = { by: 'zoe', at: '2026-01-01T00:00:00Z', note: 'größer' }
    await store.setPause('a', pause)
    assert.deepEqual(
      (await store.listJobStates()).find(({ job }) => job === 'a'),
      { ...stateOf('a'), cursor: 30, fires: 3, pause },
    )
    await store.setPause('a', null, 40)
    assert.deepEqual((await store.listJobStates()).find(({ job }) => job === 'a')?.cursor, 40)
  })
}

async function holding(store: Store): Promise<HeldLease> {
  const lease = await store.acquireLease('jobs', 'me', 60_000, Date.now())
  assert(lease)
  return lease
}

function stateOf(job: string): JobState {
  return { job, times: 'x', anchor: 0, cursor: 0, fires: 0, prunedTo: Number.MIN_SAFE_INTEGER, pause: null }
}

function rowOf(nominal: number, rest: Partial<RunRow> = {}): RunRow {
  const times = { dueAt: nominal, startedAt: nominal + 1, endedAt: null }
  return {
    job: 'a',
    nominal,
    service: 's',
    origin: 'time',
    by: null,
    state: 'running',
    attempt: 1,
    ...times,
    life: 'l',
    cid: 'c',
    reason: null,
    count: 1,
    ...rest,
  }
}
