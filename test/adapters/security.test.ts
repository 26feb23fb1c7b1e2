import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import type { Credential, CredentialSender } from '../../adapters/credential.ts'
import { groupsAdapter } from '../../adapters/groups.ts'
import { securityAdapter } from '../../adapters/security.ts'
import type { CredentialView } from '../../engine/plane/route.ts'
import type { JsonObject } from '../../schema/json.ts'
import { parseRef } from '../../schema/ref.ts'
import { entryOf, quietSurroundings, unsealed } from '../engine/generation/fixtures.ts'

type View = Credential & CredentialSender

function securityOf(spec: JsonObject, secrets: Record<string, string> = {}): View {
  const entry = entryOf('security/partner', spec, { secrets })
  return securityAdapter().prepare({ resource: entry.resource, secrets: unsealed(entry) }, quietSurroundings) as View // the adapter is synchronous
}

const base64 = (text: string) => Buffer.from(text).toString('base64')
const basic = securityOf({ type: 'basic_auth', username: 'aladdin', realm: 'the "cave"' }, { '/password': 'open:sesamé' })
const apikey = securityOf({ type: 'apikey', header: 'X-API-Key', username: 'mobile' }, { '/password': 'key-ż' })
const bearer = securityOf({ type: 'bearer_token' }, { '/static_token': 'tok.en' })

for (const [what, view, headers, username] of [
  ['basic_auth', basic, { authorization: `Basic ${base64('aladdin:open:sesamé')}` }, 'aladdin'],
  ['basic_auth whose scheme is in lower case', basic, { authorization: `basic ${base64('aladdin:open:sesamé')}` }, 'aladdin'],
  ['an apikey as the bytes it is sent as', apikey, { 'x-api-key': Buffer.from('key-ż').toString('latin1') }, 'mobile'],
  ['a bearer token', bearer, { authorization: 'Bearer tok.en' }, null],
  ['a bearer token whose scheme is in upper case', bearer, { authorization: 'BEARER tok.en' }, null],
] as const)
  test(`security lets ${what} pass`, () => assert.deepEqual(view.authenticate(headers), { security: 'partner', username }))

for (const [what, view, headers] of [
  ['no header', basic, {}],
  ['another password', basic, { authorization: `Basic ${base64('aladdin:open')}` }],
  ['another user', basic, { authorization: `Basic ${base64('jafar:open:sesamé')}` }],
  ['base64 without its padding', basic, { authorization: `Basic ${base64('aladdin:open:sesamé').replace(/=+$/, '')}` }],
  ['base64url', basic, { authorization: `Basic ${Buffer.from('aladdin:open:sesamé').toString('base64url')}` }],
  ['base64 with bytes after it', basic, { authorization: `Basic ${base64('aladdin:open:sesamé')}, Basic x` }],
  ['a password in Latin-1', basic, { authorization: `Basic ${Buffer.from('aladdin:open:sesamé', 'latin1').toString('base64')}` }],
  ['another scheme', basic, { authorization: `Bearer ${base64('aladdin:open:sesamé')}` }],
  ['the key twice', apikey, { 'x-api-key': 'key-ż, key-ż' }],
  ['the key as a list', apikey, { 'x-api-key': ['key-ż'] as unknown as string }],
  ['an empty key', apikey, { 'x-api-key': '' }],
  ['a prefix of the key', apikey, { 'x-api-key': 'key' }],
  ['a token without its scheme', bearer, { authorization: 'tok.en' }],
  ['two tokens', bearer, { authorization: 'Bearer tok.en tok.en' }],
] as const)
  test(`security refuses ${what}`, () => assert.equal(view.authenticate(headers), null))

for (const [what, spec, secrets] of [
  ['no password', { type: 'basic_auth', username: 'a' }, {}],
  ['an empty password', { type: 'apikey' }, { '/password': '' }],
  ['no token', { type: 'bearer_token' }, {}],
] as const)
  test(`security with ${what} is closed and lets nobody pass`, () => {
    const view = securityOf(spec, secrets)
    assert.match(String(view.closed), /has no password/)
    for (const headers of [
      {},
      { authorization: 'Basic YTo=' },
      { 'x-api-key': '' },
      { authorization: 'Bearer ' },
      { authorization: 'Bearer undefined' },
    ])
      assert.equal(view.authenticate(headers), null)
  })

test('security of a type that is not served is closed', () => {
  const view = securityOf({ type: 'ntlm', username: 'a' }, { '/password': 'x' })
  assert.match(String(view.closed), /"ntlm"/)
  assert.equal(view.authenticate({ authorization: 'Basic YTp4' }), null)
})

test('security challenges as its RFC says', () => {
  assert.equal(basic.challenge, 'Basic realm="the \\"cave\\"", charset="UTF-8"')
  assert.equal(apikey.challenge, null)
  assert.equal(bearer.challenge, 'Bearer')
})

test('security lets pass exactly what it sends itself', () => {
  const anySecret = fc.string({ minLength: 1, unit: 'grapheme' }).filter(text => !/\p{Cc}| /u.test(text))
  fc.assert(
    fc.property(fc.constantFrom('basic_auth', 'apikey', 'bearer_token'), anySecret, anySecret, (type, one, other) => {
      const spec = { type, username: 'user' }
      const sender = securityOf(spec, { '/password': one })
      assert.notEqual(sender.authenticate(sender.headers()), null)
      assert.equal(securityOf(spec, { '/password': other }).authenticate(sender.headers()) === null, one !== other)
    }),
    { numRuns: 200 },
  )
})

test('security never throws, whatever the headers hold', () => {
  fc.assert(
    fc.property(fc.string(), value => {
      for (const view of [basic, apikey, bearer]) for (const name of ['authorization', 'x-api-key']) view.authenticate({ [name]: value })
    }),
  )
})

function groupOf(members: Readonly<Record<string, View>>): CredentialView {
  const refs = Object.keys(members)
  const { resource } = entryOf('groups/partners', {}, { refs })
  const views = new Map(Object.entries(members).map(([ref, view]) => [parseRef(ref), view]))
  return groupsAdapter.view?.(null, { resource, secrets: new Map() }, ref => views.get(ref)) as CredentialView // groups have views
}

test('groups let pass whom any member knows, as that member', () => {
  const group = groupOf({ 'security/a': apikey, 'security/b': bearer })
  assert.equal(group.authenticate({ authorization: 'Bearer tok.en' })?.security, 'partner')
  assert.equal(group.authenticate({ 'x-api-key': Buffer.from('key-ż').toString('latin1') })?.username, 'mobile')
  assert.equal(group.authenticate({}), null)
  assert.equal(group.challenge, 'Bearer')
})

test('groups leave out closed members, and are closed where none is left', () => {
  const closed = securityOf({ type: 'apikey' })
  assert.equal(groupOf({ 'security/a': closed, 'security/b': bearer }).closed, null)
  assert.match(String(groupOf({ 'security/a': closed }).closed), /has no password/)
})

test('groups without members work and let nobody pass', () => {
  const group = groupOf({})
  assert.deepEqual([group.closed, group.empty], [null, true])
  assert.equal(group.authenticate({ authorization: 'Bearer tok.en' }), null)
})
