import assert from 'node:assert/strict'
import { onTestFinished, test } from 'vitest'
import type { Dispatch, Keeper } from '../../../engine/work/dispatch.ts'
import type { WorkOrder, WorkOutcome } from '../../../engine/work/order.ts'
import { createQueue, type QueueOptions, type Submission } from '../../../engine/work/queue.ts'
import { fakeClock } from '../../fake-clock.ts'
import { until } from '../../until.ts'
import { memoryStore } from './memory-store.ts'

const done: WorkOutcome = { kind: 'done', elapsedMs: 1, generation: 1, payload: null }
const failed = (status: number, retryable = true): WorkOutcome => ({
  kind: 'failed',
  status,
  retryable,
  elapsedMs: 1,
  problem: { title: 'Failed', detail: `it answered ${status}` },
})
const lost = (mayHaveRun: boolean): WorkOutcome => ({ kind: 'lost', reason: 'the worker that had it died', mayHaveRun })

const task = (id: string, given: Partial<Submission> = {}): Submission => ({
  id,
  service: 'client.get',
  payload: { id },
  cid: `cid-${id}`,
  dueAt: 0,
  maxAttempts: 3,
  deadlineMs: 1_000,
  isRepeated: false,
  ...given,
})

/** A queue whose orders the test answers; each is as a dispatch would carry it out. */
async function setUp(given: Partial<QueueOptions> = {}, store = memoryStore()) {
  const clock = fakeClock(1_000)
  const orders: WorkOrder[] = []
  const answers: ((outcome: WorkOutcome) => Promise<void>)[] = []
  const resumed: string[] = []
  const carryOut = (keeper: Pick<Keeper, 'ended'>) =>
    new Promise<WorkOutcome>(resolve =>
      answers.push(async outcome => {
        await keeper.ended(outcome)
        resolve(outcome)
      }),
    )
  const dispatch: Pick<Dispatch, 'run' | 'resume'> = {
    async run(order, keeper) {
      await keeper.taken('life')
      orders.push(order)
      return carryOut(keeper)
    },
    resume(id, life, keeper) {
      resumed.push(`${id} ${life}`)
      return carryOut(keeper)
    },
  }
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const counts = await store.countTasks()
  const queue = createQueue({ store, dispatch, counts, clock, random: () => 0.5, log: silent, maxOpen: 10, ...given })
  queue.start()
  onTestFinished(() => queue.stop())
  /** Waits for the next order and ends it. */
  const answer = async (outcome: WorkOutcome): Promise<WorkOrder> => {
    await until(() => answers.length > 0, 'An order', 2_000)
    const order = orders.shift()
    await answers.shift()?.(outcome)
    assert(order)
    return order
  }
  /** Lets what is under way come to rest first, so that it sleeps until it is due. */
  const pass = async (ms: number) => {
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    await clock.advance(ms)
  }
  return { queue, store, pass, orders, answers, resumed, answer }
}

test('a task is delivered when it is due and gone once it is done', async () => {
  const { queue, store, answer, pass } = await setUp()
  await queue.accept(task('a'))
  await queue.accept(task('later', { dueAt: 5_000 }))
  const { id, payload, cid, delivery, deadlineMs } = await answer(done)
  assert.deepEqual([id, payload, cid, deadlineMs], ['a.1', { id: 'a' }, 'cid-a', 1_000])
  assert.deepEqual(delivery, { kind: 'async', id: 'a', attempt: 1, redelivered: false, job: null, nominalAt: null })
  assert.equal(await store.getTask('a'), undefined)
  assert.deepEqual(await store.countTasks(), { ready: 1, running: 0, dead: 0 })
  await pass(4_000)
  assert.equal((await answer(done)).id, 'later.1')
  const { totals, ...counts } = queue.snapshot()
  assert.deepEqual(counts, { ready: 0, running: 0, dead: 0 })
  assert.deepEqual([totals.accepted, totals.done], [2, 2])
})

test('a task that fails is delivered again after a second, then two, marked as such, and is a dead letter after its last attempt', async () => {
  const { queue, store, answer, orders, pass } = await setUp()
  await queue.accept(task('a'))
  await answer(failed(503))
  await pass(999)
  assert.deepEqual(orders, [])
  await pass(1)
  const second = (await answer(failed(500))).delivery
  assert.deepEqual([second.attempt, second.redelivered, second.id], [2, true, 'a'])
  await pass(2_000)
  assert.equal((await answer(failed(502))).delivery.attempt, 3)
  const dead = await store.getTask('a')
  assert.deepEqual([dead?.state, dead?.attempts, dead?.failure?.status, dead?.failure?.reason], ['dead', 3, 502, 'it answered 502'])
  assert.deepEqual(store.journal, [
    { type: 'task.dead', body: { id: 'a', service: 'client.get', cid: 'cid-a', attempts: 3, status: 502, reason: 'it answered 502' } },
  ])
  assert.deepEqual(queue.snapshot().totals.failed, 3)
})

