import assert from 'node:assert/strict'
import { test } from 'vitest'
import schema from '../../schema/environment.json' with { type: 'json' }
import { allowedDeletes, readEnvironment } from '../../schema/environment.ts'
import type { JsonObject } from '../../schema/json.ts'

test('readEnvironment() of nothing but a name gives the defaults of a server', () => {
  const { settings, inputs, findings } = readEnvironment({ environment: 'prod' })
  assert.deepEqual(findings, [])
  assert.deepEqual(settings, {
    environment: 'prod',
    mode: 'git',
    requireSecurity: true,
    preflight: 'require',
    probationMs: 30_000,
    auto: true,
    prune: true,
    maxDeletes: { percent: 10 },
    schedule: null,
    env: [],
  })
  assert.deepEqual(inputs, { extends: [], services: '../../services', vars: {}, env: [], secrets: [], sopsFiles: [], ref: null })
})

test('readEnvironment() fills in what the schema names as defaults', () => {
  const { settings, inputs } = readEnvironment({ environment: 'prod' })
  const { properties } = schema
  assert.deepEqual(
    [inputs.extends, inputs.services, settings.mode, settings.requireSecurity, inputs.vars, inputs.env, inputs.secrets],
    [
      properties.extends.default,
      properties.services.default,
      properties.mode.default,
      properties.requireSecurity.default,
      properties.vars.default,
      properties.env.default,
      properties.secrets.default,
    ],
  )
  assert.deepEqual([settings.auto, settings.prune], [properties.sync.properties.auto.default, properties.sync.properties.prune.default])
})

test('readEnvironment() under dev has no probation, no limit of deletes, and only warns', () => {
  const { settings } = readEnvironment({ environment: 'dev' }, 'dev')
  assert.deepEqual([settings.probationMs, settings.maxDeletes, settings.preflight], [0, { percent: 100 }, 'warn'])
})

test('readEnvironment() reads every field that is enforced', () => {
  const { settings, inputs, findings } = readEnvironment({
    environment: 'prod',
    extends: ['../base'],
    services: '../../code',
    mode: 'live',
    sync: { ref: 'prod', schedule: '*/5 * * * * *', auto: false, prune: false, maxDeletes: 3, probation: '0s' },
    requireSecurity: false,
    vars: { host: 'a', port: 1, on: true },
    env: ['POD_NAME'],
    secrets: [{ env: 'PLUMB_SECRET_' }, { files: '/run/secrets' }],
  })
  assert.deepEqual(findings, [])
  assert.deepEqual(settings, {
    environment: 'prod',
    mode: 'live',
    requireSecurity: false,
    preflight: 'require',
    probationMs: 0,
    auto: false,
    prune: false,
    maxDeletes: { count: 3 },
    schedule: '*/5 * * * * *',
    env: ['POD_NAME'],
  })
  assert.deepEqual(inputs.secrets, [
    { from: 'env', prefix: 'PLUMB_SECRET_' },
    { from: 'files', directory: '/run/secrets' },
  ])
  assert.deepEqual(
    [inputs.ref, inputs.extends, inputs.services, inputs.vars],
    ['prod', ['../base'], '../../code', { host: 'a', port: 1, on: true }],
  )
})

const named = { environment: 'prod' }
for (const [what, declared, expected] of [
  ['no name', {}, 'MISSING_FIELD '],
  ['a name that is a path', { environment: '../prod' }, 'INVALID_VALUE /environment'],
  ['a misspelt field', { ...named, sync: { pruen: true } }, 'UNKNOWN_FIELD /sync/pruen'],
  ['windows', { ...named, sync: { windows: [] } }, 'NOT_ENFORCED /sync/windows'],
  ['promote', { ...named, promote: { from: 'test' } }, 'NOT_ENFORCED /promote'],
  ['SOPS', { ...named, secrets: [{ sops: 'secrets.yaml' }] }, 'NOT_ENFORCED /secrets/0/sops'],
  ['an unknown mode', { ...named, mode: 'gitt' }, 'INVALID_VALUE /mode'],
  ['a text for a boolean', { ...named, requireSecurity: 'false' }, 'WRONG_TYPE /requireSecurity'],
  ['a duration without unit', { ...named, sync: { probation: '30' } }, 'INVALID_VALUE /sync/probation'],
  ['a duration that no timer holds', { ...named, sync: { probation: '999999999d' } }, 'INVALID_VALUE /sync/probation'],
  ['a probation of two days', { ...named, sync: { probation: '48h' } }, 'INVALID_VALUE /sync/probation'],
  ['a share over all', { ...named, sync: { maxDeletes: '101%' } }, 'INVALID_VALUE /sync/maxDeletes'],
  ['a negative number of deletes', { ...named, sync: { maxDeletes: -1 } }, 'INVALID_VALUE /sync/maxDeletes'],
  ['a schedule that never fires', { ...named, sync: { schedule: '0 0 30 2 *' } }, 'INVALID_VALUE /sync/schedule'],
  ['a schedule of one field', { ...named, sync: { schedule: '@hourly' } }, 'INVALID_VALUE /sync/schedule'],
  ['a schedule at a random time', { ...named, sync: { schedule: 'H * * * *' } }, 'INVALID_VALUE /sync/schedule'],
  ['a variable that is a list', { ...named, vars: { a: [] } }, 'WRONG_TYPE /vars/a'],
  ['a variable with a bad name', { ...named, vars: { 'a-b': 1 } }, 'INVALID_VALUE /vars/a-b'],
  ['a process variable with a bad name', { ...named, env: ['A B'] }, 'INVALID_VALUE /env/0'],
  ['a provider of two kinds', { ...named, secrets: [{ env: 'A_', files: 'b' }] }, 'INVALID_VALUE /secrets/0'],
] as const)
  test(`readEnvironment() of ${what} gives ${expected.split(' ')[0]}`, () => {
    const { settings, findings } = readEnvironment(declared as JsonObject) // literals, some of them wrong on purpose
    assert.deepEqual(
      findings.map(({ code, pointer }) => `${code} ${pointer}`),
      [expected],
    )
    assert.equal(typeof settings.requireSecurity, 'boolean')
  })

test('readEnvironment() names the files of ciphertext although SOPS is refused', () => {
  const declared = { environment: 'prod', secrets: [{ sops: 'secrets.yaml' }], oops: 1 }
  assert.deepEqual(readEnvironment(declared).inputs.sopsFiles, ['secrets.yaml'])
})

for (const [maxDeletes, live, expected] of [
  [{ percent: 10 }, 100, 10],
  [{ percent: 10 }, 101, 11],
  [{ percent: 10 }, 3, 1],
  [{ percent: 0 }, 50, 1],
  [{ count: 0 }, 50, 0],
  [{ percent: 50, count: 3 }, 100, 3],
  [{ percent: 1, count: 3 }, 100, 1],
] as const)
  test(`allowedDeletes() of ${JSON.stringify(maxDeletes)} among ${live} is ${expected}`, () => {
    assert.equal(allowedDeletes(maxDeletes, live), expected)
  })
