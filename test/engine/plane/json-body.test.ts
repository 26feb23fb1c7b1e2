import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { parseJson } from '../../../engine/plane/json-body.ts'

test.each([
  ['', undefined],
  [' \r\n', undefined],
  ['{"a":1}', { a: 1 }],
  ['\ufeff{"a":1}', { a: 1 }],
  ['"text"', 'text'],
  ['null', null],
  ['{"a":"[[[[[[[[[[[[[[[[[["}', { a: '[[[[[[[[[[[[[[[[[[' }],
  ['{"a":1,"a":2}', { a: 2 }],
])('parseJson() reads %j', (text, value) => {
  assert.deepEqual(parseJson(Buffer.from(text), 8), { value })
})

test.each([
  ['{"a":1', 'line 1, column 7: expected comma or end, found the end'],
  ['{"a":1,}', 'line 1, column 8: expected name, found something else'],
  ['{a:1}', 'line 1, column 2: expected name or end, found something else'],
  ['{"a"\n  1}', 'line 2, column 3: expected colon, found something else'],
  ['[1 2]', 'line 1, column 4: expected comma or end, found something else'],
  ['[1]]', 'line 1, column 4: expected nothing, found something else'],
  ['[1}', 'line 1, column 3: expected comma or end, found something else'],
  ['client_id=1', 'line 1, column 1: expected value, found something else'],
  ['{"a":01}', 'line 1, column 6: expected value, found something else'],
  ['{"a":NaN}', 'line 1, column 6: expected value, found something else'],
  ["{'a':1}", 'line 1, column 2: expected name or end, found something else'],
  ['"a\nb"', 'line 1, column 1: expected value, found something else'],
  ['[1,]', 'line 1, column 4: expected value, found something else'],
])('parseJson() says where %j is wrong', (text, place) => {
  assert.deepEqual(parseJson(Buffer.from(text), 8), { problem: `it is not JSON: ${place}` })
})

test.each([
  ['{"__proto__":{"a":1}}', '__proto__'],
  ['{"a":[{"\\u005f_proto__":1}]}', '__proto__'],
  ['[[[[[[[[[1]]]]]]]]]', 'deeper than 8'],
  [`${'{"a":'.repeat(9)}1${'}'.repeat(9)}`, 'deeper than 8'],
])('parseJson() refuses %j', (text, words) => {
  const parsed = parseJson(Buffer.from(text), 8)
  assert('problem' in parsed)
  assert.match(parsed.problem, new RegExp(words))
})

test.each([
  ['UTF-16', Buffer.from('\ufeff{}', 'utf16le')],
  ['an overlong slash', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
  ['a lone continuation', Buffer.from([0x22, 0x80, 0x22])],
])('parseJson() refuses %s', (_, bytes) => assert.deepEqual(parseJson(bytes, 8), { problem: 'it is not UTF-8' }))

test('parseJson() of 100,000 levels ends soon', () => {
  assert('problem' in parseJson(Buffer.from('['.repeat(100_000)), 64))
})

test('parseJson() reads back what JSON.stringify wrote', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), value => {
      const text = JSON.stringify(value)
      fc.pre(!text.includes('__proto__'))
      assert.deepEqual(parseJson(Buffer.from(text), 64), { value: JSON.parse(text) })
    }),
  )
})

test('parseJson() finds a place in whatever is not JSON', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('{', '}', '[', ']', ',', ':', '"', 'a', '1', ' ', '\\', '-', 'true', 'null', '\n', '.', 'e') }),
      text => {
        const parsed = parseJson(Buffer.from(text), 64)
        if ('problem' in parsed) assert.match(parsed.problem, /line \d+, column \d+: expected/)
      },
    ),
    { numRuns: 2_000 },
  )
})