test('a task whose payload can never pass is a dead letter at once', async () => {
  const { queue, store, answer } = await setUp()
  await queue.accept(task('a'))
  await answer(failed(400, false))
  assert.deepEqual(await store.countTasks(), { ready: 0, running: 0, dead: 1 })
  assert.equal(queue.snapshot().dead, 1)
})

for (const [mayHaveRun, attempt, redelivered] of [
  [true, 2, true],
  [false, 1, false],
] as const)
  test(`a task whose worker died ${mayHaveRun ? 'with it' : 'before it got it'} is attempt ${attempt} the next time`, async () => {
    const { queue, answer, pass } = await setUp()
    await queue.accept(task('a'))
    await answer(lost(mayHaveRun))
    await pass(1_000)
    const { delivery } = await answer(done)
    assert.deepEqual([delivery.attempt, delivery.redelivered], [attempt, redelivered])
  })

test('a dead letter that is resubmitted has all its attempts again, and is marked as delivered before', async () => {
  const { queue, store, answer } = await setUp()
  await queue.accept(task('a', { maxAttempts: 1 }))
  await answer(failed(500))
  assert.equal(await queue.tasks.resubmit({ id: 'a' }, 'Zoë'), 1)
  const { delivery, id } = await answer(done)
  assert.deepEqual([delivery.attempt, delivery.redelivered, id], [1, true, 'a.2'])
  assert.equal(await queue.tasks.resubmit({}, 'Zoë'), 0)
  assert.deepEqual(store.journal.at(-1), { type: 'task.resubmitted', body: { id: 'a', count: 1, actor: 'Zoë' } })
})

test('discard() removes what waits or is dead, and nothing that runs', async () => {
  const { queue, store, answer, orders } = await setUp()
  await queue.accept(task('runs'))
  await queue.accept(task('waits', { dueAt: 9_000 }))
  await until(() => orders.length === 1, 'An order')
  assert.deepEqual([await queue.tasks.discard('runs', 'Zoë'), await queue.tasks.discard('waits', 'Zoë')], [false, true])
  await answer(done)
  assert.deepEqual(await store.countTasks(), { ready: 0, running: 0, dead: 0 })
  assert.deepEqual(queue.snapshot().ready, 0)
})

test('accept() refuses when so many are ready, and takes the same task once', async () => {
  const { queue, store } = await setUp({ maxReady: 2 })
  const later = { dueAt: 9_000 }
  assert.deepEqual(
    (await Promise.all(['a', 'b', 'c'].map(id => queue.accept(task(id, later))))).map(({ kind }) => kind),
    ['accepted', 'accepted', 'refused'],
  )
  assert.equal((await store.countTasks()).ready, 2)
  await queue.tasks.discard('b', 'Zoë')
  assert.equal((await queue.accept(task('a', { ...later, isRepeated: true }))).kind, 'accepted')
  assert.deepEqual([queue.snapshot().ready, queue.snapshot().totals.refused], [1, 1])
})

test('what was submitted again, nobody knows with what success, is marked as perhaps delivered before', async () => {
  const { queue, answer } = await setUp()
  await queue.accept(task('a', { isRepeated: true }))
  assert.deepEqual((await answer(done)).delivery.redelivered, true)
})

test('only so many are in hand at a time', async () => {
  const { queue, orders, answer } = await setUp({ maxOpen: 2 })
  for (const id of ['a', 'b', 'c']) await queue.accept(task(id))
  await until(() => orders.length === 2, 'Two orders')
  assert.deepEqual(await Promise.all([answer(done), answer(done)]).then(all => all.map(({ id }) => id)), ['a.1', 'b.1'])
  assert.equal((await answer(done)).id, 'c.1')
})

test('what was running when control ended is asked for, by the order and the life that had it', async () => {
  const store = memoryStore()
  for (const id of ['a', 'b']) {
    const { isRepeated, ...given } = task(id)
    await store.enqueueTask({ ...given, acceptedAt: '', begun: 0 })
    await store.takeTask(id, 0, `life-${id}`)
  }
  const { resumed, answers, pass, orders, queue } = await setUp({}, store)
  await until(() => resumed.length === 2, 'Both asked for')
  assert.deepEqual(resumed.sort(), ['a.1 life-a', 'b.1 life-b'])
  await answers.shift()?.(lost(true))
  await answers.shift()?.(done)
  await pass(1_000)
  await until(() => orders.length === 1, 'The lost one')
  const { ready, running, dead } = queue.snapshot()
  assert.deepEqual([ready, running, dead], [0, 1, 0])
  assert.equal(orders[0]?.delivery.redelivered, true)
})

test('a store that fails for a while loses nothing and repeats nothing', async () => {
  const { queue, store, answer, pass, orders } = await setUp()
  store.failing = true
  await assert.rejects(queue.accept(task('refused')), /the disk is full/)
  store.failing = false
  await queue.accept(task('a'))
  await until(() => orders.length === 1, 'An order')
  store.failing = true
  await assert.rejects(answer(done), /the disk is full/)
  store.failing = false
  await pass(2_000)
  assert.deepEqual([orders.length, (await store.countTasks()).running], [0, 1])
})
