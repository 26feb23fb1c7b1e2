import assert from 'node:assert/strict'
import { test } from 'vitest'
import type { Adapter } from '../../adapters/port.ts'
import { prepareInstance, type Wrapped } from '../../adapters/wrap.ts'
import { entryOf, quietSurroundings, unsealed } from '../engine/generation/fixtures.ts'
import { type FakeClock, fakeClock } from '../fake-clock.ts'

type Ping = (signal: AbortSignal) => Promise<void>

function wrapped(parts: Partial<Adapter> & { answer?: Ping }, clock: FakeClock = fakeClock()): Wrapped {
  const { answer, ...rest } = parts
  const entry = entryOf('pool/ledger', {}, { secrets: { '/password': 'hunter2' } })
  const adapter: Adapter = {
    prepare: () => ({}),
    close: () => undefined,
    ...(answer && { ping: (_instance, signal) => answer(signal) }),
    ...rest,
  }
  const declared = { resource: entry.resource, secrets: unsealed(entry) }
  return prepareInstance(adapter, declared, { ...quietSurroundings, clock, random: () => 1 }) as Wrapped // these prepare at once
}

test('ping() gives up after 5 s on a far end that is silent', async () => {
  const clock = fakeClock()
  let signal: AbortSignal | undefined
  const silent: Ping = given => {
    signal = given
    return new Promise(() => undefined)
  }
  const one = wrapped({ answer: silent }, clock)
  const pinging = one.ping()
  await clock.advance(4_999)
  assert.equal(one.status().ready, true)
  await clock.advance(1)
  assert.deepEqual(await pinging, { ready: false, reason: 'no answer came within 5 s', since: 5_000 })
  assert.equal(signal?.aborted, true)
  assert.equal(clock.sleeping, 0)
})

test('ping() that overlaps another is the same one', async () => {
  let pings = 0
  const one = wrapped({ answer: async () => void pings++ })
  await Promise.all([one.ping(), one.ping()])
  assert.equal(pings, 1)
})

test('a reason never holds a secret of the declaration', async () => {
  const one = wrapped({ answer: () => Promise.reject(new Error('cannot reach pg://app:hunter2@db')) })
  assert.equal((await one.ping()).reason, 'cannot reach pg://app:***@db')
  assert.throws(
    () =>
      wrapped({
        prepare: () => {
          throw new Error('bad password hunter2')
        },
      }),
    { message: 'bad password ***' },
  )
})

test('watch() asks a degraded far end after 250 ms, then twice as long each time up to 5 s, and a ready one every 10 s', async () => {
  const clock = fakeClock()
  const at: number[] = []
  let isUp = false
  const answer = async () => {
    at.push(clock.now())
    if (!isUp) throw new Error('down')
  }
  const one = wrapped({ answer }, clock)
  await one.ping()
  one.watch()
  one.watch()
  await clock.advance(20_000)
  assert.deepEqual(at, [0, 250, 750, 1_750, 3_750, 7_750, 12_750, 17_750])
  assert.deepEqual(one.status(), { ready: false, reason: 'down', since: 0 })
  isUp = true
  await clock.advance(2_750)
  assert.deepEqual(one.status(), { ready: true, reason: null, since: 22_750 })
  await clock.advance(20_000)
  assert.deepEqual(at.slice(8), [22_750, 32_750, 42_750])
  await one.close()
  assert.equal(clock.sleeping, 0)
})

test('the status keeps since when only the reason changes', async () => {
  const clock = fakeClock()
  let reason = 'refused'
  const one = wrapped({ answer: () => Promise.reject(new Error(reason)) }, clock)
  await one.ping()
  reason = 'the login failed'
  await clock.advance(100)
  assert.deepEqual(await one.ping(), { ready: false, reason: 'the login failed', since: 0 })
})

test('close() closes once, stops the intake and drains first, and ends a ping that is under way', async () => {
  const events: string[] = []
  const one = wrapped({
    answer: () => new Promise(() => undefined),
    start: () => void events.push('start'),
    stop: () => void events.push('stop'),
    drain: async () => void events.push('drain'),
    close: () => void events.push('close'),
  })
  await one.start()
  const pinging = one.ping()
  await Promise.all([one.close(), one.close()])
  await pinging
  await one.start()
  assert.deepEqual(events, ['start', 'stop', 'drain', 'close'])
})

for (const [what, close] of [
  ['fails', () => Promise.reject(new Error('no'))],
  [
    'throws',
    () => {
      throw new Error('no')
    },
  ],
] as const)
  test(`close() resolves when the adapter's own ${what}`, () => wrapped({ close }).close())

test('close() waits 10 s at most for an adapter that never closes', async () => {
  const clock = fakeClock()
  const closing = wrapped({ close: () => new Promise(() => undefined) }, clock).close()
  await clock.advance(10_000)
  await closing
})

test('a prepare that takes longer than 30 s fails, and what comes later is closed', async () => {
  const clock = fakeClock()
  const gate = Promise.withResolvers<object>()
  const closed: unknown[] = []
  const preparing = prepareInstance(
    { prepare: () => gate.promise, close: instance => void closed.push(instance) },
    { resource: entryOf('pool/a').resource, secrets: new Map() },
    { ...quietSurroundings, clock },
  )
  const failing = assert.rejects(Promise.resolve(preparing), /it was not ready within 30 s/)
  await clock.advance(30_000)
  await failing
  const late = {}
  gate.resolve(late)
  await clock.advance(0)
  assert.deepEqual(closed, [late])
})
