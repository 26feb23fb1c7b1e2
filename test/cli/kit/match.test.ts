import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { fits, mismatch } from '../../../cli/kit/match.ts'

for (const [what, actual, expected, pointer] of [
  ['equal scalars', 1, 1, null],
  ['other scalars', 1, '1', ''],
  ['an object that holds more', { a: 1, b: 2 }, { a: 1 }, null],
  ['an object that holds less', { a: 1 }, { a: 1, b: 2 }, '/b'],
  ['an expected null', { a: null }, { a: null }, null],
  ['null where there is nothing', {}, { a: null }, '/a'],
  ['lists of objects that hold more', [{ a: 1, b: 2 }], [{ a: 1 }], null],
  ['a longer list', { list: [1, 2] }, { list: [1] }, '/list'],
  ['a difference deep inside', { a: [{ b: 1 }] }, { a: [{ b: 2 }] }, '/a/0/b'],
  ['what was struck out of a recording', 'Bearer abc', 'Bearer ***', null],
  ['another text around what was struck out', 'Basic abc', 'Bearer ***', ''],
] as const)
  test(`mismatch() of ${what} is ${pointer === null ? 'none' : `at "${pointer}"`}`, () =>
    assert.equal(mismatch(actual, expected)?.pointer ?? null, pointer))

test('every JSON value fits itself', () =>
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      assert(fits(structuredClone(value), value))
    }),
  ))
