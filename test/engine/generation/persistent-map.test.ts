import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { PersistentMap } from '../../../engine/generation/persistent-map.ts'
import { hashOf, hashStep } from '../../../engine/generation/trie.ts'

const key = fc.oneof(
  fc.nat(2_000).map(at => `kind/${at}`),
  fc.string({ maxLength: 2 }),
)
const edits = fc.array(fc.tuple(key, fc.option(fc.nat(3), { freq: 3 })), { maxLength: 400 })

test('PersistentMap is a Map, through any sequence of edits, and no edit is seen by the maps before it', () => {
  fc.assert(
    fc.property(edits, steps => {
      const model = new Map<string, number>()
      let map = PersistentMap.of<string, number>()
      const before: [PersistentMap<string, number>, Map<string, number>][] = []
      for (const [name, value] of steps) {
        before.push([map, new Map(model)])
        map = value === null ? map.without(name) : map.with(name, value)
        if (value === null) model.delete(name)
        else model.set(name, value)
        assert.deepEqual([map.size, map.get(name), map.has(name)], [model.size, model.get(name), model.has(name)])
      }
      for (const [former, was] of [...before.slice(-5), [map, model] as const]) {
        assert.deepEqual(new Map(former), was)
        assert.deepEqual(
          [[...former.keys()], [...former.values()]],
          [[...former].map(([name]) => name), [...former].map(([, value]) => value)],
        )
      }
    }),
    { numRuns: 100 },
  )
})

test('notIn() gives exactly what another map has not, or has otherwise', () => {
  fc.assert(
    fc.property(edits, edits, edits, (shared, one, other) => {
      const base = edited(PersistentMap.of<string, number>(), shared)
      const [left, right] = [edited(base, one), edited(base, other)]
      assert.deepEqual(new Map(left.notIn(right)), new Map([...left].filter(([name, value]) => right.get(name) !== value)))
    }),
    { numRuns: 100 },
  )
})

test('with() and without() that change nothing give the same map', () => {
  const map = PersistentMap.of(new Map([['a', 1]]))
  assert.equal(map.with('a', 1), map)
  assert.equal(map.without('b'), map)
  assert.equal(PersistentMap.of(map), map)
})

test('a map of keys that all have one hash is still a map', () => {
  const names = collisions(40)
  const map = names.reduce((before, name, at) => before.with(name, at), PersistentMap.of<string, number>())
  assert.deepEqual(
    names.map(name => map.get(name)),
    names.map((_, at) => at),
  )
  assert.equal(names.reduce((before, name) => before.without(name), map).size, 0)
})

test('notIn() looks at what differs, not at what is there', () => {
  const large = edited(
    PersistentMap.of<string, number>(),
    Array.from({ length: 20_000 }, (_, at) => [`kind/${at}`, at]),
  )
  const next = large.with('kind/7', -1)
  const startedAt = performance.now()
  for (let round = 0; round < 1_000; round++) assert.deepEqual([...next.notIn(large)], [['kind/7', -1]])
  const relatedMs = performance.now() - startedAt
  const walkedAt = performance.now()
  for (let round = 0; round < 10; round++) assert.equal([...large].length, 20_000)
  assert(relatedMs < (performance.now() - walkedAt) * 100 * 0.5, 'a thousand looks cost less than half of a thousand walks')
})

function edited(map: PersistentMap<string, number>, steps: readonly (readonly [string, number | null])[]): PersistentMap<string, number> {
  let next = map
  for (const [name, value] of steps) next = value === null ? next.without(name) : next.with(name, value)
  return next
}

/** Texts with equal hashes: whatever a text begins with, among all units some two lead on to one and the same hash. */
function collisions(count: number): string[] {
  const target = 0x1234_0000
  const found: string[] = []
  for (let at = 0; found.length < count; at++) {
    const hash = hashOf(String(at))
    for (let unit = 0; unit < 0x10000 && found.length < count; unit++) {
      const last = hashStep(hash, unit) ^ target
      if (last >= 0 && last < 0x10000) found.push(`${at}${String.fromCharCode(unit, last)}`)
    }
  }
  assert.equal(new Set(found.map(hashOf)).size, 1)
  return found
}
