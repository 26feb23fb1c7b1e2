import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { declaredSettings } from '../../schema/declared-settings.ts'
import { type EnvironmentSettings, readEnvironment } from '../../schema/environment.ts'

const settings: fc.Arbitrary<EnvironmentSettings> = fc.record(
  {
    environment: fc.constantFrom('dev', 'prod'),
    mode: fc.constantFrom('git', 'live'),
    requireSecurity: fc.boolean(),
    preflight: fc.constantFrom('require', 'warn'),
    probationMs: fc.oneof(fc.constantFrom(0, 30_000, 90_000), fc.nat(86_400_000)),
    auto: fc.boolean(),
    prune: fc.boolean(),
    maxDeletes: fc.oneof(
      fc.nat(100).map(percent => ({ percent })),
      fc.nat(1_000).map(count => ({ count })),
    ),
    schedule: fc.constantFrom(null, '*/2 * * * *', '0 0 8 * * 1-5'),
    env: fc.constantFrom([], ['POD_NAME'], ['POD_NAME', 'NODE_NAME']),
  },
  { noNullPrototype: true },
)

test('readEnvironment() reads what declaredSettings() wrote, so that settings that differ are declared differently', () => {
  fc.assert(
    fc.property(settings, given => {
      const { settings, findings } = readEnvironment(declaredSettings(given))
      assert.deepEqual(findings, [])
      assert.deepEqual(settings, given)
    }),
  )
})

test('declaredSettings() names a share and a number of deletes that both count', () => {
  const { settings } = readEnvironment({ environment: 'dev' })
  assert.partialDeepStrictEqual(declaredSettings({ ...settings, maxDeletes: { percent: 10, count: 5 } }), {
    sync: { maxDeletes: '10%, at most 5' },
  })
})
