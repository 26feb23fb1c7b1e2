import assert from 'node:assert'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'vitest'
import { type Actor, Refusal } from '../../../engine/admin/port.ts'
import { openTokens, type TokensOptions } from '../../../engine/admin/tokens.ts'
import type { Store } from '../../../engine/store/port.ts'
import { openSqliteStore } from '../../../engine/store/sqlite.ts'
import { temporaryDirectory } from '../../directory.ts'
import { local, silent } from './server.ts'

const dayMs = 24 * 3_600_000
const start = Date.parse('2026-01-01T00:00:00.000Z')

test('openTokens() makes a token at the first start alone, and the text of it is good for one thing, an exchange', async () => {
  await using setup = await open()
  const tokens = await setup.start()
  const first = String(tokens.first)
  assert.match(first, /^plumb_[0-9a-z]{12}_[A-Za-z0-9_-]{43}$/)
  assert.deepEqual([tokens.waiting(), tokens.find(first).kind], ['waiting', 'first'])
  const next = await setup.start()
  assert.deepEqual([next.first, next.waiting(), next.find(first).kind], [null, 'waiting', 'first'])
  const made = await next.exchange({ name: 'ops', expires: '30d' }, firstActor(first))
  assert.deepEqual([made.name, made.role, made.scopes, made.expiresAt], ['ops', 'admin', [], iso(start + 30 * dayMs)])
  assert.deepEqual([next.waiting(), next.find(first).kind, next.find(made.token).kind], ['none', 'unknown', 'token'])
  const last = await setup.start()
  assert.deepEqual([last.first, last.waiting(), last.find(made.token).kind], [null, 'none', 'token'])
})

test('exchange() makes one token, however many ask at once', async () => {
  await using setup = await open()
  const tokens = await setup.start()
  const by = firstActor(String(tokens.first))
  const settled = await Promise.allSettled([1, 2, 3].map(() => tokens.exchange({ name: 'ops', expires: '1d' }, by)))
  assert.equal(settled.filter(one => one.status === 'fulfilled').length, 1)
  assert.equal((await tokens.list()).length, 1)
  for (const one of settled) if (one.status === 'rejected') assert.equal((one.reason as Refusal).code, 'UNAUTHORIZED')
})

test('the first token expires after a day, and resetFirst() voids it for another', async () => {
  await using setup = await open()
  const tokens = await setup.start()
  const first = String(tokens.first)
  setup.clock.ms += dayMs
  assert.deepEqual([tokens.waiting(), tokens.find(first).kind], ['expired', 'expired'])
  const second = await tokens.resetFirst(local)
  assert.deepEqual([tokens.waiting(), tokens.find(first).kind, tokens.find(second).kind], ['waiting', 'unknown', 'first'])
  await assert.rejects(tokens.exchange({ name: 'ops', expires: '1d' }, firstActor(first)), isRefusal('UNAUTHORIZED'))
})

test('a start that is not the first makes no first token, also where all tokens are gone', async () => {
  await using setup = await open()
  const first = await setup.start()
  await first.exchange({ name: 'ops', expires: '1d' }, firstActor(String(first.first)))
  await setup.store.prune(iso(start + 900 * dayMs))
  const later = await setup.start()
  assert.deepEqual([(await later.list()).length, later.first, later.waiting()], [0, null, 'none'])
})

test('what is kept of a token is nothing that it could be read from', async () => {
  await using setup = await open()
  const tokens = await setup.start()
  const made = await tokens.create({ name: 'ci', role: 'deployer', scopes: [], expires: '1d' }, local)
  const secrets = [made.token, String(tokens.first)].map(text => text.slice('plumb_'.length + 13))
  const kept = JSON.stringify([
    await setup.store.listTokens(),
    await setup.store.getSetting('admin.first'),
    await setup.store.readJournal(0, 100),
    await tokens.list(),
  ])
  for (const secret of secrets) assert(secret.length === 43 && !kept.includes(secret))
})

