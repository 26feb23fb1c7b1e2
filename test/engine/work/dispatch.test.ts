import assert from 'node:assert/strict'
import { test } from 'vitest'
import { LinkError } from '../../../engine/process/link.ts'
import { createDispatch, type DispatchWorker, type Keeper } from '../../../engine/work/dispatch.ts'
import type { WorkOrder, WorkOutcome } from '../../../engine/work/order.ts'
import { fakeClock } from '../../fake-clock.ts'
import { until } from '../../until.ts'

const order = (id: string): WorkOrder => ({
  id,
  service: 'client.get',
  payload: { id },
  cid: `cid-${id}`,
  deadlineMs: 1_000,
  delivery: { kind: 'async', id, attempt: 1, redelivered: false, job: null, nominalAt: null },
})
const done: WorkOutcome = { kind: 'done', elapsedMs: 1, generation: 1, payload: null }

/** A worker that takes what it is given, and lets the test say how it ends. */
function workerDouble(life: string, { live = 1, orders = [] as readonly string[], takes = true } = {}) {
  const took: WorkOrder[] = []
  const worker: DispatchWorker & { live: number } = {
    life,
    live,
    orders,
    async take(order) {
      if (takes) took.push(order)
      return takes
    },
  }
  return { worker, took }
}

function setUp({ perWorker = 2 } = {}) {
  const clock = fakeClock()
  const dead = new Set<string>()
  const live = { generation: 1 }
  const dispatch = createDispatch({
    isServing: worker => worker.live === live.generation,
    isOver: life => dead.has(life),
    clock,
    perWorker,
  })
  return { clock, dead, live, dispatch }
}

function keeper() {
  const calls: string[] = []
  const kept: Keeper = {
    taken: async life => void calls.push(`taken ${life}`),
    ended: async outcome => void calls.push(outcome.kind),
  }
  return { calls, kept }
}

test('run() writes down who takes an order before it goes there, and the outcome before its worker forgets it', async () => {
  const { dispatch } = setUp()
  const { worker, took } = workerDouble('a')
  dispatch.up(worker)
  const steps: string[] = []
  const running = dispatch.run(order('1'), {
    taken: async life => void steps.push(`taken ${life}, sent ${took.length}`),
    ended: async outcome => void steps.push(outcome.kind),
  })
  await until(() => took.length === 1, 'A handover')
  await dispatch.told(worker, '1', done).then(() => steps.push('forgotten'))
  assert.deepEqual(await running, done)
  assert.deepEqual(steps, ['taken a, sent 0', 'done', 'forgotten'])
})

test('run() gives to the least busy that serves what is live, so many at a time, the rest in order', async () => {
  const { dispatch, live } = setUp()
  const [a, b, old] = [workerDouble('a'), workerDouble('b'), workerDouble('old', { live: 0 })]
  for (const { worker } of [a, b, old]) dispatch.up(worker)
  for (let at = 1; at <= 6; at++) void dispatch.run(order(String(at)), keeper().kept)
  await until(() => a.took.length + b.took.length === 4, 'Four handed out')
  assert.deepEqual(
    [a.took.map(({ id }) => id), b.took.map(({ id }) => id)],
    [
      ['1', '3'],
      ['2', '4'],
    ],
  )
  assert.deepEqual(dispatch.counts(), { running: 4, waiting: 2 })
  await dispatch.told(b.worker, '4', done)
  await until(() => b.took.length === 3, 'A place that became free')
  assert.equal(b.took[2]?.id, '5')
  live.generation = 2
  old.worker.live = 2
  dispatch.changed()
  await until(() => old.took.length === 1, 'One that serves what is live now')
  assert.equal(old.took[0]?.id, '6')
})

test('run() waits where no worker is there, and rejects when the server stops', async () => {
  const { dispatch } = setUp()
  const { calls, kept } = keeper()
  const running = dispatch.run(order('1'), kept)
  await dispatch[Symbol.asyncDispose]()
  await assert.rejects(running, /stopping/)
  assert.deepEqual(calls, [])
})

test('run() hands to another what a worker does not take, and hands nothing out where it cannot be written down', async () => {
  const { dispatch } = setUp()
  const [closing, other] = [workerDouble('a', { takes: false }), workerDouble('b')]
  dispatch.up(closing.worker)
  const { calls, kept } = keeper()
  void dispatch.run(order('1'), kept)
  await until(() => calls.length === 1, 'A try')
  dispatch.up(other.worker)
  await until(() => other.took.length === 1, 'A handover')
  assert.deepEqual(calls, ['taken a', 'taken b'])
  const full = { taken: () => Promise.reject(new Error('the disk is full')), ended: async () => undefined }
  await assert.rejects(dispatch.run(order('2'), full), /the disk is full/)
  assert.deepEqual([other.took.length, dispatch.counts().running], [1, 1])
})

