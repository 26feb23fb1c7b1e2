import assert from 'node:assert'
import { test } from 'vitest'
import { createAttempts } from '../../../engine/admin/attempts.ts'
import { openTokens } from '../../../engine/admin/token.ts'
import { settings } from './server.ts'

test('openTokens() makes a token at the first start and tells it once', async () => {
  const store = settings()
  const { first, actorOf } = await openTokens(store)
  assert.match(String(first), /^plumb_[A-Za-z0-9_-]{43}$/)
  assert.deepEqual(actorOf(String(first)), { name: 'admin', via: 'token', role: 'admin' })
  const second = await openTokens(store)
  assert.equal(second.first, null)
  assert.deepEqual(second.actorOf(String(first)), { name: 'admin', via: 'token', role: 'admin' })
})

test('openTokens() keeps nothing that the token could be read from', async () => {
  const store = settings()
  const { first } = await openTokens(store)
  const kept = [...store.kept].join()
  assert(!kept.includes(String(first)) && !kept.includes(String(first).slice(6)))
})

test('actorOf() knows no other token', async () => {
  const { first, actorOf } = await openTokens(settings())
  for (const wrong of ['', 'plumb_', String(first).slice(0, -1), `${first}x`, String(first).toUpperCase()])
    assert.equal(actorOf(wrong), null)
})

test('createAttempts() lets an address fail five times, then doubles its wait up to a minute', () => {
  const clock = { ms: 0 }
  const attempts = createAttempts(() => clock.ms)
  const waits: number[] = []
  for (let at = 0; at < 13; at++) {
    attempts.failed('a')
    waits.push(attempts.waitMs('a'))
    clock.ms += attempts.waitMs('a')
  }
  assert.deepEqual(waits, [0, 0, 0, 0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
  assert.equal(attempts.waitMs('b'), 0)
  attempts.succeeded('a')
  attempts.failed('a')
  assert.equal(attempts.waitMs('a'), 0)
})

test('createAttempts() keeps the wait of an address while ten thousand others come by', () => {
  const attempts = createAttempts(() => 0)
  for (let at = 0; at < 9_999; at++) {
    attempts.failed(`other-${at}`)
    if (at < 5) attempts.failed('a')
  }
  assert(attempts.waitMs('a') > 0)
})
