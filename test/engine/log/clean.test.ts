import assert from 'node:assert/strict'
import { test } from 'vitest'
import { cleanFields, cleanText, isSecretName } from '../../../engine/log/clean.ts'
import { Secret } from '../../../schema/secret.ts'
import { canary, leaksIn } from '../../leaks.ts'

for (const name of [
  ...['password', 'Password', 'db_password', 'passwd', 'pwd', 'passphrase', 'secret', 'client_secret', 'clientSecret', 'token'],
  ...['access_token', 'refreshToken', 'csrf-token', 'authorization', 'Authorization', 'Proxy-Authorization', 'cookie', 'Set-Cookie'],
  ...['x-api-key', 'X-API-Key', 'apiKey', 'api_key', 'private_key', 'signing_key', 'decryption_key', 'X-Auth-User', 'auth', 'credentials'],
  ...['session_id', 'aws.access.key'],
])
  test(`credentials stand under "${name}"`, () => assert.equal(isSecretName(name), true))

for (const name of ['name', 'tokens', 'author', 'key', 'secretary', 'channel', 'cid', 'authority', 'monkey', ''])
  test(`none stand under "${name}"`, () => assert.equal(isSecretName(name), false))

const value = canary('value', false)

for (const [what, fields] of [
  ['a field', { password: value.value }],
  ['a field of a field', { request: { headers: { authorization: value.value } } }],
  ['a field of an item', { list: [{ token: value.value }] }],
  ['a pair', { headers: [{ key: 'X-Api-Key', value: value.value }] }],
  ['raw headers', { raw: ['Accept', '*/*', 'Authorization', value.value] }],
  ['an object under such a name', { credentials: { user: value.value } }],
  ['a number of them', { cookie: [value.value, value.value] }],
  ['an error', { err: Object.assign(new Error('broken'), { config: { headers: { authorization: value.value } } }) }],
  ['the message of an error', { err: new Error(`GET https://user:${value.value}@host/ failed`) }],
  ['a text with a scheme', { header: `Bearer ${value.value}` }],
  ['a secret', { value: new Secret(value.value) }],
  ['bytes', { body: Buffer.from(value.value) }],
  ['what is too deep', deep({ inner: value.value }, 12)],
] as const)
  test(`cleanFields() takes a credential out of ${what}`, () => assert.deepEqual(leaksIn(JSON.stringify(cleanFields(fields)), [value]), []))

test('cleanFields() keeps everything else as it is', () => {
  const fields = { a: 1, b: 'two', c: [true, null, { d: 1.5 }], hasToken: true, tokens: 5, at: new Date(0), undef: undefined }
  assert.deepEqual(cleanFields(fields), {
    a: 1,
    b: 'two',
    c: [true, null, { d: 1.5 }],
    hasToken: true,
    tokens: 5,
    at: '1970-01-01T00:00:00.000Z',
  })
})

test('cleanFields() ends, and its result is small, whatever it is given', () => {
  const cycle: Record<string, unknown> = { name: 'x' }
  cycle.again = cycle
  cycle.list = Array.from({ length: 100 }, () => cycle)
  const large = {
    text: 'x'.repeat(10_000_000),
    list: new Array(1_000_000).fill('y'),
    many: Object.fromEntries(new Map(Array.from({ length: 100_000 }, (_, at) => [`k${at}`, at]))),
  }
  for (const fields of [cycle, large]) assert.ok(JSON.stringify(cleanFields(fields)).length < 200_000)
})

for (const [text, clean] of [
  ['Bearer abc123def456', 'Bearer ***'],
  ['sent "authorization: Basic cGFydG5lcjp3cm9uZw=="', 'sent "authorization: Basic ***"'],
  ['bearer authentication is needed', 'bearer authentication is needed'],
  ['postgres://app:hunter2@db/ledger', 'postgres://app:***@db/ledger'],
  ['https://host/path?a=b@c', 'https://host/path?a=b@c'],
] as const)
  test(`cleanText() makes "${clean}" of "${text}"`, () => assert.equal(cleanText(text), clean))

function deep(inner: unknown, levels: number): Record<string, unknown> {
  return levels === 0 ? { inner } : { inner: deep(inner, levels - 1) }
}
