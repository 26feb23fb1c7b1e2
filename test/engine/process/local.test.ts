// What control hosts, beside workers in memory: it is part of every swap and counts nowhere as a worker.

import assert from 'node:assert/strict'
import { test } from 'vitest'
import { hostedIn } from '../../../adapters/hosted.ts'
import { createIntake } from '../../../engine/generation/activate.ts'
import { Instances } from '../../../engine/generation/instances.ts'
import type { Entry } from '../../../engine/generation/manifest.ts'
import { createRouter } from '../../../engine/plane/router.ts'
import { createLocal } from '../../../engine/process/local.ts'
import { until } from '../../until.ts'
import { settings } from '../generation/arbitraries.ts'
import { entryOf, memoryAdapter, quietSurroundings, rowOf } from '../generation/fixtures.ts'
import { createRig } from '../generation/swap-setup.ts'

function localWith() {
  const hosted = memoryAdapter({ hasIntake: true, hasView: true, traits: { host: 'control' } })
  const elsewhere = memoryAdapter()
  const table = hostedIn([rowOf('clock', hosted), rowOf('pool', elsewhere)], 'control')
  const local = createLocal({
    table,
    instances: new Instances(),
    surroundings: quietSurroundings,
    intake: createIntake({ hold: () => assert.fail('no lease is needed') }),
    emptyRouter: createRouter(),
    unsealer: () => null,
    log: quietSurroundings.log,
  })
  return { hosted, elsewhere, local }
}

function request(baseSerial: number, ...set: readonly Entry[]) {
  return {
    baseSerial,
    delta: { revision: null, set, unset: [], modules: [], settings, lockfile: null },
    actor: 'test',
    reason: 'sync',
    summary: { create: set.length, update: 0, delete: 0 },
    pairs: [],
    preflight: 'warn' as const,
    probationMs: 0,
  }
}

test('control builds and starts what it hosts, and nothing else', async () => {
  const { hosted, elsewhere, local } = localWith()
  await using rig = await createRig({ local: local.port })
  await rig.swap.apply(request(0, entryOf('clock/a'), entryOf('pool/a')))
  await until(() => hosted.events.includes('start 1'), 'it starts')
  assert.deepEqual([hosted.events, elsewhere.events, local.port.live], [['prepare 1', 'start 1'], [], 1])
  assert.deepEqual(
    rig.workers.alive.map(worker => worker.sent),
    [[2], [2]],
  )
})

test('what control cannot prepare refuses the apply on every worker', async () => {
  const { hosted, local } = localWith()
  await using rig = await createRig({ local: local.port })
  await rig.swap.apply(request(0, entryOf('clock/a')))
  hosted.failPrepare.set('clock/b', 'it cannot be')
  const outcome = await rig.swap.apply(request(1, entryOf('clock/b')))
  assert.deepEqual(outcome.kind === 'refused' && outcome.reasons, ['Cannot prepare "clock/b" as it cannot be'])
  assert.deepEqual([local.port.live, rig.workers.alive.map(worker => worker.live)], [1, [1, 1]])
  assert(rig.workers.alive.every(worker => worker.steps.includes('abort 2')))
})

test('what a worker refuses control lets go of', async () => {
  const { hosted, local } = localWith()
  await using rig = await createRig({ local: local.port })
  await rig.swap.apply(request(0, entryOf('clock/a')))
  const [worker] = rig.workers.alive
  assert(worker)
  worker.refusal = 'no room'
  await rig.swap.apply(request(1, entryOf('clock/b')))
  await until(() => hosted.events.includes('close 2'), 'what was built is closed')
  assert.equal(hosted.events.includes('start 2'), false)
  assert.equal((await rig.swap.apply(request(1, entryOf('clock/b')))).kind, 'live')
})

test('an apply needs a worker, however ready control itself is', async () => {
  const { local } = localWith()
  await using rig = await createRig({ local: local.port })
  await rig.swap.apply(request(0, entryOf('clock/a')))
  for (const worker of [...rig.workers.alive]) worker.diesAt = 'prepare'
  const outcome = await rig.swap.apply(request(1, entryOf('clock/b')))
  assert.deepEqual([outcome.kind, local.port.live], ['refused', 1])
})

test('a swap back starts in control what ran there before', async () => {
  const { hosted, local } = localWith()
  await using rig = await createRig({ local: local.port })
  await rig.swap.apply(request(0, entryOf('clock/a', { n: 1 })))
  await rig.swap.apply({ ...request(1, entryOf('clock/a', { n: 2 })), probationMs: 600_000 })
  await rig.swap.failProbation(2, 'it is bad')
  await until(() => hosted.opened[0]?.isStarted === true, 'the one before starts again')
  await until(() => hosted.opened[1]?.isOpen === false, 'the other is closed')
  assert.deepEqual([local.port.live, hosted.opened.length], [1, 2])
})

test('at boot control builds what is live', async () => {
  const before = localWith()
  await using rig = await createRig({ local: before.local.port })
  await rig.swap.apply(request(0, entryOf('clock/a')))
  const after = localWith()
  const { generation, manifest } = rig.swap.live()
  await after.local.port.prepare({
    generation,
    manifest: Promise.resolve('name'),
    base: null,
    delta: { revision: null, set: [...manifest.entries.values()], unset: [], modules: [], settings, lockfile: null },
    whole: manifest,
    revision: null,
    settings,
    lockfile: null,
    libraries: null,
    preflight: 'warn-all',
  })
  await after.local.port.activate(generation, { keepPrevious: false, drainMs: 0 })
  await until(() => after.hosted.events.includes('start 1'), 'it starts')
  await after.local[Symbol.asyncDispose]()
  assert.deepEqual(after.hosted.events, ['prepare 1', 'start 1', 'stop 1', 'close 1'])
})
