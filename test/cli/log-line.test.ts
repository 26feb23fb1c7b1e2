import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { logLine, type Paint } from '../../cli/log-line.ts'
import type { JsonObject } from '../../schema/json.ts'

const plain: Paint = (_style, text) => text
const line = (fields: JsonObject): JsonObject => ({ level: 30, time: 0, process: 'worker 1', ...fields })

for (const [what, fields, expected] of [
  [
    'a line',
    { ref: 'sql/x', reason: 'it is away', msg: 'Cannot' },
    '1970-01-01T00:00:00.000Z info  worker 1  Cannot ref=sql/x reason="it is away"',
  ],
  ['a warning', { level: 40, msg: 'm' }, '1970-01-01T00:00:00.000Z warn  worker 1  m'],
  ['an event', { type: 'sync.applied', msg: 'm' }, '1970-01-01T00:00:00.000Z info  worker 1  m type=sync.applied'],
  [
    'a request',
    {
      type: 'access',
      method: 'POST',
      path: '/a b',
      status: 200,
      elapsedMs: 0.4,
      bytesIn: 1,
      bytesOut: 2,
      channel: 'k/c',
      cid: 'x',
      msg: 'Answered',
    },
    '1970-01-01T00:00:00.000Z info  worker 1  POST /a b 200 0.4 ms channel=k/c cid=x',
  ],
  [
    'an error',
    { level: 50, err: { type: 'E', message: 'broken', stack: 'E: broken\n    at f', code: 'C' }, msg: 'm' },
    '1970-01-01T00:00:00.000Z error worker 1  m\n  E: broken\n      at f\n  {"code":"C"}',
  ],
] as const)
  test(`logLine() of ${what}`, () => assert.equal(logLine(line(fields), plain), expected))

test('logLine() lets nothing of a line begin another or command a terminal', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '\n', '\r', '\u001b', '\u0007', '\u009b', '\u202e', '\u2028', '\t', '"') })
  fc.assert(
    fc.property(text, text, text, (msg, name, value) => {
      for (const shown of [
        logLine(line({ msg, [`f${name}`]: value, process: name }), plain),
        logLine(line({ type: 'access', method: name, path: value, msg }), plain),
      ])
        assert.doesNotMatch(shown, /[\u0000-\u001f\u007f-\u009f\u202e\u2028]/)
    }),
  )
})
