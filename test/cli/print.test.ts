import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { duration, printable, table } from '../../cli/print.ts'

describe('printable()', () => {
  for (const [what, text, expected] of [
    ['plain text', 'Żółw 🐢\ttab\nline', 'Żółw 🐢\ttab\nline'],
    ['an escape sequence', '\u001b[31mred', '\\u001b[31mred'],
    ['a carriage return', 'over\rwritten', 'over\\u000dwritten'],
    ['a bidirectional override', 'abc\u202edef', 'abc\\u202edef'],
    ['a C1 control', '\u009b2J', '\\u009b2J'],
  ] as const)
    test(`shows ${what}`, () => assert.equal(printable(text), expected))
})

test('table() makes columns as wide as their widest cell', () => {
  assert.equal(
    table([
      ['REF', 'STATE'],
      ['channel_rest/orders', 'ready'],
    ]),
    'REF                  STATE\nchannel_rest/orders  ready\n',
  )
})

for (const [ms, expected] of [
  [4.4, '4 ms'],
  [999, '999 ms'],
  [2449, '2.4 s'],
  [180_000, '3 min'],
] as const)
  test(`duration(${ms}) is ${expected}`, () => assert.equal(duration(ms), expected))
