import assert from 'node:assert/strict'
import { test } from 'vitest'
import { heldUpSinceStartMs, judgeSilence } from '../../../engine/process/silence.ts'

for (const [silentMs, heldUpMs, judged] of [
  [300, 0, 'slow'],
  [1_900, 100, 'slow'],
  [2_100, 0, 'stuck'],
  [2_100, 1_500, 'held up'],
  [30_000, 29_000, 'held up'],
  [30_000, 20_000, 'stuck'],
] as const)
  test(`a loop that did not turn for ${silentMs} ms, ${heldUpMs} of which it was not let, is ${judged}`, () =>
    assert.equal(judgeSilence(silentMs, heldUpMs), judged))

test('time that a thread is ready and not let is counted, and work is not', { skip: process.platform !== 'linux' }, () => {
  const before = heldUpSinceStartMs()
  const startedAt = performance.now()
  const cpu = process.cpuUsage()
  while (performance.now() - startedAt < 200);
  const { user } = process.cpuUsage(cpu)
  const heldUpMs = heldUpSinceStartMs() - before
  assert(heldUpMs >= 0 && heldUpMs <= performance.now() - startedAt - user / 1_000 + 50, `${heldUpMs} ms`)
})
