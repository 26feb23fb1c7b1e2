import assert from 'node:assert/strict'
import { test } from 'vitest'
import { Counters } from '../../../engine/plane/counters.ts'
import { generationOf } from './routes.ts'

test('Counters count a channel, all channels, and each generation by itself', async () => {
  const [first, second] = [await generationOf(1, []), await generationOf(2, [])]
  const counters = new Counters()
  const now = performance.now()
  counters.count(first, 'channel_rest/a', { status: 200, elapsedMs: 0.5, excused: false, now })
  counters.count(second, 'channel_rest/a', { status: 500, elapsedMs: 30, excused: false, now })
  counters.count(second, null, { status: 404, elapsedMs: 99_999, excused: false, now })
  counters.count(second, 'channel_rest/b', { status: 503, elapsedMs: 1, excused: true, now })
  const { total, routes } = counters.snapshot()
  assert.equal(total.requests, 4)
  assert.deepEqual(total.statuses, [0, 1, 0, 1, 2])
  assert.equal(total.latency.at(-1), 1)
  assert.deepEqual(Object.keys(routes), ['channel_rest/a', 'channel_rest/b'])
  assert.deepEqual(routes['channel_rest/a']?.statuses, [0, 1, 0, 0, 1])
  assert.deepEqual(counters.window(first, now - 60_000), { requests: 1, serverErrors: 0, excused: 0 })
  assert.deepEqual(counters.window(second, now - 60_000), { requests: 3, serverErrors: 2, excused: 1 })
})

test('Counters.window() forgets what is older than asked', async () => {
  const generation = await generationOf(1, [])
  const counters = new Counters()
  const now = performance.now() + 400_000
  counters.count(generation, null, { status: 500, elapsedMs: 1, excused: false, now: now - 10_000 })
  counters.count(generation, null, { status: 200, elapsedMs: 1, excused: false, now })
  assert.deepEqual(counters.window(generation, now - 2_000), { requests: 1, serverErrors: 0, excused: 0 })
})
