import assert from 'node:assert/strict'
import { test } from 'vitest'
import { createLeaseGrants } from '../../../engine/generation/lease-grants.ts'
import { createLeases, type LeasePort } from '../../../engine/generation/leases.ts'
import type { Lease } from '../../../engine/store/port.ts'
import { type FakeClock, fakeClock } from '../../fake-clock.ts'
import { quietSurroundings } from './fixtures.ts'

function worker(clock: FakeClock, port: LeasePort) {
  const events: string[] = []
  const leases = createLeases({ port, clock, log: quietSurroundings.log, monotonic: clock.now })
  const intake = {
    start: async (term: number) => void events.push(`start ${term} at ${clock.now()}`),
    stop: async () => void events.push(`stop at ${clock.now()}`),
  }
  return { events, hold: (scope: 'server' | 'cluster') => leases.hold('consumer/orders', scope, intake) }
}

/** Control that answers as told: a term, null (another holds it), or away. */
function scriptedPort(clock: FakeClock, answer: () => number | null | 'away' | 'silent'): LeasePort & { readonly released: string[] } {
  const released: string[] = []
  return {
    released,
    async acquire() {
      const said = answer()
      if (said === 'away') throw new Error('control is away')
      if (said === 'silent') return new Promise(() => undefined)
      return said === null ? null : { term: said }
    },
    release: async (_name, term) => released.push(`${term} at ${clock.now()}`),
  }
}

test('hold() asks again every 500 ms while another holds the lease, and starts when it gets it', async () => {
  const clock = fakeClock()
  let free = false
  const one = worker(
    clock,
    scriptedPort(clock, () => (free ? 3 : null)),
  )
  const hold = one.hold('server')
  await clock.advance(1_700)
  assert.deepEqual([one.events, hold.term], [[], null])
  free = true
  await clock.advance(300)
  assert.deepEqual([one.events, hold.term], [['start 3 at 2000'], 3])
  await hold.end()
})

for (const away of ['away', 'silent'] as const)
  test(`hold() of a server's lease goes on while control is ${away}`, async () => {
    const clock = fakeClock()
    let said: 1 | 'away' | 'silent' = 1
    const one = worker(
      clock,
      scriptedPort(clock, () => said),
    )
    const hold = one.hold('server')
    await clock.advance(100)
    said = away
    await clock.advance(600_000)
    assert.deepEqual([one.events, hold.term], [['start 1 at 0'], 1])
    said = 1
    await clock.advance(10_000)
    await hold.end()
    assert.equal(one.events.length, 2)
  })

for (const away of ['away', 'silent'] as const)
  test(`hold() of a cluster's lease ends its intake before the lease runs out when the store is ${away}`, async () => {
    const clock = fakeClock()
    let said: 1 | 2 | 'away' | 'silent' = 1
    const one = worker(
      clock,
      scriptedPort(clock, () => said),
    )
    const hold = one.hold('cluster')
    await clock.advance(10)
    said = away
    await clock.advance(20_000)
    const [started, stopped = ''] = one.events
    assert.equal(started, 'start 1 at 0')
    assert(Number(stopped.split(' ').at(-1)) < 6_000, stopped)
    assert.equal(hold.term, null)
    said = 2
    await clock.advance(7_000)
    assert.match(String(one.events[2]), /^start 2 at /)
    await hold.end()
  })

test('hold() stops at once when it learns that another holds the lease, and starts anew under a new term', async () => {
  const clock = fakeClock()
  let said: number | null = 1
  const one = worker(
    clock,
    scriptedPort(clock, () => said),
  )
  const hold = one.hold('server')
  await clock.advance(10)
  said = null
  await clock.advance(1_000)
  said = 3
  await clock.advance(500)
  assert.deepEqual(one.events, ['start 1 at 0', 'stop at 1000', 'start 3 at 1500'])
  said = 5
  await clock.advance(1_000)
  assert.deepEqual(one.events.slice(3), ['stop at 2500', 'start 5 at 2500'])
  await hold.end()
})

test('end() stops the intake, then gives the lease back, once', async () => {
  const clock = fakeClock()
  const port = scriptedPort(clock, () => 4)
  const one = worker(clock, port)
  const hold = one.hold('server')
  await clock.advance(10)
  await Promise.all([hold.end(), hold.end()])
  assert.deepEqual([one.events, port.released, clock.sleeping], [['start 4 at 0', 'stop at 10'], ['4 at 10'], 0])
})

test('a lease that is granted after end() goes back unused', async () => {
  const clock = fakeClock()
  const gate = Promise.withResolvers<{ term: number }>()
  const released: number[] = []
  const one = worker(clock, { acquire: () => gate.promise, release: async (_name, term) => released.push(term) })
  const hold = one.hold('server')
  await clock.advance(10)
  await hold.end()
  gate.resolve({ term: 9 })
  await clock.advance(0)
  assert.deepEqual([one.events, released], [[], [9]])
})

test('createLeaseGrants() gives nothing of a holder that may live, whatever the expiry says, and everything of a dead one', async () => {
  const leases = new Map<string, Lease>()
  const store = {
    listLeases: async () => [...leases.values()],
    async acquireLease(name: string, holder: string, ttlMs: number, now: number) {
      const held = leases.get(name)
      if (held && held.holder !== holder && held.expiresAt > now) return null
      const lease = { name, holder, term: (held?.term ?? 0) + (held?.holder === holder ? 0 : 1), expiresAt: now + ttlMs }
      leases.set(name, lease)
      return lease
    },
    async releaseLease(name: string, holder: string, term: number) {
      const held = leases.get(name)
      if (held?.holder !== holder || held.term !== term) return false
      leases.set(name, { ...held, holder: '', expiresAt: 0 })
      return true
    },
  }
  const dead = new Set([''])
  let now = 0
  const grants = createLeaseGrants({ store, isGone: holder => dead.has(holder), now: () => now })
  assert.deepEqual((await grants.acquire('a', 'one', 1_000))?.term, 1)
  now = 1_000_000
  assert.equal(await grants.acquire('a', 'two', 1_000), null)
  assert.deepEqual((await grants.acquire('a', 'one', 1_000))?.term, 1)
  dead.add('one')
  const [two, three] = await Promise.all([grants.acquire('a', 'two', 1_000), grants.acquire('a', 'three', 1_000)])
  assert.deepEqual([two?.term, three], [2, null])
})
