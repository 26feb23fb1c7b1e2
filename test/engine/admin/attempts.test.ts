import assert from 'node:assert'
import fc from 'fast-check'
import { test } from 'vitest'
import { createAttempts, networkOf } from '../../../engine/admin/attempts.ts'

test('createAttempts() lets an address fail five times, then doubles its wait up to a minute', () => {
  const clock = { ms: 0 }
  const attempts = createAttempts(() => clock.ms)
  for (let at = 0; at < 4; at++) assert.equal(attempts.failed('192.0.2.1', null), 0)
  const waits: number[] = []
  for (let at = 0; at < 9; at++) {
    assert.equal(attempts.failed('192.0.2.1', null), 0)
    // What comes while it waits is not counted.
    for (let times = 0; times < 10; times++) waits[at] = attempts.failed('192.0.2.1', null)
    clock.ms += waits[at] ?? 0
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
})

test('createAttempts() forgets what was silent for a quarter of an hour', () => {
  const clock = { ms: 0 }
  const attempts = createAttempts(() => clock.ms)
  for (let at = 0; at < 5; at++) attempts.failed('192.0.2.1', null)
  assert(attempts.failed('192.0.2.1', null) > 0)
  clock.ms += 15 * 60_000
  for (let at = 0; at < 5; at++) assert.equal(attempts.failed('192.0.2.1', null), 0)
})

test('createAttempts() makes a token that is tried from many addresses wait, and no other', () => {
  const attempts = createAttempts(() => 0)
  for (let at = 1; at <= 5; at++) assert.equal(attempts.failed(`192.0.2.${at}`, 'k3v9x0a4m2qd'), 0)
  assert(attempts.failed('192.0.2.99', 'k3v9x0a4m2qd') > 0)
  assert.equal(attempts.failed('192.0.2.99', 'another0token'), 0)
})

test('createAttempts() keeps the wait of an address while a million others come by (CVE-2024-21652 of Argo CD)', () => {
  const clock = { ms: 0 }
  const attempts = createAttempts(() => clock.ms)
  for (let at = 0; at < 5; at++) attempts.failed('192.0.2.1', null)
  for (let at = 0; at < 1_000_000; at++) attempts.failed(`10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`, null)
  assert(attempts.failed('192.0.2.1', null) >= 1000)
})

test('createAttempts() never shortens a wait, whatever others do (property)', () => {
  const step = fc.record({
    address: fc.integer({ min: 0, max: 40 }).map(n => `192.0.2.${n}`),
    token: fc.option(fc.integer({ min: 0, max: 5 }).map(n => `t${n}`)),
    afterMs: fc.integer({ min: 0, max: 5000 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), fc.integer({ min: 1, max: 64 }), (steps, places) => {
      const clock = { ms: 0 }
      const crowded = createAttempts(() => clock.ms, places)
      const locked: Record<string, number> = {}
      for (const { address, token, afterMs } of steps) {
        clock.ms += afterMs
        const waitMs = crowded.failed(address, token)
        const until = locked[address] ?? 0
        assert(waitMs >= until - clock.ms, 'it waits at least as long as it was told')
        assert(waitMs <= 60_000, 'nobody is banned')
        if (waitMs > 0 && token === null) locked[address] = Math.max(until, clock.ms + waitMs)
      }
    }),
  )
})

for (const [address, network] of [
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:0002::9', '2001:db8:1:2::/64'],
  ['2001:db8::9', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['', ''],
] as const)
  test(`networkOf("${address}") is "${network}"`, () => assert.equal(networkOf(address), network))
