// Property 3 of the design, as a model: whatever is built, swapped, taken back and drained meanwhile, a unit of work sees the one
// generation it began on, whole and open, until it ends; and in the end nothing is left open that nobody has.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import type { BuiltGeneration } from '../../engine/generation/built.ts'
import { drainGeneration } from '../../engine/generation/drain.ts'
import { Instances } from '../../engine/generation/instances.ts'
import type { Entry, Manifest } from '../../engine/generation/manifest.ts'
import { PrepareError } from '../../engine/generation/prepare-error.ts'
import { Slots } from '../../engine/generation/slots.ts'
import { parseRef } from '../../schema/ref.ts'
import { buildIn, entryOf, manifestOf, memoryAdapter, rowOf, tableOf } from '../engine/generation/fixtures.ts'
import { fakeClock } from '../fake-clock.ts'

interface View {
  readonly id: number
  readonly spec: unknown
  readonly sees: readonly unknown[]
}

interface Unit {
  readonly generation: BuiltGeneration
  readonly views: ReadonlyMap<string, unknown>
  readonly leave: () => void
}

type Act =
  | { readonly act: 'build'; readonly estate: Manifest; readonly fails: boolean }
  | { readonly act: 'swap'; readonly keepPrevious: boolean }
  | { readonly act: 'back' | 'retire' | 'begin' }
  | { readonly act: 'look' | 'end'; readonly unit: number }

const pool = fc.record({ name: fc.constantFrom('a', 'b', 'c'), edition: fc.nat(2), label: fc.nat(2) })
const user = fc.record({
  name: fc.constantFrom('x', 'y'),
  of: fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 }),
  label: fc.nat(1),
})
const estate = fc.tuple(fc.array(pool, { maxLength: 3 }), fc.array(user, { maxLength: 2 })).map(([pools, users]) => {
  const entries = new Map<string, Entry>()
  for (const { name, edition, label } of pools)
    entries.set(`pool/${name}`, entryOf(`pool/${name}`, { edition, label }, { inPlace: ['label'] }))
  for (const { name, of, label } of users) {
    const refs = [...new Set(of)].map(one => `pool/${one}`).filter(ref => entries.has(ref))
    entries.set(`user/${name}`, entryOf(`user/${name}`, { label, refs }, { refs, inPlace: ['label', 'refs'] }))
  }
  return manifestOf(...entries.values())
})
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ act: fc.constant('build' as const), estate, fails: fc.integer({ min: 0, max: 4 }).map(one => one === 0) }),
  },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('swap' as const), keepPrevious: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constantFrom('back' as const, 'retire' as const) }) },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('begin' as const) }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constantFrom('look' as const, 'end' as const), unit: fc.nat() }) },
)

test('a unit of work sees exactly one generation, whole and open, and nothing stays open that nobody has', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 40 }), fc.boolean(), async (acts, isAsync) => {
      const adapter = memoryAdapter({ hasView: true, isAsync })
      const worker = { instances: new Instances(), table: tableOf(rowOf('pool', adapter), rowOf('user', adapter)) }
      const slots = new Slots()
      const clock = fakeClock()
      const units: Unit[] = []
      const drains: Promise<unknown>[] = []
      let number = 0
      let built: BuiltGeneration | null = null

      for (const one of acts) {
        await run(one)
        for (const unit of units) look(unit)
      }
      for (const { leave } of units.splice(0)) leave()
      drain(slots.retireFallback())
      if (built) drain([built])
      await Promise.all(drains)
      assert.deepEqual(openOf(adapter.opened), neededBy(slots.live))

      async function run(one: Act): Promise<void> {
        switch (one.act) {
          case 'build':
            return await build(one.estate, one.fails)
          case 'swap':
            if (!built || !slots.canSwap) return
            drain(slots.swap(built, { keepPrevious: one.keepPrevious }))
            built = null
            return
          case 'back':
            return drain(slots.canSwap ? (slots.swapBack() ?? []) : [])
          case 'retire':
            return drain(slots.canSwap ? slots.retireFallback() : [])
          case 'begin':
            return begin()
          case 'look':
          case 'end': {
            const unit = units[one.unit % Math.max(units.length, 1)]
            if (!unit || one.act === 'look') return
            units.splice(units.indexOf(unit), 1)
            unit.leave()
          }
        }
      }

      /** Beside the live one; where one was built and not swapped in, that one is given up first. */
      async function build(manifest: Manifest, fails: boolean): Promise<void> {
        if (built) drain([built])
        built = null
        const { live } = slots
        number += 1
        const [first] = manifest.entries.keys()
        if (fails && first) adapter.failPrepare.set(first, 'it fails')
        const before = [openOf(adapter.opened), worker.instances.size]
        try {
          built = await buildIn(worker, manifest, { number, base: live })
        } catch (error) {
          assert.ok(error instanceof PrepareError)
          assert.equal(slots.live, live)
          if (drains.length === 0) assert.deepEqual([openOf(adapter.opened), worker.instances.size], before)
        }
        adapter.failPrepare.clear()
      }

      function begin(): void {
        const generation = slots.select()
        if (!generation) return
        const views = new Map([...generation.manifest.entries.keys()].map(ref => [String(ref), generation.resolve(ref)]))
        units.push({ generation, views, leave: generation.enter() })
      }

      function look({ generation, views }: Unit): void {
        assert.deepEqual([...views.keys()], [...generation.manifest.entries.keys()])
        for (const [ref, { resource }] of generation.manifest.entries) {
          const view = generation.resolve(ref) as View // as the adapter above makes them
          assert.equal(view, views.get(ref))
          assert.deepEqual(view.spec, resource.spec)
          assert.deepEqual(
            view.sees,
            resource.refs.map(referent => generation.resolve(referent)),
          )
          assert.equal(adapter.opened[view.id - 1]?.isOpen, true, `instance ${view.id} of ${ref} is open`)
        }
      }

      function drain(generations: readonly BuiltGeneration[]): void {
        for (const generation of generations)
          drains.push(
            drainGeneration(generation, { instances: worker.instances, clock, deadlineMs: 1_000_000 }).then(() =>
              slots.drained(generation),
            ),
          )
      }
    }),
    { numRuns: 300 },
  )
})

function openOf(opened: readonly { readonly id: number; readonly isOpen: boolean }[]): number[] {
  return opened.filter(({ isOpen }) => isOpen).map(({ id }) => id)
}

function neededBy(live: BuiltGeneration | null): number[] {
  if (!live) return []
  const ids = [...live.manifest.entries.keys()].map(ref => (live.resolve(parseRef(ref)) as View).id) // as the adapter above makes them
  return [...new Set(ids)].sort((one, other) => one - other)
}
