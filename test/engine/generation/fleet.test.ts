import assert from 'node:assert/strict'
import { test } from 'vitest'
import { createFleet } from '../../../engine/generation/fleet.ts'
import { LinkError } from '../../../engine/process/link.ts'
import { until } from '../../until.ts'
import { entryOf, manifestOf } from './arbitraries.ts'
import { createWorkerDoubles } from './worker-double.ts'

const contents = manifestOf([entryOf('a', { value: 1 })])
const file = (generation: number) => `${String(generation).padStart(64, '0')}.manifest`

function fleetOf(count: number, live: number) {
  const workers = createWorkerDoubles(count)
  const state = { live, isStopping: false }
  const target = () => ({ generation: state.live, manifest: file(state.live), contents })
  const fleet = createFleet({
    workers,
    libraries: () => null,
    live: () => (state.live === 0 ? null : target()),
    fallback: () => null,
    isStopping: () => state.isStopping,
  })
  const { settings } = contents
  assert(settings)
  const order = (generation: number) => ({
    generation,
    contents,
    delta: { revision: null, set: [...contents.entries.values()], unset: [], modules: [], settings, lockfile: null },
    preflight: 'warn' as const,
    manifest: Promise.resolve(file(generation)),
  })
  return { fleet, workers, state, order }
}

test('bringUp() goes on to what became live meanwhile, and never activates what was live a moment ago', async () => {
  const { fleet, workers, state } = fleetOf(1, 1)
  const [worker] = workers.alive
  assert(worker)
  const rising = fleet.bringUp(worker)
  state.live = 2
  await rising
  assert.deepEqual([worker.live, worker.steps.includes('activate 1')], [2, false])
})

test('bringUp() twice at once builds once', async () => {
  const { fleet, workers } = fleetOf(1, 1)
  const [worker] = workers.alive
  assert(worker)
  await Promise.all([fleet.bringUp(worker), fleet.bringUp(worker)])
  assert.deepEqual(worker.steps, ['prepare 1', 'activate 1'])
})

test('bringUp() has a worker replaced that cannot build what is live', async () => {
  const { fleet, workers } = fleetOf(1, 1)
  const [worker] = workers.alive
  assert(worker)
  worker.refusal = 'no room'
  await fleet.bringUp(worker)
  assert.deepEqual(worker.steps, ['prepare 1', 'dismiss: did not build generation 1: no room'])
})

test('bringUp() leaves a worker alone while the server stops', async () => {
  const { fleet, workers, state } = fleetOf(1, 1)
  state.isStopping = true
  const [worker] = workers.alive
  assert(worker)
  await fleet.bringUp(worker)
  assert.deepEqual(worker.steps, [])
})

test('prepare() asks only workers that serve what is live', async () => {
  const { fleet, workers, order } = fleetOf(2, 1)
  const [first, second] = workers.alive
  assert(first && second)
  await fleet.bringUp(first)
  const prepared = await fleet.prepare(order(2))
  assert.deepEqual([prepared.kind, second.steps], ['ready', []])
})

test('prepare() has a worker replaced that does not answer, and goes on with the others', async () => {
  const { fleet, workers, order } = fleetOf(2, 1)
  const [first, second] = workers.alive
  assert(first && second)
  await Promise.all([fleet.bringUp(first), fleet.bringUp(second)])
  second.prepare = () => Promise.reject(new LinkError('Cannot finish "prepare" as the other process did not answer within 120000 ms'))
  const prepared = await fleet.prepare(order(2))
  assert.deepEqual(prepared.kind === 'ready' && prepared.ready, [first])
  assert(second.isDead)
})

test('prepare() that one refuses is aborted on the others, with every reason once', async () => {
  const { fleet, workers, order } = fleetOf(3, 1)
  for (const worker of workers.alive) await fleet.bringUp(worker)
  const [first, second, third] = workers.alive
  assert(first && second && third)
  second.refusal = 'no'
  third.refusal = 'no'
  assert.deepEqual(await fleet.prepare(order(2)), { kind: 'refused', reasons: ['no'] })
  assert.deepEqual([first.held, second.held, third.held], [[1], [1], [1]])
})

test('prepare() without a worker is refused with the way out', async () => {
  const { fleet, order } = fleetOf(0, 1)
  const prepared = await fleet.prepare(order(2))
  assert.match(prepared.kind === 'refused' ? (prepared.reasons[0] ?? '') : '', /^Cannot prepare as no worker is connected; .*try again$/)
})

test('activate() has a worker replaced that does not follow, and brings the late ones up', async () => {
  const { fleet, workers, state, order } = fleetOf(2, 1)
  const [first, second] = workers.alive
  assert(first && second)
  await Promise.all([fleet.bringUp(first), fleet.bringUp(second)])
  await fleet.prepare(order(2))
  const late = workers.start()
  second.activate = () => Promise.reject(new LinkError('Cannot finish "activate" as the other process did not answer within 10000 ms'))
  state.live = 2
  await fleet.activate([first, second], 2, false)
  await fleet.bringUp(late)
  assert.deepEqual([first.live, second.isDead, late.live], [2, true, 2])
})

test('prepare() goes on without a worker that stands at a breakpoint, before it or in it, where another serves', async () => {
  for (const when of ['before', 'meanwhile'] as const) {
    const { fleet, workers, state, order } = fleetOf(2, 1)
    const [first, second] = workers.alive
    assert(first && second)
    await Promise.all([fleet.bringUp(first), fleet.bringUp(second)])
    if (when === 'before') second.isPaused = true
    const preparing = fleet.prepare(order(2))
    second.isPaused = true
    const prepared = await preparing
    assert(prepared.kind === 'ready')
    assert.deepEqual(
      prepared.ready.map(({ id }) => id),
      [first.id],
    )
    state.live = 2
    await fleet.activate(prepared.ready, 2, false)
    assert.deepEqual([first.live, second.live], [2, 1])
    second.isPaused = false
    await fleet.bringUp(second)
    assert.deepEqual([second.live, second.isDead], [2, false], when)
  }
})

test('prepare() waits for the only worker while it stands at a breakpoint, and says so', async () => {
  const { fleet, workers, order } = fleetOf(1, 1)
  const [worker] = workers.alive
  assert(worker)
  await fleet.bringUp(worker)
  worker.isPaused = true
  const preparing = fleet.prepare(order(2))
  await until(() => fleet.waitsForDebugger(), 'Somebody waits')
  worker.isPaused = false
  assert.equal((await preparing).kind, 'ready')
  assert.equal(fleet.waitsForDebugger(), false)
})

test('abort() has a worker let go of what it built while it stood at a breakpoint, once it goes on', async () => {
  const { fleet, workers, order } = fleetOf(2, 1)
  const [first, second] = workers.alive
  assert(first && second)
  await Promise.all([fleet.bringUp(first), fleet.bringUp(second)])
  const preparing = fleet.prepare(order(2))
  second.isPaused = true
  const prepared = await preparing
  assert(prepared.kind === 'ready')
  await fleet.abort(prepared.ready, 2)
  second.isPaused = false
  await fleet.bringUp(second)
  assert.deepEqual([first.held, second.held], [[1], [1]])
})
