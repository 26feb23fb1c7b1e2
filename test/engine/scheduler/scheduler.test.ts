// What a scheduler makes of its jobs' times, over the real store: nothing is run twice, nothing is lost beyond what a policy says.

import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { JsonObject } from '../../../schema/json.ts'
import { until } from '../../until.ts'
import { brief, createRig, failed, lost } from './rig.ts'

const minute: JsonObject = { job_type: 'cron', cron: '* * * * *' }
const minuteMs = 60_000

describe('times', () => {
  test('a job runs at each of its times, once, and its row says when and how', async () => {
    await using rig = await createRig()
    await rig.start({ a: { ...minute, extra: '{"n":1}' } })
    for (let turn = 1; turn <= 3; turn++) {
      rig.clock.advance(minuteMs)
      await rig.settled(turn)
    }
    assert.deepEqual(
      brief(await rig.rows()),
      [1, 2, 3].map(n => `a 2026-01-01T00:0${n}:00Z time done`),
    )
    const [order] = rig.workers.orders
    assert.deepEqual(
      [order?.service, order?.payload, order?.deadlineMs, order?.delivery],
      [
        'work',
        { n: 1 },
        3_600_000,
        { kind: 'job', id: 'a@2026-01-01T00:01:00.000Z', attempt: 1, redelivered: false, job: 'a', nominalAt: '2026-01-01T00:01:00.000Z' },
      ],
    )
  })

  for (const [what, spec, advances, expected] of [
    [
      'an interval without a start begins when it is live',
      { job_type: 'interval_based', minutes: 5 },
      [0, 5, 5],
      ['00:00', '00:05', '00:10'],
    ],
    [
      'a past start is rolled forward by whole intervals, weeks included',
      { job_type: 'interval_based', weeks: 1, start_date: '2025-12-25T00:03:00' },
      [3],
      ['00:03'],
    ],
    [
      'a start without an offset is of the time zone',
      { job_type: 'one_time', start_date: '2026-01-01T01:02', timezone: 'Europe/Warsaw' },
      [2],
      ['00:02'],
    ],
    ['so many repeats and no more', { job_type: 'interval_based', minutes: 1, repeats: 2 }, [0, 1, 1, 1], ['00:00', '00:01']],
    ['once', { job_type: 'one_time', start_date: '2026-01-01T00:01:00Z' }, [1, 1, 1], ['00:01']],
  ] as const)
    test(what, async () => {
      await using rig = await createRig()
      await rig.start({ a: spec as unknown as JsonObject }) // a literal
      for (const [at, minutes] of advances.entries()) {
        rig.clock.advance(minutes * minuteMs)
        await rig.settled(Math.min(at + 1, expected.length))
      }
      assert.deepEqual(
        (await rig.rows()).map(({ nominal }) => new Date(nominal).toISOString().slice(11, 16)),
        expected,
      )
    })

  test('a time that had passed before its job was first live is told and not run', async () => {
    await using rig = await createRig()
    await rig.start({ a: { job_type: 'one_time', start_date: '2025-12-24T00:00:00Z' } })
    const [row] = await rig.settled(1)
    assert.deepEqual([row?.state, row?.reason], ['skipped', 'its time had passed when it was first live'])
  })

  test('1,000 jobs that are due in the same second each run once', async () => {
    await using rig = await createRig()
    await rig.start(Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`j${at}`, minute])))
    rig.clock.advance(minuteMs)
    await rig.settled(1_000)
    assert.equal(new Set(rig.workers.orders.map(({ delivery }) => delivery.id)).size, 1_000)
    assert.equal(rig.workers.orders.length, 1_000)
  })

  test('jitter waits, and never past the next time', async () => {
    await using rig = await createRig()
    await rig.start({ a: { ...minute, jitter_ms: 600_000 } })
    rig.clock.advance(minuteMs + 29_000)
    await new Promise(resolve => setTimeout(resolve, 20))
    assert.equal(rig.workers.orders.length, 0)
    rig.clock.advance(1_000)
    assert.deepEqual(brief(await rig.settled(1)), ['a 2026-01-01T00:01:00Z time done'])
  })
})

