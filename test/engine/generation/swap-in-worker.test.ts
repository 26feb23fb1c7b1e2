import assert from 'node:assert/strict'
import { test } from 'vitest'
import { createIntake } from '../../../engine/generation/activate.ts'
import { DeadlineError } from '../../../engine/generation/deadline.ts'
import { drainGeneration } from '../../../engine/generation/drain.ts'
import { Instances } from '../../../engine/generation/instances.ts'
import type { Leases } from '../../../engine/generation/leases.ts'
import { Slots } from '../../../engine/generation/slots.ts'
import { fakeClock } from '../../fake-clock.ts'
import { until } from '../../until.ts'
import { buildIn, entryOf, type MemoryOptions, manifestOf, memoryAdapter, rowOf, tableOf } from './fixtures.ts'

const noLeases: Leases = {
  hold: () => assert.fail('no lease is needed'),
}

function workerWith(options: MemoryOptions) {
  const adapter = memoryAdapter({ hasIntake: true, ...options })
  return { adapter, instances: new Instances(), table: tableOf(rowOf('consumer', adapter)), intake: createIntake(noLeases) }
}

const consumer = (edition: number) => manifestOf(entryOf('consumer/a', { edition }))

test('activate() starts the new instance before it stops the old one where they may overlap', async () => {
  const worker = workerWith({})
  const one = await buildIn(worker, consumer(1))
  await worker.intake.activate(one)
  const two = await buildIn(worker, consumer(2), { base: one })
  assert.deepEqual(worker.adapter.events, ['prepare 1', 'start 1', 'prepare 2'])
  await worker.intake.activate(two)
  assert.deepEqual(worker.adapter.events.slice(3), ['start 2', 'stop 1'])
})

test('activate() stops and drains the old instance before it starts the new one where they may not overlap', async () => {
  const worker = workerWith({ traits: { handover: 'stopThenStart' } })
  const drained = Promise.withResolvers<void>()
  worker.adapter.drain = async instance => {
    worker.adapter.events.push(`drain ${instance.id}`)
    await drained.promise
  }
  const one = await buildIn(worker, consumer(1))
  await worker.intake.activate(one)
  await worker.intake.activate(await buildIn(worker, consumer(2), { base: one }))
  await until(() => worker.adapter.events.at(-1) === 'drain 1', 'the old one drains')
  assert.deepEqual(worker.adapter.events, ['prepare 1', 'start 1', 'prepare 2', 'stop 1', 'drain 1'])
  drained.resolve()
  await until(() => worker.adapter.events.at(-1) === 'start 2', 'the new one starts')
})

test('activate() of the former generation goes back the same way', async () => {
  const worker = workerWith({ traits: { handover: 'stopThenStart' } })
  const one = await buildIn(worker, consumer(1))
  await worker.intake.activate(one)
  const two = await buildIn(worker, consumer(2), { base: one })
  await worker.intake.activate(two)
  await until(() => worker.adapter.events.at(-1) === 'start 2', 'the new one starts')
  await worker.intake.activate(one)
  await until(() => worker.adapter.events.at(-1) === 'start 1', 'the old one starts')
  await worker.intake.stop()
  assert.deepEqual(worker.adapter.events, ['prepare 1', 'start 1', 'prepare 2', 'stop 1', 'start 2', 'stop 2', 'start 1', 'stop 1'])
})

test('activate() leaves an instance alone that both generations have', async () => {
  const worker = workerWith({})
  const one = await buildIn(worker, manifestOf(entryOf('consumer/a'), entryOf('consumer/b')))
  await worker.intake.activate(one)
  await worker.intake.activate(await buildIn(worker, manifestOf(entryOf('consumer/a')), { base: one }))
  assert.deepEqual(worker.adapter.events, ['prepare 1', 'prepare 2', 'start 1', 'start 2', 'stop 2'])
})

