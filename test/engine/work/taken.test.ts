import assert from 'node:assert/strict'
import { test } from 'vitest'
import type { InvocationOutcome } from '../../../engine/generation/engine.ts'
import { outcomeOf, type WorkOrder, type WorkOutcome } from '../../../engine/work/order.ts'
import { createTaken } from '../../../engine/work/taken.ts'
import { fakeClock } from '../../fake-clock.ts'
import { until } from '../../until.ts'

const order = (id: string): WorkOrder => ({
  id,
  service: 'client.get',
  payload: null,
  cid: 'cid',
  deadlineMs: 1_000,
  delivery: { kind: 'async', id, attempt: 1, redelivered: false, job: null, nominalAt: null },
})
const answered: InvocationOutcome = { kind: 'answered', payload: { ok: true }, elapsedMs: 2, generation: 3 }

function setUp({ isAway = false, canRun = true } = {}) {
  const clock = fakeClock()
  const control = { isAway, told: [] as (readonly [string, WorkOutcome])[] }
  const runs: { readonly id: string; end(outcome: InvocationOutcome): void }[] = []
  const taken = createTaken({
    canRun: () => canRun,
    run: ({ id }) => new Promise(end => runs.push({ id, end })),
    async tell(id, outcome) {
      if (control.isAway) throw new Error('it is away')
      control.told.push([id, outcome])
    },
    clock,
  })
  return { clock, control, runs, taken }
}

test('take() runs an order once, however often it is handed over', async () => {
  const { taken, runs, control } = setUp()
  assert.deepEqual([taken.take(order('1')), taken.take(order('1'))], [true, true])
  assert.deepEqual([runs.length, taken.held()], [1, ['1']])
  runs[0]?.end(answered)
  await until(() => taken.held().length === 0, 'Told')
  assert.deepEqual(control.told, [['1', { kind: 'done', elapsedMs: 2, generation: 3, payload: { ok: true } }]])
})

test('how an order ended is kept until control is back', async () => {
  const { taken, runs, control, clock } = setUp({ isAway: true })
  taken.take(order('1'))
  runs[0]?.end(answered)
  await clock.advance(60_000)
  assert.deepEqual(taken.held(), ['1'])
  control.isAway = false
  await clock.advance(1_000)
  assert.deepEqual([taken.held(), control.told.length], [[], 1])
})

test('nothing is taken while no generation is live', () => assert.equal(setUp({ canRun: false }).taken.take(order('1')), false))

for (const [what, isAway, ends, waitMs] of [
  ['what it took has ended and control knows', false, true, 0],
  ['its time is over', false, false, 30_000],
  ['control stays away', true, true, 5_000],
] as const)
  test(`close() takes no more and resolves when ${what}`, async () => {
    const { taken, runs, clock } = setUp({ isAway })
    taken.take(order('1'))
    let isClosed = false
    void taken.close(30_000).then(() => {
      isClosed = true
    })
    assert.equal(taken.take(order('2')), false)
    if (ends) runs[0]?.end(answered)
    if (waitMs > 0) {
      await clock.advance(waitMs - 1)
      assert(!isClosed)
    }
    await clock.advance(waitMs > 0 ? 1 : 0)
    assert(isClosed)
  })

for (const [what, status, retryable] of [
  ['refuses its payload', 400, false],
  ['cannot process its payload', 422, false],
  ['is not there', 404, true],
  ['is in conflict', 409, true],
  ['failed', 500, true],
  ['did not end in time', 504, true],
] as const)
  test(`outcomeOf() a call whose service ${what} is ${retryable ? '' : 'not '}worth another try`, () => {
    const outcome = outcomeOf({ kind: 'failed', status, problem: {}, elapsedMs: 1 })
    assert(outcome.kind === 'failed' && outcome.retryable === retryable)
  })

test('outcomeOf() leaves a large result where it was made', () => {
  assert.deepEqual(outcomeOf({ ...answered, payload: 'x'.repeat(1_000_000) }), { kind: 'done', elapsedMs: 2, generation: 3, payload: null })
})