describe('overlap', () => {
  for (const [overlap, expected, orders] of [
    ['skip', ['a 2026-01-01T00:01:00Z time done', 'a 2026-01-01T00:02:00Z time skipped', 'a 2026-01-01T00:03:00Z time skipped'], 1],
    ['queue', ['a 2026-01-01T00:01:00Z time done', 'a 2026-01-01T00:02:00Z time done', 'a 2026-01-01T00:03:00Z time skipped'], 2],
    ['allow', ['a 2026-01-01T00:01:00Z time done', 'a 2026-01-01T00:02:00Z time done', 'a 2026-01-01T00:03:00Z time done'], 3],
  ] as const)
    test(`${overlap}: a run that outlives its period`, async () => {
      await using rig = await createRig()
      rig.workers.answer = () => 'never'
      await rig.start({ a: { ...minute, overlap } })
      for (let turn = 1; turn <= 3; turn++) {
        rig.clock.advance(minuteMs)
        await until(async () => (await rig.rows()).length === turn, 'the time is met')
      }
      while ((await rig.rows()).some(({ state }) => state === 'running' || state === 'scheduled')) {
        await rig.workers.finish()
        await new Promise(setImmediate)
      }
      assert.deepEqual(brief(await rig.rows()), expected)
      assert.equal(rig.workers.orders.length, orders)
    })
})

describe('times that passed while nothing ran', () => {
  for (const [misfire, fields, expected] of [
    ['skip', {}, ['a 2026-01-01T00:04:00Z missed skipped 4']],
    ['once', {}, ['a 2026-01-01T00:03:00Z missed skipped 3', 'a 2026-01-01T00:04:00Z missed done']],
    [
      'all',
      {},
      [
        'a 2026-01-01T00:01:00Z missed done',
        'a 2026-01-01T00:02:00Z missed done',
        'a 2026-01-01T00:03:00Z missed done',
        'a 2026-01-01T00:04:00Z missed done',
      ],
    ],
    [
      'all',
      { misfire_limit: 2 },
      ['a 2026-01-01T00:02:00Z missed skipped 2', 'a 2026-01-01T00:03:00Z missed done', 'a 2026-01-01T00:04:00Z missed done'],
    ],
  ] as const)
    test(`misfire ${misfire} ${JSON.stringify(fields)}`, async () => {
      await using rig = await createRig()
      await rig.start({ a: { ...minute, misfire, misfire_after_ms: 10_000, ...fields } })
      await rig.scheduler.stop()
      rig.clock.advance(4 * minuteMs + 30_000)
      await rig.crash()
      assert.deepEqual(brief(await rig.settled(expected.length)), expected)
    })

  test('the last one is on time where it is not late by more than the job allows', async () => {
    await using rig = await createRig()
    await rig.start({ a: minute })
    await rig.scheduler.stop()
    rig.clock.advance(4 * minuteMs + 30_000)
    await rig.crash()
    assert.deepEqual(brief(await rig.settled(2)), ['a 2026-01-01T00:03:00Z missed skipped 3', 'a 2026-01-01T00:04:00Z time done'])
  })

  test('three days of a job of every second make no storm', async () => {
    await using rig = await createRig()
    await rig.start({ a: { job_type: 'interval_based', seconds: 1, misfire: 'all', misfire_limit: 5 } })
    await rig.settled(1)
    await rig.scheduler.stop()
    rig.clock.advance(3 * 86_400_000)
    await rig.crash()
    const rows = await rig.settled(8)
    assert.deepEqual(
      rows.map(({ state, origin }) => `${origin} ${state}`).sort(),
      [...Array(5).fill('missed done'), 'missed skipped', 'time done', 'time done'].sort(),
    )
    assert(rows.some(({ count }) => count > 5_000))
  })

  test('a job that was switched off meanwhile, or is new, makes up for nothing', async () => {
    await using rig = await createRig()
    await rig.start({ a: { ...minute, misfire: 'all' }, b: minute })
    rig.declare({ b: minute })
    await until(async () => (await rig.store.listJobStates()).some(({ job, times }) => job === 'a' && times === null), 'it is gone')
    rig.clock.advance(30 * minuteMs + 1)
    await until(async () => (await rig.rows('b')).length > 0, 'the other goes on')
    rig.declare({ a: { ...minute, misfire: 'all' }, b: minute })
    await until(() => rig.scheduler.tracked('a') !== undefined, 'it is back')
    rig.clock.advance(minuteMs)
    await until(async () => (await rig.rows('a')).some(({ state }) => state === 'done'), 'it runs')
    assert.deepEqual(brief(await rig.rows('a')), ['a 2026-01-01T00:31:00Z time done'])
  })
})