test('activate() of what never gets its turn starts nothing', async () => {
  const worker = workerWith({ traits: { handover: 'stopThenStart' } })
  const drained = Promise.withResolvers<void>()
  worker.adapter.drain = () => drained.promise
  const one = await buildIn(worker, consumer(1))
  await worker.intake.activate(one)
  const two = await buildIn(worker, consumer(2), { base: one })
  const three = await buildIn(worker, consumer(3), { base: two })
  await worker.intake.activate(two)
  await worker.intake.activate(three)
  drained.resolve()
  await until(() => worker.adapter.events.at(-1) === 'start 3', 'the newest one starts')
  assert.deepEqual(
    worker.adapter.events.filter(event => event.startsWith('start')),
    ['start 1', 'start 3'],
  )
})

test('a start that fails makes the instance degraded and is tried again', async () => {
  const clock = fakeClock()
  const worker = workerWith({})
  const { start } = worker.adapter
  let failures = 2
  worker.adapter.start = instance => {
    if (failures-- > 0) throw new Error('the port is in use: 127.0.0.1:80')
    return start?.(instance, null)
  }
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const one = await buildIn(worker, consumer(1), { surroundings: { clock, workers: 1, log } })
  await worker.intake.activate(one)
  assert.equal(one.degraded()[0]?.reason, 'the port is in use: 127.0.0.1:80')
  await clock.advance(2_000)
  assert.deepEqual(one.degraded(), [])
  assert.deepEqual(worker.adapter.events, ['prepare 1', 'start 1'])
})

test('drainGeneration() waits for the calls in flight, then closes what no other generation has', async () => {
  const worker = workerWith({})
  const one = await buildIn(worker, manifestOf(entryOf('consumer/a'), entryOf('consumer/b')))
  await buildIn(worker, manifestOf(entryOf('consumer/a')), { base: one })
  const clock = fakeClock()
  const leave = one.enter()
  const draining = drainGeneration(one, { instances: worker.instances, clock, deadlineMs: 30_000 })
  await clock.advance(1_000)
  assert.equal(worker.instances.size, 2)
  leave()
  leave()
  assert.deepEqual(await draining, { kind: 'drained', elapsedMs: 1_000 })
  assert.equal(one.signal.aborted, false)
  assert.deepEqual(worker.adapter.events.slice(2), ['close 2'])
})

test('drainGeneration() aborts what outlives the deadline, and waits for it no longer', async () => {
  const worker = workerWith({})
  const one = await buildIn(worker, consumer(1))
  const clock = fakeClock()
  one.enter()
  const draining = drainGeneration(one, { instances: worker.instances, clock, deadlineMs: 500 })
  await clock.advance(500)
  assert.deepEqual(await draining, { kind: 'deadline', abandoned: 1, elapsedMs: 500 })
  assert(one.signal.reason instanceof DeadlineError)
  assert.equal(worker.instances.size, 0)
})

test('slots keep the fallback in probation, go back to it, and let at most four drain', async () => {
  const worker = workerWith({})
  const slots = new Slots()
  const generations = []
  for (let number = 1; number <= 8; number++) generations.push(await buildIn(worker, manifestOf(), { number }))
  const [one, two, three, ...more] = generations
  assert(one && two && three)
  assert.deepEqual(slots.swap(one, { keepPrevious: true }), [])
  assert.deepEqual(slots.swap(two, { keepPrevious: true }), [])
  assert.equal(slots.fallback, one)
  assert.deepEqual(slots.swapBack(), [two])
  assert.equal(slots.select(), one)
  assert.equal(slots.fallback, null)
  assert.deepEqual(slots.swap(three, { keepPrevious: true }), [])
  assert.deepEqual(slots.retireFallback(), [one])
  for (const next of more.slice(0, 2)) slots.swap(next, { keepPrevious: false })
  assert.equal(slots.canSwap, false)
  slots.drained(one)
  assert.equal(slots.canSwap, true)
})
