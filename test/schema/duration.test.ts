import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { durationMs, durationText, maxTimerMs } from '../../schema/duration.ts'

for (const [text, expected] of [
  ['0s', 0],
  ['250ms', 250],
  ['30s', 30_000],
  ['5m', 300_000],
  ['1h', 3_600_000],
  ['1d', 86_400_000],
  ['25d', undefined],
  ['30', undefined],
  ['-1s', undefined],
  ['1.5s', undefined],
  ['1 s', undefined],
  ['1y', undefined],
  ['', undefined],
] as const)
  test(`durationMs() of "${text}" is ${expected}`, () => assert.equal(durationMs(text), expected))

test('durationMs() reads what durationText() wrote', () => {
  fc.assert(fc.property(fc.nat(maxTimerMs), ms => assert.equal(durationMs(durationText(ms)), ms)))
})
