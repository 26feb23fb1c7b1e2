import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { atPointer, pointerOf, stepsOf } from '../../schema/json.ts'

test('stepsOf() takes apart what pointerOf() put together', () => {
  fc.assert(fc.property(fc.array(fc.string()), path => assert.deepEqual(stepsOf(pointerOf(path)), path)))
})

for (const [pointer, expected] of [
  ['', { a: [{ 'b/c': 1 }] }],
  ['/a/0/b~1c', 1],
  ['/a/1', undefined],
  ['/toString', undefined],
  ['/a/length', undefined],
] as const)
  test(`atPointer() of "${pointer}"`, () => assert.deepEqual(atPointer({ a: [{ 'b/c': 1 }] }, pointer), expected))
