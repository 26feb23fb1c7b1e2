import assert from 'node:assert/strict'
import { test } from 'vitest'
import { pruneDaily } from '../../../reconcile/sync/retention.ts'
import { fakeClock } from '../../fake-clock.ts'
import { until } from '../../until.ts'

const dayMs = 24 * 3_600_000

test('What is older than 90 days, of the audit than a year, is removed at once and each day, also after a day on which it failed, until the server ends', async () => {
  const clock = fakeClock()
  const ending = new AbortController()
  const asked: string[] = []
  const warned: string[] = []
  const told: object[] = []
  const audited: string[] = []
  const log = {
    info: (fields: object) => void told.push(fields),
    error: () => undefined,
    warn: (_: object, message: string) => void warned.push(message),
  }
  const store = {
    async prune(before: string) {
      asked.push(before)
      if (asked.length === 2) throw new Error('the disk is full')
    },
    async pruneAudit(before: string) {
      audited.push(before)
      return null
    },
    readAudit: async () => [{ seq: audited.length, hash: 'a1' }] as never, // of a row, what is told
  }
  const startedAt = clock.now()
  const pruning = pruneDaily({ store, clock, log, tellsHead: true, signal: ending.signal })
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
  await until(() => told.length === 3, 'the head is told')
  assert.deepEqual(
    audited,
    [0, 2, 3].map(days => new Date(startedAt + (days - 365) * dayMs).toISOString()),
  )
  assert.deepEqual(told.at(-1), { seq: 3, hash: 'a1' })
  ending.abort()
  await pruning
})
