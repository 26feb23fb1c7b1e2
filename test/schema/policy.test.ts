import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { allowedDeletes, type EnvironmentSettings, type MaxDeletes, readEnvironment } from '../../schema/environment.ts'
import type { JsonObject } from '../../schema/json.ts'
import { type Floors, loosened, stricter } from '../../schema/policy.ts'

function settings(declared: JsonObject = {}): EnvironmentSettings {
  return readEnvironment({ environment: 'prod', ...declared }).settings
}

for (const [what, declared, expected] of [
  ['nothing', {}, []],
  ['the mode', { mode: 'live' }, ['mode from git to live']],
  ['required security', { requireSecurity: false }, ['requireSecurity from true to false']],
  ['pruning', { sync: { prune: false } }, ['sync.prune from true to false']],
  ['a shorter probation', { sync: { probation: '5s' } }, ['sync.probation from 30s to 5s']],
  ['preflight', { sync: { preflight: 'warn' } }, ['sync.preflight from require to warn']],
  ['more deletes', { sync: { maxDeletes: '20%' } }, ['sync.maxDeletes from 10% to 20%']],
  ['a number that may be more', { sync: { maxDeletes: 5 } }, ['sync.maxDeletes from 10% to 5']],
  ['fewer deletes', { sync: { maxDeletes: '5%' } }, []],
  ['a longer probation', { sync: { probation: '1m' } }, []],
  ['approvals', { sync: { auto: false } }, []],
  ['more process variables', { env: ['A', 'B'] }, ['env by A, B']],
] as const)
  test(`loosened() by a revision that changes ${what} is [${expected.join('; ')}]`, () => {
    assert.deepEqual(loosened(settings(), settings(declared)), expected)
  })

test('loosened() sees that plans no longer wait for approval', () => {
  assert.deepEqual(loosened(settings({ sync: { auto: false } }), settings()), ['sync.auto from false to true'])
})

const maxDeletes: fc.Arbitrary<MaxDeletes> = fc.oneof(
  fc.record({ percent: fc.integer({ min: 0, max: 100 }) }),
  fc.record({ count: fc.nat(50) }),
  fc.record({ percent: fc.integer({ min: 0, max: 100 }), count: fc.nat(50) }),
)
const floors: fc.Arbitrary<Floors> = fc.record({ requireSecurity: fc.boolean(), prune: fc.boolean(), maxDeletes }, { requiredKeys: [] })

test('stricter() loosens nothing, keeps to the floors, and changes nothing the second time', () => {
  fc.assert(
    fc.property(floors, maxDeletes, fc.boolean(), fc.nat(500), (floor, most, isStrict, live) => {
      const before = { ...settings(), maxDeletes: most, requireSecurity: isStrict, prune: isStrict }
      const after = stricter(before, floor)
      assert.deepEqual(loosened(before, after), [])
      assert(allowedDeletes(after.maxDeletes, live) <= allowedDeletes(before.maxDeletes, live))
      if (floor.maxDeletes) assert(allowedDeletes(after.maxDeletes, live) <= allowedDeletes(floor.maxDeletes, live))
      if (floor.requireSecurity) assert(after.requireSecurity)
      if (floor.prune) assert(after.prune)
      assert.deepEqual(stricter(after, floor), after)
    }),
  )
})

test('stricter() demands nothing where the operator said false', () => {
  const lax = settings({ requireSecurity: false, sync: { prune: false } })
  assert.deepEqual(stricter(lax, { requireSecurity: false, prune: false }), lax)
})
