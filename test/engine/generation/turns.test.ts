import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { createTurns } from '../../../engine/generation/turns.ts'

test('take() runs one piece of work at a time, in the order they came, whether they fail or not', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(fc.boolean(), { maxLength: 10 }), async (scheduler, fails) => {
      const turns = createTurns()
      const seen: number[] = []
      let running = 0
      const results = fails.map((isFailing, at) =>
        turns.take(async () => {
          running += 1
          assert.equal(running, 1)
          await scheduler.schedule(Promise.resolve())
          running -= 1
          seen.push(at)
          if (isFailing) throw new Error(String(at))
          return at
        }),
      )
      const settled = Promise.allSettled(results)
      await scheduler.waitFor(settled)
      assert.deepEqual(
        seen,
        fails.map((_, at) => at),
      )
      assert.deepEqual(
        (await settled).map(({ status }) => status === 'rejected'),
        fails,
      )
    }),
  )
})
