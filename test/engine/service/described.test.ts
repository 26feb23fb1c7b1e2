import assert from 'node:assert/strict'
import { test } from 'vitest'
import { described } from '../../../engine/service/described.ts'

class Client {
  id = 1
  token = 'hunter2'
}

for (const [value, words] of [
  [undefined, 'undefined'],
  [null, 'null'],
  [7, 'the number 7'],
  [7n, 'the bigint 7'],
  [false, 'the boolean false'],
  ['a "b"', 'the string "a \\"b\\""'],
  [() => 1, 'a function'],
  [Symbol('x'), 'a symbol'],
  [[1, 2], 'an array of 2'],
  [{}, 'an object without fields'],
  [{ a: 'hunter2' }, 'an object with the field a'],
  [new Client(), 'an object of class Client with the fields id, token'],
  [Object.create(null), 'an object without fields'],
  [Object.fromEntries(Array.from('abcdefghij', name => [name, 1])), 'an object with the fields a, b, c, d, e, f, g, h, …'],
  [
    new Proxy(
      {},
      {
        ownKeys() {
          throw new Error('no')
        },
      },
    ),
    'an object',
  ],
] as const)
  test(`described() says ${words}`, () => assert.equal(described(value), words))
