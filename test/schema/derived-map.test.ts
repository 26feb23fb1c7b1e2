import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { derivedMap } from '../../schema/derived-map.ts'

const key = fc.integer({ min: 0, max: 30 })
const changes = fc.record({ set: fc.array(fc.tuple(key, fc.string())), unset: fc.array(key) })

test('derivedMap() is the map that the changes make, however often it is derived again', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.string())), fc.array(changes, { maxLength: 6 }), (start, rounds) => {
      const plain = new Map(start)
      let derived: ReadonlyMap<number, string> = new Map(start)
      for (const { set, unset } of rounds) {
        const before = [...derived]
        const next = derivedMap(derived, { set: new Map(set), unset: new Set(unset) })
        assert.deepEqual([...derived], before, 'what it was derived from stays as it is')
        for (const gone of unset) plain.delete(gone)
        for (const [put, value] of set) plain.set(put, value)
        derived = next
        assert.deepEqual([...derived], [...plain])
        assert.deepEqual([[...derived.keys()], [...derived.values()]], [[...plain.keys()], [...plain.values()]])
        assert.equal(derived.size, plain.size)
        for (let wanted = 0; wanted <= 30; wanted++)
          assert.deepEqual([derived.has(wanted), derived.get(wanted)], [plain.has(wanted), plain.get(wanted)])
      }
    }),
  )
})

test('derivedMap() is a map of its own once it has changed in many places', () => {
  const many = new Map(Array.from({ length: 1_000 }, (_, at) => [at, at]))
  const few = derivedMap(many, { set: new Map([[1, 2]]), unset: new Set() })
  assert.ok(!(few instanceof Map))
  assert.ok(derivedMap(few, { set: new Map([...many].slice(0, 200)), unset: new Set() }) instanceof Map)
  assert.equal(derivedMap(many, { set: new Map(), unset: new Set() }), many)
})
