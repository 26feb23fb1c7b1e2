import assert from 'node:assert/strict'
import { test } from 'vitest'
import { hasCrlf, withLf } from '../../../reconcile/source/line-ends.ts'

for (const [what, before, after] of [
  ['lines with CRLF', 'a\r\nb\r\n', 'a\nb\n'],
  ['lines with LF', 'a\nb\n', 'a\nb\n'],
  ['both', 'a\r\nb\n', 'a\nb\n'],
  ['a carriage return alone', 'a\rb', 'a\rb'],
  ['letters of more than a byte', 'Zoë\r\n', 'Zoë\n'],
  ['a zero byte, which is no text', 'a\0\r\n', 'a\0\r\n'],
  ['nothing', '', ''],
] as const)
  test(`withLf() of ${what}`, () => {
    const bytes = new Uint8Array(Buffer.from(before))
    assert.equal(Buffer.from(withLf(bytes)).toString(), after)
    assert.equal(hasCrlf(bytes), before !== after)
  })
