import assert from 'node:assert/strict'
import { Worker } from 'node:worker_threads'
import { test } from 'vitest'
import { Halts } from '../../../engine/debug/halts.ts'
import { startDeadline } from '../../../engine/debug/paused-time.ts'
import { Pauses } from '../../../engine/debug/pauses.ts'
import { until } from '../../until.ts'

test('Pauses are counted, and their time, whichever thread looks', async () => {
  const pauses = new Pauses()
  const seen = new Pauses(pauses.buffer)
  assert.deepEqual([seen.count, seen.isPaused, seen.totalMs, seen.isFresh(1_000)], [0, false, 0, false])
  pauses.pause()
  pauses.pause()
  assert.deepEqual([seen.count, seen.isPaused], [1, true])
  await until(() => seen.totalMs >= 20, 'Time of the pause under way')
  pauses.resume()
  const { totalMs } = seen
  pauses.resume()
  assert.deepEqual([seen.count, seen.isPaused, seen.totalMs, seen.isFresh(60_000)], [1, false, totalMs, true])
})

test('Pauses let a thread wait until all debuggers have left', async () => {
  const pauses = new Pauses()
  pauses.attach()
  const leaver = new Worker(
    `const { workerData } = require('node:worker_threads')
     const counts = new Int32Array(workerData, 24, 2)
     setTimeout(() => { Atomics.sub(counts, 0, 1); Atomics.notify(counts, 0) }, 20)`,
    { eval: true, workerData: pauses.buffer },
  )
  await new Promise(resolve => leaver.once('online', resolve))
  pauses.awaitDetached(10_000)
  assert.equal(pauses.sessions, 0)
  await leaver.terminate()
})

test('Halts believe whoever says it last: the worker that goes on may be heard before the thread that let it', () => {
  const halts = new Halts()
  halts.attach()
  halts.pause(1)
  assert.equal(halts.isPaused, true)
  assert.equal(halts.resume(1), true)
  assert.equal(halts.resume(1), false, 'it is no news')
  halts.pause(1)
  assert.equal(halts.isPaused, false, 'what was said of the same pause comes late')
  halts.pause(2)
  const at = performance.now()
  assert.deepEqual([halts.isPaused, halts.hasHeldSince(at)], [true, true])
  halts.detach()
  assert.deepEqual([halts.isPaused, halts.hasHeldSince(at), halts.hasHeldSince(performance.now() + 1)], [false, true, false])
})

test('startDeadline() counts no time in which the process stood still', async () => {
  let pausedMs = 0
  const startedAt = performance.now()
  const { promise, resolve } = Promise.withResolvers<number>()
  startDeadline(
    20,
    () => pausedMs,
    () => resolve(performance.now() - startedAt),
  )
  pausedMs = 60
  assert((await promise) >= 79)
})