test('find() knows a token by all of its text, in its own environment, until it is revoked', async () => {
  await using setup = await open()
  const tokens = await setup.start()
  const { token, id } = await tokens.create({ name: 'ci', role: 'deployer', scopes: [], expires: 'never' }, local)
  const other = await tokens.create({ name: 'other', role: 'admin', scopes: [], expires: '1d' }, local)
  const found = tokens.find(token)
  assert(found.kind === 'token')
  assert.deepEqual([found.row.id, found.row.expiresAt, found.row.createdBy], [id, null, 'local'])
  for (const wrong of [
    ...['', 'plumb_', token.slice(0, -1), `${token}x`, token.toUpperCase(), `plumb_${id}_${'a'.repeat(43)}`],
    // The secret of another token under this id.
    `plumb_${id}_${other.token.slice(-43)}`,
  ])
    assert.equal(tokens.find(wrong).kind, 'unknown', wrong)
  assert.equal((await setup.start({ environment: 'prod' })).find(token).kind, 'unknown')
  await tokens.revoke(id, local)
  assert.equal(tokens.find(token).kind, 'unknown')
  assert.equal((await setup.start()).find(token).kind, 'unknown')
  await assert.rejects(tokens.revoke(id, local), isRefusal('NOT_FOUND'))
  await assert.rejects((await setup.start({ environment: 'prod' })).revoke(other.id, local), isRefusal('NOT_FOUND'))
})

test('a token that has expired is told apart only where its secret is right', async () => {
  await using setup = await open()
  const tokens = await setup.start()
  const { token, id } = await tokens.create({ name: 'ci', role: 'viewer', scopes: [], expires: '60m' }, local)
  setup.clock.ms += 60 * 60_000 - 1
  assert.equal(tokens.find(token).kind, 'token')
  setup.clock.ms += 1
  assert.equal(tokens.find(token).kind, 'expired')
  assert.deepEqual(tokens.find(`plumb_${id}_${'a'.repeat(43)}`), { kind: 'unknown', id })
  assert.equal((await tokens.list())[0]?.state, 'expired')
})

for (const [expires, accepted] of [
  ['365d', true],
  ['8760h', true],
  ['1m', true],
  ['never', true],
  ['366d', false],
  ['8761h', false],
  ['0d', false],
  ['30', false],
  ['', false],
  ['1y', false],
] as const)
  test(`create() ${accepted ? 'makes' : 'refuses'} a token that expires after "${expires}"`, async () => {
    await using setup = await open()
    const tokens = await setup.start()
    const made = tokens.create({ name: 'ci', role: 'viewer', scopes: [], expires }, local)
    if (accepted) await made
    else await assert.rejects(made, isRefusal('REQUEST_INVALID'))
    assert.equal((await tokens.list()).length, accepted ? 1 : 0)
  })

for (const [what, by, asked, accepted] of [
  ['its own role', { role: 'deployer', scopes: [] }, { role: 'deployer', scopes: [] }, true],
  ['a lesser role', { role: 'deployer', scopes: [] }, { role: 'viewer', scopes: ['read'] }, true],
  ['a greater role', { role: 'deployer', scopes: [] }, { role: 'admin', scopes: ['read'] }, false],
  ['its own scopes', { role: 'admin', scopes: ['tokens', 'read'] }, { role: 'admin', scopes: ['read', 'tokens'] }, true],
  ['another scope', { role: 'admin', scopes: ['tokens'] }, { role: 'viewer', scopes: ['tokens', 'read'] }, false],
  ['all scopes, having some', { role: 'admin', scopes: ['tokens'] }, { role: 'viewer', scopes: [] }, false],
] as const)
  test(`create() ${accepted ? 'makes' : 'refuses'} a token of ${what}`, async () => {
    await using setup = await open()
    const tokens = await setup.start()
    const actor: Actor = { name: 'ci (a)', via: 'token', token: 'a', address: '192.0.2.1', ...by }
    const made = tokens.create({ name: 'x', expires: '1d', ...asked }, actor)
    if (accepted) assert.equal((await made).role, asked.role)
    else await assert.rejects(made, isRefusal('FORBIDDEN'))
  })

