import assert from 'node:assert/strict'
import { test } from 'vitest'
import type * as adapters from '../../../adapters/rest-client.ts'
import { isService, type RestClient, type RestRequest, service } from '../../../engine/service/sdk.ts'

type Same<A, B> = [A, B] extends [B, A] ? true : false

test('the REST client of the SDK is the one the adapter makes', () => {
  const same: [Same<RestClient, adapters.RestClient>, Same<RestRequest, adapters.RestRequest>] = [true, true]
  assert.deepEqual(same, [true, true])
})

for (const [deadline, ms] of [
  ['500ms', 500],
  ['5s', 5_000],
  ['1.5m', 90_000],
  ['1h', 3_600_000],
] as const)
  test(`service() reads the deadline ${deadline} as ${ms} ms`, () => {
    assert.equal(service({ name: 'a', deadline, handle: () => null }).deadlineMs, ms)
  })

test('service() without a deadline has none, and cannot be changed', () => {
  const made = service({ name: 'a', handle: () => null })
  assert.equal(made.deadlineMs, null)
  assert.ok(isService(made) && Object.isFrozen(made))
  assert.equal(isService({ name: 'a', handle: () => null }), false)
})

// Code that was never type-checked comes here too.
const unchecked = service as unknown as (definition: unknown) => unknown
for (const [what, definition, said] of [
  ['no name', { handle: () => null }, /it has no name/],
  ['no handler', { name: 'a' }, /"a" as it has no `handle`/],
  ['a deadline that is none', { name: 'a', deadline: 'soon', handle: () => null }, /its deadline is "soon"/],
  ['a deadline of nothing', { name: 'a', deadline: '0s', handle: () => null }, /its deadline is "0s"/],
] as const)
  test(`service() with ${what} is refused`, () => assert.throws(() => unchecked(definition), said))