describe('runs that do not end well', () => {
  test('one that fails says why, and is not tried again', async () => {
    await using rig = await createRig()
    rig.workers.answer = () => failed
    await rig.start({ a: minute })
    rig.clock.advance(minuteMs)
    const [row] = await rig.settled(1)
    assert.deepEqual([row?.state, row?.reason, rig.events], ['failed', 'it broke', ['job.failed a']])
  })

  for (const [outcome, state] of [
    [failed, 'failed'],
    [lost, 'unknown'],
  ] as const)
    test(`retry tries one that is ${state} again, later each time, and gives up`, async () => {
      await using rig = await createRig()
      rig.workers.answer = () => outcome
      await rig.start({ a: { ...minute, retry: { attempts: 2, backoff_ms: 1_000 } } })
      rig.clock.advance(minuteMs)
      for (const [attempt, waits] of [
        [1, 1_000],
        [2, 2_000],
      ] as const) {
        await until(async () => (await rig.rows())[0]?.attempt === attempt + 1, 'the next attempt waits')
        assert.equal((await rig.rows())[0]?.dueAt, rig.clock.now() + waits)
        rig.clock.advance(waits)
      }
      const [row] = await rig.settled(1)
      assert.deepEqual([row?.state, row?.attempt], [state, 3])
      assert.deepEqual(
        rig.workers.orders.map(({ delivery }) => [delivery.attempt, delivery.redelivered]),
        [
          [1, false],
          [2, true],
          [3, true],
        ],
      )
    })

  test('a run that a crash of this process interrupts is heard of from its worker', async () => {
    await using rig = await createRig()
    rig.workers.answer = () => 'never'
    await rig.start({ a: minute })
    rig.clock.advance(minuteMs)
    await until(() => rig.workers.orders.length === 1, 'it runs')
    await rig.crash()
    assert.deepEqual(rig.workers.resumed, [{ id: 'job:a@2026-01-01T00:01:00.000Z#1', life: 'life-1' }])
    await rig.workers.finish()
    assert.deepEqual(brief(await rig.settled(1)), ['a 2026-01-01T00:01:00Z time done'])
  })

  test('what waits for its next attempt waits on through a crash', async () => {
    await using rig = await createRig()
    rig.workers.answer = () => failed
    await rig.start({ a: { ...minute, retry: { attempts: 1, backoff_ms: 5_000 } } })
    rig.clock.advance(minuteMs)
    await until(async () => (await rig.rows())[0]?.attempt === 2, 'the next attempt waits')
    await rig.crash()
    rig.clock.advance(5_000)
    const [row] = await rig.settled(1)
    assert.deepEqual([row?.state, row?.attempt, rig.workers.orders.length], ['done', 2, 1])
  })

  test('a scheduler whose lease is another’s writes and starts nothing', async () => {
    await using rig = await createRig()
    await rig.start({ a: minute })
    const [lease] = await rig.store.listLeases()
    await rig.store.acquireLease('scheduler:all', 'another', 6_000, Number.MAX_SAFE_INTEGER - 10_000)
    assert.notEqual((await rig.store.listLeases())[0]?.term, lease?.term)
    rig.clock.advance(minuteMs)
    await until(() => rig.errors.length > 0, 'it says so')
    assert.deepEqual([await rig.rows(), rig.workers.orders], [[], []])
  })
})

describe('what follows', () => {
  test('services and jobs are called when a run ends, by how it ends', async () => {
    await using rig = await createRig()
    rig.workers.answer = ({ service }) => (service === 'breaks' ? failed : { kind: 'done', elapsedMs: 1, generation: 1, payload: null })
    const quiet: JsonObject = { job_type: 'one_time', start_date: '2030-01-01T00:00:00Z' }
    await rig.start({
      good: { ...minute, on_success_service: 'cheer', on_success_job: 'after', on_error_service: 'mourn' },
      bad: { ...minute, service: 'breaks', on_success_service: 'cheer', on_error_service: 'mourn', on_error_job: 'after.bad' },
      after: { ...quiet, service: 'second' },
      'after.bad': { ...quiet, service: 'third' },
    })
    rig.clock.advance(minuteMs)
    await rig.settled(6)
    const called = rig.workers.orders.map(({ service }) => service).sort()
    assert.deepEqual(called, ['breaks', 'cheer', 'mourn', 'second', 'third', 'work'])
    const mourned = rig.workers.orders.find(({ service }) => service === 'mourn')
    assert.deepEqual(mourned?.payload, {
      job: 'bad',
      nominal_at: '2026-01-01T00:01:00.000Z',
      outcome: 'failed',
      attempts: 1,
      reason: 'it broke',
    })
  })
})

