import assert from 'node:assert/strict'
import { test } from 'vitest'
import { fieldLines } from '../../../reconcile/plan/field-lines.ts'
import type { FieldChange } from '../../../reconcile/plan/plan.ts'

const field = (rest: Partial<FieldChange>): FieldChange => ({
  pointer: '/request_data',
  before: undefined,
  after: undefined,
  sensitive: false,
  reconnects: false,
  ...rest,
})
const text = (changed: string) => ['one', 'two', 'three', changed, 'five', 'six', 'seven', ''].join('\n')

for (const [what, given, expected] of [
  ['a value', { pointer: '/timeout', before: 30, after: 45 }, ['timeout: 30 → 45']],
  ['a value that reconnects', { pointer: '/host', before: 'a', after: 'b', reconnects: true }, ['host: "a" → "b"  # reconnects']],
  [
    'a text of several lines',
    { before: text('four'), after: text('4') },
    ['request_data:', '    two', '    three', '  - four', '  + 4', '    five', '    six'],
  ],
  [
    'a secret',
    { pointer: '/password', before: '#a1b2c3d4', after: '#c3d4e5f6', sensitive: true },
    ['password: (sensitive, #a1b2c3d4 → #c3d4e5f6)'],
  ],
  ['an escape sequence in a text', { before: 'a\nb', after: 'a\n\u001b[2Jb' }, ['request_data:', '    a', '  - b', '  + \\u001b[2Jb']],
] as const)
  test(`fieldLines() shows ${what}`, () => assert.deepEqual(fieldLines(field(given)), expected))