test('an order is lost only once the life of its worker is over', async () => {
  const { dispatch, dead, clock } = setUp()
  const { worker, took } = workerDouble('a')
  const { calls, kept } = keeper()
  dispatch.up(worker)
  const running = dispatch.run(order('1'), kept)
  await until(() => took.length === 1, 'A handover')
  dispatch.down(worker)
  await clock.advance(60_000)
  assert.deepEqual(calls, ['taken a'])
  dead.add('a')
  await clock.advance(1_000)
  assert.deepEqual(await running, { kind: 'lost', reason: 'the worker that had it died', mayHaveRun: true })
  assert.deepEqual(calls, ['taken a', 'lost'])
})

test('an order whose link broke goes on where the worker has it, and to another where it never got it', async () => {
  const { dispatch } = setUp()
  const broken: DispatchWorker = {
    life: 'a',
    live: 1,
    orders: [],
    take: () => Promise.reject(new LinkError('Cannot go on as the link to the other process closed')),
  }
  dispatch.up(broken)
  const [first, second] = [keeper(), keeper()]
  const has = dispatch.run(order('has'), first.kept)
  const hasNot = dispatch.run(order('has not'), second.kept)
  await until(() => first.calls.length + second.calls.length === 2, 'Both sent')
  dispatch.down(broken)
  const back = workerDouble('a', { orders: ['has'] })
  dispatch.up(back.worker)
  await until(() => back.took.length === 1, 'What it never got')
  assert.equal(back.took[0]?.id, 'has not')
  await dispatch.told(back.worker, 'has', done)
  await dispatch.told(back.worker, 'has not', done)
  assert.deepEqual([await has, await hasNot], [done, done])
  assert.deepEqual(
    [first.calls, second.calls],
    [
      ['taken a', 'done'],
      ['taken a', 'taken a', 'done'],
    ],
  )
})

test('an outcome that cannot be written stays with the worker, which tells it again', async () => {
  const { dispatch } = setUp()
  const { worker, took } = workerDouble('a')
  dispatch.up(worker)
  let tries = 0
  const running = dispatch.run(order('1'), {
    taken: async () => undefined,
    ended: async () => {
      if (++tries === 1) throw new Error('the disk is full')
    },
  })
  await until(() => took.length === 1, 'A handover')
  await assert.rejects(dispatch.told(worker, '1', done), /the disk is full/)
  await dispatch.told(worker, '1', done)
  assert.deepEqual([await running, tries], [done, 2])
})

for (const [what, act, expected] of [
  [
    'how it ended, told before it was asked for',
    async ({ dispatch }) => {
      const { worker } = workerDouble('a', { orders: ['1'] })
      dispatch.up(worker)
      await assert.rejects(dispatch.told(worker, '1', done), /nobody has asked/)
      const resumed = dispatch.resume('1', 'a', keeper().kept)
      await dispatch.told(worker, '1', done)
      return resumed
    },
    done,
  ],
  [
    'that it never began, where its worker lives and does not have it',
    async ({ dispatch }) => {
      const resumed = dispatch.resume('1', 'a', keeper().kept)
      dispatch.up(workerDouble('a').worker)
      return resumed
    },
    { kind: 'lost', reason: 'the worker it was meant for never got it', mayHaveRun: false },
  ],
  [
    'that it is lost, where its worker died meanwhile',
    async ({ dispatch, dead, clock }) => {
      dead.add('a')
      const resumed = dispatch.resume('1', 'a', keeper().kept)
      await clock.advance(1_000)
      return resumed
    },
    { kind: 'lost', reason: 'the worker that had it died', mayHaveRun: true },
  ],
] as const satisfies readonly (readonly [string, (set: ReturnType<typeof setUp>) => Promise<WorkOutcome>, WorkOutcome])[])
  test(`resume() says of an order of an earlier control process ${what}`, async () => {
    assert.deepEqual(await act(setUp()), expected)
  })

test('every order of a life that is over is lost, also those that are asked for while the first is written down', async () => {
  const { dispatch, dead } = setUp()
  dead.add('a')
  const resumed = ['1', '2', '3'].map(id => dispatch.resume(id, 'a', keeper().kept))
  assert.deepEqual(
    (await Promise.all(resumed)).map(({ kind }) => kind),
    ['lost', 'lost', 'lost'],
  )
})

test('an outcome that was on disk when the link broke is let go of, once nobody can ask for it any more', async () => {
  const { dispatch, clock } = setUp()
  const { worker } = workerDouble('a', { orders: ['1'] })
  dispatch.up(worker)
  await clock.advance(600_000)
  await dispatch.told(worker, '1', done)
  assert.equal(dispatch.counts().running, 0)
})

test('orders that hang take the room of others for five seconds at the most', async () => {
  const { dispatch, clock } = setUp({ perWorker: 2 })
  const { worker, took } = workerDouble('a')
  dispatch.up(worker)
  for (const id of ['1', '2', '3']) void dispatch.run(order(id), keeper().kept)
  await clock.advance(4_000)
  assert.deepEqual(
    took.map(({ id }) => id),
    ['1', '2'],
  )
  await clock.advance(1_500)
  assert.deepEqual(
    took.map(({ id }) => id),
    ['1', '2', '3'],
  )
  assert.deepEqual(dispatch.counts(), { running: 3, waiting: 0 })
})
