import assert from 'node:assert/strict'
import { test } from 'vitest'
import { pruneDaily } from '../../../reconcile/sync/retention.ts'
import { fakeClock } from '../../fake-clock.ts'
import { until } from '../../until.ts'

const dayMs = 24 * 3_600_000

test('What is older than 90 days is removed at once and each day, also after a day on which it failed, until the server ends', async () => {
  const clock = fakeClock()
  const ending = new AbortController()
  const asked: string[] = []
  const warned: string[] = []
  const log = { info: () => undefined, error: () => undefined, warn: (_: object, message: string) => void warned.push(message) }
  const store = {
    async prune(before: string) {
      asked.push(before)
      if (asked.length === 2) throw new Error('the disk is full')
    },
  }
  const startedAt = clock.now()
  const pruning = pruneDaily({ store, clock, log, signal: ending.signal })
  for (let days = 1; days <= 3; days++) {
    await until(() => asked.length === days, 'the day is cleaned up')
    await clock.advance(dayMs)
  }
  await until(() => asked.length === 4, 'the last day is cleaned up')
  assert.deepEqual(
    asked,
    [0, 1, 2, 3].map(days => new Date(startedAt + (days - 90) * dayMs).toISOString()),
  )
  assert.equal(warned.length, 1)
  ending.abort()
  await pruning
})
