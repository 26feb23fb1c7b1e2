import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import { test } from 'vitest'
import { systemClock } from '../../adapters/clock.ts'

for (const [what, ms] of [
  ['an hour', 3_600_000],
  ['a year, which is longer than a timer of node can be', 365 * 24 * 3_600_000],
] as const)
  test(`sleep() of ${what} ends early by its signal alone`, async () => {
    const ending = new AbortController()
    const sleeping = systemClock.sleep(ms, ending.signal).then(
      () => 'over',
      (reason: unknown) => reason,
    )
    assert.equal(await Promise.race([sleeping, setTimeout(20, 'asleep')]), 'asleep')
    ending.abort('enough')
    assert.equal(await sleeping, 'enough')
  })

test('sleep() takes its time', async () => {
  const startedAt = performance.now()
  await systemClock.sleep(30)
  assert.ok(performance.now() - startedAt >= 29)
})
