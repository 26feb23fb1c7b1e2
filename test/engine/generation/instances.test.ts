import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import type { BuiltGeneration } from '../../../engine/generation/built.ts'
import { drainGeneration, releaseGeneration } from '../../../engine/generation/drain.ts'
import { Instances } from '../../../engine/generation/instances.ts'
import type { Entry } from '../../../engine/generation/manifest.ts'
import { fakeClock } from '../../fake-clock.ts'
import { buildIn, entryOf, type MemoryAdapter, manifestOf, memoryAdapter, rowOf, tableOf } from './fixtures.ts'

/** What a random life of a worker does: builds beside any held generation, some of which fail, and lets go of held ones. */
type Step =
  | { readonly kind: 'build'; readonly base: number; readonly resources: Readonly<Record<string, number>>; readonly broken: string | null }
  | { readonly kind: 'drain'; readonly which: number; readonly busy: boolean }

const names = ['a', 'b', 'c', 'd', 'shared1', 'shared2']
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('build' as const),
      base: fc.nat(5),
      resources: fc.dictionary(fc.constantFrom(...names), fc.nat(2)),
      broken: fc.option(fc.constantFrom(...names), { freq: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('drain' as const), which: fc.nat(5), busy: fc.boolean() }) },
)

const entriesOf = (resources: Readonly<Record<string, number>>): Entry[] =>
  Object.entries(resources).map(([name, edition]) => entryOf(`${name.startsWith('shared') ? 'shared' : 'own'}/${name}`, { edition }))

for (const isAsync of [false, true])
  test(`no sequence of builds, failures and drains leaks an instance or closes one twice (${isAsync ? 'asynchronous' : 'synchronous'})`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
        await using instances = new Instances()
        const adapter = memoryAdapter({ isAsync: isAsync })
        const shared = { ...adapter, shareKey: ({ spec }: { spec: { edition?: unknown } }) => String(spec.edition) } as MemoryAdapter // keyed by edition alone
        const table = tableOf(rowOf('own', adapter), rowOf('shared', shared))
        const held: BuiltGeneration[] = []
        for (const act of steps) {
          if (act.kind === 'build') await build(act)
          else await drain(act)
          check()
        }
        for (const generation of held) await releaseGeneration(generation, instances)
        assert(adapter.opened.every(({ isOpen }) => !isOpen))

        async function build({ base, resources, broken }: Extract<Step, { kind: 'build' }>): Promise<void> {
          adapter.failPrepare.clear()
          if (broken) for (const kind of ['own', 'shared']) adapter.failPrepare.set(`${kind}/${broken}`, 'it is broken')
          const beside = held[base % Math.max(1, held.length)] ?? null
          try {
            held.push(await buildIn({ table, instances }, manifestOf(...entriesOf(resources)), { base: beside }))
          } catch (error) {
            assert(broken, `a build failed that should not: ${error}`)
          }
        }

        async function drain({ which, busy }: Extract<Step, { kind: 'drain' }>): Promise<void> {
          const [generation] = held.splice(which % Math.max(1, held.length), 1)
          if (!generation) return
          const clock = fakeClock()
          if (busy) generation.enter()
          const draining = drainGeneration(generation, { instances, clock, deadlineMs: 10 })
          await clock.advance(10)
          assert.equal((await draining).kind, busy ? 'deadline' : 'drained')
        }

        /** Open is exactly what a held generation names; each name is open. */
        function check(): void {
          const named = new Set(held.flatMap(generation => [...generation.instances.values()].map(({ wrapped }) => wrapped.instance)))
          assert.deepEqual(new Set(adapter.opened.filter(({ isOpen }) => isOpen)), named)
          assert.equal(instances.size, named.size)
        }
      }),
      { numRuns: 300 },
    )
  })

test('releaseGeneration() does nothing the second time', async () => {
  await using instances = new Instances()
  const generation = await buildIn({ instances, table: tableOf(rowOf('own', memoryAdapter())) }, manifestOf(entryOf('own/a')))
  await releaseGeneration(generation, instances)
  await releaseGeneration(generation, instances)
  assert.equal(instances.size, 0)
})

test('a build keeps open what its base holds, whatever becomes of the base meanwhile', async () => {
  await using instances = new Instances()
  const adapter = memoryAdapter({ isAsync: true })
  const within = { instances, table: tableOf(rowOf('own', adapter)) }
  const base = await buildIn(within, manifestOf(entryOf('own/a'), entryOf('own/b')))
  const building = buildIn(within, manifestOf(entryOf('own/a'), entryOf('own/c')), { base })
  await releaseGeneration(base, instances)
  const next = await building
  assert.deepEqual(
    adapter.opened.map(({ ref, isOpen }) => [ref, isOpen]),
    [
      ['own/a', true],
      ['own/b', false],
      ['own/c', true],
    ],
  )
  await releaseGeneration(next, instances)
  assert.equal(instances.size, 0)
})