test('endOf() is aborted when its token is revoked, or expires, and at once for one that is over', async () => {
  await using setup = await open()
  const tokens = await setup.start()
  const ask = { name: 'ci', role: 'viewer', scopes: [] } as const
  const [kept, revoked] = [await tokens.create({ ...ask, expires: 'never' }, local), await tokens.create({ ...ask, expires: '1d' }, local)]
  const [first, second] = [tokens.endOf(kept.id), tokens.endOf(revoked.id)]
  assert.equal(tokens.endOf(revoked.id), second)
  await tokens.revoke(revoked.id, local)
  assert.deepEqual([first.aborted, second.aborted, tokens.endOf(revoked.id).aborted], [false, true, true])
  const short = await tokens.create({ ...ask, expires: '1m' }, local)
  setup.clock.ms += 60_000
  assert.equal(tokens.endOf(short.id).aborted, true)
})

test('find() notes when a token was used, once an hour', async () => {
  await using setup = await open()
  const touched: string[] = []
  const store = new Proxy(setup.store, {
    get(target, property) {
      const value = Reflect.get(target, property)
      if (property === 'touchToken')
        return (id: string, at: string) => {
          touched.push(at)
          return target.touchToken(id, at)
        }
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  setup.clock.ms = start + 59 * 60_000
  const tokens = await openTokens(store, setup.options)
  const { token } = await tokens.create({ name: 'ci', role: 'viewer', scopes: [], expires: '1d' }, local)
  for (let at = 0; at < 100; at++) tokens.find(token)
  setup.clock.ms += 60 * 60_000
  tokens.find(token)
  assert.deepEqual(touched, [iso(start), iso(start + 60 * 60_000)])
  assert.equal((await tokens.list())[0]?.lastUsedAt, iso(start + 60 * 60_000))
})

test('the one token of an installation of before becomes a row, which expires and can be revoked', async () => {
  await using setup = await open()
  const before = `plumb_${'A1_-'.repeat(11).slice(0, 43)}`
  await setup.store.putSetting('admin.token.sha256', createHash('sha256').update(before).digest('hex'))
  const tokens = await setup.start()
  assert.equal(tokens.first, null)
  const found = tokens.find(before)
  assert(found.kind === 'token')
  assert.deepEqual([found.row.id, found.row.role, found.row.expiresAt], ['legacy', 'admin', iso(start + 90 * dayMs)])
  await tokens.revoke('legacy', local)
  const next = await setup.start()
  assert.deepEqual([next.find(before).kind, next.first], ['unknown', null])
  await setup.store.prune(iso(start + 900 * dayMs))
  assert.equal((await setup.start()).find(before).kind, 'unknown')
})

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

function firstActor(text: string): Actor {
  return { name: 'first', via: 'token', role: 'viewer', scopes: [], token: text.split('_')[1] ?? '', address: null }
}

function isRefusal(code: string) {
  return (error: unknown) => error instanceof Refusal && error.code === code
}

interface Setup extends AsyncDisposable {
  readonly store: Store
  readonly clock: { ms: number }
  readonly options: TokensOptions
  /** As a start of the server does. */
  start(options?: Partial<TokensOptions>): ReturnType<typeof openTokens>
}

async function open(): Promise<Setup> {
  const directory = await temporaryDirectory()
  const store = await openSqliteStore(join(directory.path, 'store.db'))
  const clock = { ms: start }
  const options = { environment: 'dev', makesFirst: true, log: silent, now: () => clock.ms }
  return {
    store,
    clock,
    options,
    start: changed => openTokens(store, { ...options, ...changed }),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    },
  }
}
