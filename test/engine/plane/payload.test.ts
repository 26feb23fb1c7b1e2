import assert from 'node:assert/strict'
import { test } from 'vitest'
import { payloadOf } from '../../../engine/plane/payload.ts'
import { parseQuery } from '../../../engine/plane/query.ts'
import type { Merging } from '../../../engine/plane/route.ts'

const queryFirst: Merging = { parameters: true, first: 'query', over: 'body' }
const pathFirst: Merging = { ...queryFirst, first: 'path' }
const bodyFirst: Merging = { ...queryFirst, over: 'nothing' }
const apart: Merging = { ...queryFirst, parameters: false }

for (const [what, body, path, query, merging, expected] of [
  ['the body alone', { a: 1 }, {}, {}, queryFirst, { a: 1 }],
  ['nothing at all', undefined, {}, {}, queryFirst, {}],
  ['parameters without a body', undefined, { id: '1' }, { x: '2' }, queryFirst, { id: '1', x: '2' }],
  ['the query over the path', {}, { a: 'path' }, { a: 'query' }, queryFirst, { a: 'query' }],
  ['the path over the query', {}, { a: 'path' }, { a: 'query' }, pathFirst, { a: 'path' }],
  ['parameters over the body', { a: 'body', b: 1 }, { a: 'path' }, {}, queryFirst, { a: 'path', b: 1 }],
  ['the body over parameters', { a: 'body' }, { a: 'path', c: 'path' }, { a: 'query' }, bodyFirst, { a: 'body', c: 'path' }],
  [
    'the path over the query, the body over both',
    { a: 'body' },
    { b: 'path' },
    { a: 'query', b: 'query' },
    { ...bodyFirst, first: 'path' },
    { a: 'body', b: 'path' },
  ],
  ['no parameters where the channel keeps them apart', { a: 1 }, { b: 'path' }, { c: 'query' }, apart, { a: 1 }],
  ['a repeated parameter as a list', undefined, {}, { a: ['1', '2'] }, queryFirst, { a: ['1', '2'] }],
  ['a list body as it is', [1], { a: 'path' }, {}, queryFirst, [1]],
  ['a text body as it is', 'text', { a: 'path' }, {}, queryFirst, 'text'],
  ['a null body as it is', null, { a: 'path' }, {}, queryFirst, null],
] as const)
  test(`payloadOf() gives ${what}`, () => assert.deepEqual(payloadOf(body, path, query, { merging, inputTypes: {} }), expected))

for (const [type, text, expected] of [
  ['integer', '17', 17],
  ['integer', '-3', -3],
  ['integer', '1.5', '1.5'],
  ['integer', '9007199254740993', '9007199254740993'],
  ['integer', '', ''],
  ['integer', '0x10', '0x10'],
  ['number', '1.5', 1.5],
  ['number', '1e3', 1000],
  ['number', 'Infinity', 'Infinity'],
  ['number', ' 1', ' 1'],
  ['boolean', 'true', true],
  ['boolean', 'false', false],
  ['boolean', 'yes', 'yes'],
  ['null', '', null],
  ['array', 'a', ['a']],
  ['string', '17', '17'],
  ['object', '{}', '{}'],
] as const)
  test(`payloadOf() converts ${JSON.stringify(text)} for a field of type ${type} to ${JSON.stringify(expected)}`, () =>
    assert.deepEqual(payloadOf(undefined, { field: text }, {}, { merging: queryFirst, inputTypes: { field: type } }), { field: expected }))

test('payloadOf() gives a service with a model only the parameters it declares', () => {
  const inputTypes = { id: 'integer' }
  assert.deepEqual(payloadOf(undefined, { id: '1' }, { utm: 'x', constructor: 'y' }, { merging: queryFirst, inputTypes }), { id: 1 })
})

test('payloadOf() leaves the body it was given alone', () => {
  const body = Object.freeze({ a: 1 })
  assert.deepEqual(payloadOf(body, { a: '2' }, {}, { merging: queryFirst, inputTypes: {} }), { a: '2' })
})

test.each([
  ['', {}],
  ['a=1&b=2', { a: '1', b: '2' }],
  ['a=1&a=2&a=3', { a: ['1', '2', '3'] }],
  ['a', { a: '' }],
  ['a=&&b', { a: '', b: '' }],
  ['a=x%20y+z&%C4%85=1', { a: 'x y z', ą: '1' }],
  ['a[b][c]=1', { 'a[b][c]': '1' }],
  ['constructor=1', { constructor: '1' }],
])('parseQuery() reads %j', (text, query) => {
  assert.deepEqual(parseQuery(text, 4), { query })
})

test.each(['__proto__=1', '__proto__[x]=1&__proto__', 'a=%', 'a=%FF', '%zz=1', 'a&b&c&d&e'])(
  'parseQuery() refuses or flattens %j',
  text => {
    const parsed = parseQuery(text, 4)
    if ('query' in parsed) assert.equal(Object.getPrototypeOf(parsed.query), Object.prototype)
    else assert.match(parsed.problem, /__proto__|percent-encoded|more than 4/)
  },
)
