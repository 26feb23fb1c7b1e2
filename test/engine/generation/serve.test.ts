// One instance that many resources share: what it is told of them, and when.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import type { Adapter, HeldLease } from '../../../adapters/port.ts'
import { createIntake } from '../../../engine/generation/activate.ts'
import type { BuiltGeneration } from '../../../engine/generation/built.ts'
import { Instances } from '../../../engine/generation/instances.ts'
import type { Leases } from '../../../engine/generation/leases.ts'
import type { JsonObject } from '../../../schema/json.ts'
import { until } from '../../until.ts'
import { buildIn, entryOf, manifestOf, rowOf, tableOf } from './fixtures.ts'

const noLeases: Leases = { hold: () => assert.fail('no lease is needed') }

function sharing({ scope = 'worker', leases = noLeases }: { scope?: 'worker' | 'cluster'; leases?: Leases } = {}) {
  const events: string[] = []
  const told: ReadonlyMap<string, unknown>[] = []
  const started: (HeldLease | null)[] = []
  const adapter: Adapter<{ readonly id: number }, unknown> = {
    traits: { scope },
    shareKey: () => 'all',
    prepare: () => ({ id: events.push('prepare') }),
    view: (_instance, { resource }) => resource.spec,
    serve(_instance, views) {
      told.push(views)
      events.push(`serve ${[...views.keys()].sort().join(' ')}`)
    },
    start(_instance, lease) {
      started.push(lease)
      events.push('start')
    },
    stop: () => void events.push('stop'),
    close: () => void events.push('close'),
  }
  const table = tableOf(rowOf('job', adapter as Adapter)) // an adapter's own types are the wrapper's unknown
  const intake = createIntake(leases)
  const instances = new Instances()
  let live: BuiltGeneration | null = null
  return {
    events,
    told,
    started,
    async goLive(jobs: Readonly<Record<string, JsonObject>>): Promise<BuiltGeneration> {
      const entries = Object.entries(jobs).map(([name, spec]) => entryOf(`job/${name}`, spec))
      live = await buildIn({ table, instances }, manifestOf(...entries), { base: live })
      await intake.activate(live)
      return live
    },
    intake,
  }
}

test('resources of one key are one instance, which is told of them all before it starts', async () => {
  const rig = sharing()
  await rig.goLive({ a: { n: 1 }, b: { n: 2 } })
  assert.deepEqual(rig.events, ['prepare', 'serve job/a job/b', 'start'])
  assert.deepEqual(rig.told[0]?.get('job/b'), { n: 2 })
})

test('it is told again when a resource comes, changes or goes, and not when none does', async () => {
  const rig = sharing()
  await rig.goLive({ a: { n: 1 } })
  await rig.goLive({ a: { n: 1 } })
  assert.equal(rig.told.length, 1)
  await rig.goLive({ a: { n: 1 }, b: { n: 1 } })
  await rig.goLive({ a: { n: 2 }, b: { n: 1 } })
  await rig.goLive({ b: { n: 1 } })
  await rig.goLive({ b: { n: 1, is_active: false } })
  assert.deepEqual(rig.events, ['prepare', 'serve job/a', 'start', 'serve job/a job/b', 'serve job/a job/b', 'serve job/b', 'stop'])
})

test('a swap back tells it what it served before', async () => {
  const rig = sharing()
  const one = await rig.goLive({ a: { n: 1 } })
  await rig.goLive({ a: { n: 2 }, b: { n: 1 } })
  await rig.intake.activate(one)
  assert.deepEqual([...(rig.told.at(-1) ?? [])], [['job/a', { n: 1 }]])
})

test('its lease bears the name of the key, whichever resources it serves, and start gets the term', async () => {
  const names: string[] = []
  const rig = sharing({
    scope: 'cluster',
    leases: {
      hold(name, _scope, { start }) {
        names.push(name)
        void start(7)
        return { term: 7, end: async () => undefined }
      },
    },
  })
  await rig.goLive({ b: {} })
  await rig.goLive({ a: {}, b: {} })
  await rig.goLive({ a: {} })
  await until(() => rig.started.length === 1, 'it starts')
  assert.deepEqual([names, rig.started], [['job:all'], [{ name: 'job:all', term: 7 }]])
})

test('whatever changes, in whatever order: what it was told last is what is live', async () => {
  const estates = fc.array(
    fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.record({ n: fc.nat(2), is_active: fc.boolean() }, { noNullPrototype: true }), {
      noNullPrototype: true,
    }),
    {
      maxLength: 12,
    },
  )
  await fc.assert(
    fc.asyncProperty(estates, async steps => {
      const rig = sharing()
      for (const jobs of steps) {
        await rig.goLive(jobs)
        const served = Object.entries(jobs).filter(([, { is_active }]) => is_active)
        if (served.length === 0) continue
        assert.deepEqual(Object.fromEntries(rig.told.at(-1) ?? []), Object.fromEntries(served.map(([name, spec]) => [`job/${name}`, spec])))
      }
    }),
  )
})

test('one change among 10,000 resources of one instance costs what one change costs', async () => {
  const rig = sharing()
  const jobs = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`job-${at}`, { n: 0 }]))
  await rig.goLive(jobs)
  const before = rig.told.at(-1)
  await rig.goLive({ ...jobs, 'job-7': { n: 1 } })
  const after = rig.told.at(-1)
  assert(before && after && 'notIn' in after)
  const differing = [...(after as unknown as { notIn(other: unknown): Iterable<[string, unknown]> }).notIn(before)] // it is persistent
  assert.deepEqual(differing, [['job/job-7', { n: 1 }]])
})