describe('a clock that jumps', () => {
  test('back by an hour: no time is run twice, and what comes next is run', async () => {
    await using rig = await createRig('2026-01-01T10:00:30Z')
    await rig.start({ a: minute })
    for (let turn = 1; turn <= 5; turn++) {
      rig.clock.advance(minuteMs)
      await rig.settled(turn)
    }
    rig.clock.jump(-3 * minuteMs)
    await until(() => rig.events.includes('jobs.clock'), 'it is noticed')
    for (let turn = 1; turn <= 4; turn++) {
      rig.clock.advance(minuteMs)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    const rows = await rig.settled(6)
    assert.deepEqual(
      rows.map(({ nominal }) => new Date(nominal).toISOString().slice(11, 16)),
      ['10:01', '10:02', '10:03', '10:04', '10:05', '10:06'],
    )
    assert.equal(rig.workers.orders.length, 6)
  })

  test('a year ahead and back again: it goes on as if nothing had been', async () => {
    await using rig = await createRig()
    await rig.start({ a: { ...minute, misfire: 'once' } })
    rig.clock.jump(365 * 86_400_000)
    await rig.settled(1)
    rig.clock.jump(-365 * 86_400_000)
    await until(() => rig.events.includes('jobs.clock'), 'it is noticed')
    rig.clock.advance(minuteMs)
    await until(
      async () => (await rig.rows()).some(({ nominal }) => nominal === Date.parse('2026-01-01T00:01:00Z')),
      'its next time is met',
    )
  })

  for (const [what, startAt, timezone, hours, expected] of [
    ['put forward', '2026-03-29T00:00:00Z', 'Europe/Bucharest', 3, ['2026-03-29T01:00']],
    ['put back', '2026-10-25T00:00:00Z', 'Europe/Bucharest', 3, ['2026-10-25T00:30']],
  ] as const)
    test(`the clock of a time zone that is ${what}: a fixed hour runs once`, async () => {
      await using rig = await createRig(startAt)
      await rig.start({ a: { job_type: 'cron', cron: '30 3 * * *', timezone } })
      for (let half = 0; half < hours * 2; half++) {
        rig.clock.advance(30 * minuteMs)
        await new Promise(resolve => setTimeout(resolve, 15))
      }
      await rig.settled(1)
      assert.deepEqual(
        (await rig.rows()).map(({ nominal }) => new Date(nominal).toISOString().slice(0, 16)),
        expected,
      )
    })
})

describe('what people do', () => {
  test('a paused job lets its times pass, keeps its note through a crash, and makes up for nothing', async () => {
    await using rig = await createRig()
    await rig.start({ a: minute })
    const tracked = rig.scheduler.tracked('a')
    assert(tracked)
    await rig.scheduler.pause(tracked, { by: 'zoe', at: '2026-01-01T00:00:00Z', note: 'the ledger moves' })
    rig.clock.advance(10 * minuteMs + 1)
    await rig.crash()
    const again = rig.scheduler.tracked('a')
    assert(again)
    assert.deepEqual([again.state.pause?.note, again.next, rig.workers.orders], ['the ledger moves', null, []])
    await rig.scheduler.resume(again, 'zoe')
    rig.clock.advance(minuteMs)
    assert.deepEqual(brief(await rig.settled(1)), ['a 2026-01-01T00:11:00Z time done'])
  })

  test('a run at once is one of its own, also while the job is paused, and not beside another that it may not overlap', async () => {
    await using rig = await createRig()
    rig.workers.answer = () => 'never'
    await rig.start({ a: minute })
    const tracked = rig.scheduler.tracked('a')
    assert(tracked)
    await rig.scheduler.pause(tracked, { by: 'zoe', at: '2026-01-01T00:00:00Z', note: 'n' })
    assert(await rig.scheduler.runNow(tracked, 'zoe'))
    await until(() => rig.workers.orders.length === 1, 'it runs')
    assert.equal(await rig.scheduler.runNow(tracked, 'zoe'), null)
    await rig.workers.finish()
    const [row] = await rig.settled(1)
    assert.deepEqual([row?.origin, row?.by, row?.state], ['manual', 'zoe', 'done'])
  })
})

test('a job of a time zone that this machine does not know says so, and the others run', async () => {
  await using rig = await createRig()
  await rig.start({ a: { ...minute, timezone: 'Mars/Olympus' }, b: minute })
  rig.clock.advance(minuteMs)
  await rig.settled(1)
  assert.match(String(rig.scheduler.tracked('a')?.problem), /time zone/i)
})
