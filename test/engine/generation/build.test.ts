import assert from 'node:assert/strict'
import { test } from 'vitest'
import type { BuiltGeneration } from '../../../engine/generation/built.ts'
import { releaseGeneration } from '../../../engine/generation/drain.ts'
import { Instances } from '../../../engine/generation/instances.ts'
import { PrepareError } from '../../../engine/generation/prepare-error.ts'
import { kindName, parseRef } from '../../../schema/ref.ts'
import { buildIn, entryOf, manifestOf, memoryAdapter, rowOf, tableOf } from './fixtures.ts'

const pool = (name: string, spec = {}, options = {}) =>
  entryOf(`pool/${name}`, { host: 'a', ...spec }, { inPlace: ['timeout'], ...options })

test('buildGeneration() opens and pings every connection once, and shares nothing it need not', async () => {
  await using instances = new Instances()
  const adapter = memoryAdapter({ hasPing: true, hasView: true })
  const table = tableOf(rowOf('pool', adapter))
  const generation = await buildIn({ table, instances }, manifestOf(pool('a'), pool('b')))
  assert.equal(adapter.opened.length, 2)
  assert.deepEqual(
    adapter.opened.map(({ pings }) => pings),
    [1, 1],
  )
  assert.equal((generation.resolve(parseRef('pool/a')) as { client: { id: number } }).client.id, 1)
  assert.equal(generation.resolve(parseRef('pool/none')), undefined)
})

test('buildGeneration() of an unrelated change touches nothing else', async () => {
  await using instances = new Instances()
  const adapter = memoryAdapter({ hasPing: true, hasView: true })
  const table = tableOf(rowOf('pool', adapter))
  const one = await buildIn({ table, instances }, manifestOf(pool('a'), pool('b')))
  const two = await buildIn({ table, instances }, manifestOf(pool('a'), pool('b', { host: 'z' })), { base: one })
  assert.equal(two.resolve(parseRef('pool/a')), one.resolve(parseRef('pool/a')))
  assert.equal(adapter.opened[0]?.pings, 1)
  assert.deepEqual(
    adapter.opened.map(({ ref }) => ref),
    ['pool/a', 'pool/b', 'pool/b'],
  )
})

test('buildGeneration() lists the resources of each kind, and shares the list of a kind that gained and lost none', async () => {
  await using instances = new Instances()
  const table = tableOf(rowOf('pool', memoryAdapter()), rowOf('queue', memoryAdapter()))
  const [pools, queues] = [kindName('pool'), kindName('queue')]
  const one = await buildIn({ table, instances }, manifestOf(pool('a'), pool('b'), entryOf('queue/q')))
  const two = await buildIn({ table, instances }, manifestOf(pool('a', { host: 'z' }), pool('c'), entryOf('queue/q')), { base: one })
  const three = await buildIn({ table, instances }, manifestOf(pool('a'), pool('c'), entryOf('queue/q')), { base: two })
  assert.deepEqual(
    [one, two].map(({ refsByKind }) => refsByKind.get(pools)?.toSorted()),
    [
      ['pool/a', 'pool/b'],
      ['pool/a', 'pool/c'],
    ],
  )
  assert.equal(two.refsByKind.get(queues), one.refsByKind.get(queues))
  assert.equal(three.refsByKind, two.refsByKind)
})

test('buildGeneration() keeps the instance when a field changes that may change in place, and makes its view anew', async () => {
  await using instances = new Instances()
  const adapter = memoryAdapter({ hasPing: true, hasView: true })
  const table = tableOf(rowOf('pool', adapter))
  const one = await buildIn({ table, instances }, manifestOf(pool('a', { timeout: 1 })))
  const two = await buildIn({ table, instances }, manifestOf(pool('a', { timeout: 2 })), { base: one })
  assert.equal(adapter.opened.length, 1)
  assert.equal(adapter.opened[0]?.pings, 1)
  const seen = [one, two].map(generation => generation.resolve(parseRef('pool/a')) as { client: { spec: { timeout: number } } })
  assert.deepEqual(
    seen.map(view => view.client.spec.timeout),
    [1, 2],
  )
})

test('buildGeneration() opens a new instance when only the password changed, beside the old one', async () => {
  await using instances = new Instances()
  const adapter = memoryAdapter({ hasPing: true })
  const table = tableOf(rowOf('pool', adapter))
  const one = await buildIn({ table, instances }, manifestOf(pool('a', {}, { secrets: { '/password': 'first' } })))
  await buildIn({ table, instances }, manifestOf(pool('a', {}, { secrets: { '/password': 'second' } })), { base: one })
  assert.deepEqual(
    adapter.opened.map(({ isOpen }) => isOpen),
    [true, true],
  )
  await releaseGeneration(one, instances)
  assert.deepEqual(
    adapter.opened.map(({ isOpen }) => isOpen),
    [false, true],
  )
})

test('buildGeneration() that fails names every reason, closes what it opened and leaves the base as it is', async () => {
  await using instances = new Instances()
  const adapter = memoryAdapter({ hasPing: true })
  const table = tableOf(rowOf('pool', adapter))
  const one = await buildIn({ table, instances }, manifestOf(pool('a')))
  adapter.failPing.set('pool/b', 'the connection was refused: b:1')
  adapter.failPing.set('pool/c', 'the server refused the login: user "app" at c:1')
  await assert.rejects(buildIn({ table, instances }, manifestOf(pool('a'), pool('b'), pool('c'), pool('d')), { base: one }), error => {
    assert(error instanceof PrepareError)
    assert.deepEqual(error.refs.toSorted(), ['pool/b', 'pool/c'])
    assert.equal(error.retryable, true)
    assert(error.reasons.includes('Cannot prepare "pool/b" as the connection was refused: b:1'))
    return true
  })
  assert.deepEqual(
    adapter.opened.map(({ ref, isOpen }) => [ref, isOpen]),
    [
      ['pool/a', true],
      ['pool/b', false],
      ['pool/c', false],
      ['pool/d', false],
    ],
  )
  assert.equal(instances.size, 1)
})

for (const isAsync of [false, true])
  test(`buildGeneration() closes the rest when a prepare ${isAsync ? 'rejects' : 'throws'}`, async () => {
    await using instances = new Instances()
    const adapter = memoryAdapter({ isAsync })
    const table = tableOf(rowOf('pool', adapter))
    adapter.failPrepare.set('pool/b', 'its driver is unknown: "oracle"')
    await assert.rejects(buildIn({ table, instances }, manifestOf(pool('a'), pool('b'), pool('c'))), { retryable: false })
    assert(adapter.opened.every(({ isOpen }) => !isOpen))
    assert.equal(instances.size, 0)
  })

test('buildGeneration() goes live degraded where preflight is warn, and says why', async () => {
  await using instances = new Instances()
  const adapter = memoryAdapter({ hasPing: true })
  adapter.failPing.set('pool/a', 'the connection was refused: a:1')
  const table = tableOf(rowOf('pool', adapter))
  const generation = await buildIn({ table, instances }, manifestOf(pool('a'), pool('b')), { preflight: 'warn' })
  assert.deepEqual(
    generation.degraded().map(({ ref, reason }) => [ref, reason]),
    [['pool/a', 'the connection was refused: a:1']],
  )
})

test('buildGeneration() obeys the preflight a connection states itself, save at boot', async () => {
  await using instances = new Instances()
  const adapter = memoryAdapter({ hasPing: true })
  adapter.failPing.set('pool/a', 'the connection was refused: a:1')
  const table = tableOf(rowOf('pool', adapter))
  await assert.rejects(buildIn({ table, instances }, manifestOf(pool('a', { preflight: 'require' })), { preflight: 'warn' }))
  await buildIn({ table, instances }, manifestOf(pool('a', { preflight: 'warn' })), { preflight: 'require' })
  await buildIn({ table, instances }, manifestOf(pool('a', { preflight: 'require' })), { preflight: 'warn-all' })
})

test('buildGeneration() makes the views of referrers anew, at any distance, and of nothing else', async () => {
  await using instances = new Instances()
  const adapter = memoryAdapter({ hasView: true })
  const table = tableOf(rowOf('pool', adapter), rowOf('user', adapter))
  const user = (name: string, ...refs: string[]) => entryOf(`user/${name}`, { name }, { refs })
  const users = [user('near', 'pool/a'), user('far', 'user/near'), user('other', 'pool/b')]
  const one = await buildIn({ table, instances }, manifestOf(...users, pool('a', { timeout: 1 }), pool('b')))
  const two = await buildIn({ table, instances }, manifestOf(...users, pool('a', { timeout: 2 }), pool('b')), { base: one })
  const isSame = (ref: string) => one.resolve(parseRef(ref)) === two.resolve(parseRef(ref))
  assert.deepEqual(['user/near', 'user/far', 'user/other', 'pool/b'].map(isSame), [false, false, true, true])
  const far = two.resolve(parseRef('user/far')) as { sees: { sees: { spec: { timeout: number } }[] }[] }
  assert.equal(far.sees[0]?.sees[0]?.spec.timeout, 2)
  assert.equal(adapter.opened.length, 5)
})

test('buildGeneration() tells referrers that what they refer to is gone', async () => {
  await using instances = new Instances()
  const adapter = memoryAdapter({ hasView: true })
  const table = tableOf(rowOf('pool', adapter), rowOf('user', adapter))
  const user = entryOf('user/near', {}, { refs: ['pool/a'] })
  const one = await buildIn({ table, instances }, manifestOf(user, pool('a')))
  const two = await buildIn({ table, instances }, manifestOf(user), { base: one, delta: { changed: [], removed: [parseRef('pool/a')] } })
  assert.deepEqual((two.resolve(parseRef('user/near')) as { sees: unknown[] }).sees, [undefined])
  assert.equal(two.resolve(parseRef('pool/a')), undefined)
})

test('buildGeneration() builds resources that refer to each other in a circle', async () => {
  await using instances = new Instances()
  const table = tableOf(rowOf('user', memoryAdapter({ hasView: true })))
  const circle = [entryOf('user/a', {}, { refs: ['user/b'] }), entryOf('user/b', {}, { refs: ['user/a'] })]
  const generation = await buildIn({ table, instances }, manifestOf(...circle))
  assert.equal(generation.views.size, 2)
})

test('buildGeneration() gives closed, switched off and unopenable resources a view that says so, and opens nothing for them', async () => {
  await using instances = new Instances()
  const adapter = memoryAdapter({ hasPing: true })
  const table = tableOf(rowOf('pool', adapter))
  const generation = await buildIn(
    { table, instances },
    manifestOf(
      pool('closed', {}, { closed: 'its field "quota_tier" is not served' }),
      pool('off', { is_active: false }),
      pool('sealed', {}, { secrets: { '/password': 'x' } }),
    ),
    {
      unseal: entry => {
        if (Object.keys(entry.sealed).length > 0) throw new Error('the seal key is missing')
        return new Map()
      },
    },
  )
  const reasonOf = (ref: string) => (generation.resolve(parseRef(ref)) as { status(): { reason: string } }).status().reason
  assert.equal(reasonOf('pool/closed'), 'its field "quota_tier" is not served')
  assert.equal(reasonOf('pool/off'), 'it is switched off: is_active is false')
  assert.equal(reasonOf('pool/sealed'), 'the seal key is missing')
  assert.equal(adapter.opened.length, 0)
})

test('buildGeneration() hands routes to the router, the changed ones only', async () => {
  await using instances = new Instances()
  const routes = memoryAdapter()
  routes.view = (_instance, { resource }) => ({ ref: resource.ref, pattern: resource.spec.path })
  const table = tableOf(rowOf('channel', routes, 'routes'))
  const channel = (name: string, path: string) => entryOf(`channel/${name}`, { path })
  const one = await buildIn({ table, instances }, manifestOf(channel('a', '/a'), channel('b', '/b')))
  assert.equal(one.router.size, 2)
  const two = await buildIn({ table, instances }, manifestOf(channel('a', '/a'), channel('b', '/c')), { base: one })
  assert.deepEqual(
    ['/a', '/b', '/c'].map(path => two.router.match('GET', path).kind),
    ['found', 'none', 'found'],
  )
  assert.equal(one.router.match('GET', '/b').kind, 'found')
})

test('buildGeneration() leaves alone the views that look a resource up late, and tells those that bind it', async () => {
  await using instances = new Instances()
  const table = tableOf(
    rowOf('late', memoryAdapter({ hasView: true })),
    rowOf('bound', memoryAdapter({ hasView: true })),
    rowOf('service', memoryAdapter({ hasView: true })),
  )
  const lateRow = { ...rowOf('late', memoryAdapter({ hasView: true })), late: [kindName('service')] }
  const estate = (edition: number, key: number) =>
    manifestOf(
      entryOf('service/s', { edition }),
      entryOf('bound/key', { key }),
      entryOf('bound/a', {}, { refs: ['service/s'] }),
      entryOf('late/a', {}, { refs: ['bound/key', 'service/s'] }),
    )
  const within = { instances, table: new Map([...table, [lateRow.kind, lateRow]]) }
  const one = await buildIn(within, estate(1, 1))
  const two = await buildIn(within, estate(2, 1), { base: one })
  const three = await buildIn(within, estate(2, 2), { base: two })
  const isSame = (ref: string, before: BuiltGeneration, after: BuiltGeneration) =>
    before.resolve(parseRef(ref)) === after.resolve(parseRef(ref))
  assert.deepEqual([isSame('service/s', one, two), isSame('bound/a', one, two), isSame('late/a', one, two)], [false, false, true])
  assert.equal(isSame('late/a', two, three), false)
})

test('buildGeneration() shares one instance between resources whose adapter says so', async () => {
  await using instances = new Instances()
  const adapter = { ...memoryAdapter(), shareKey: () => 'one' }
  const table = tableOf(rowOf('listener', adapter))
  const one = await buildIn({ table, instances }, manifestOf(entryOf('listener/a'), entryOf('listener/b')))
  assert.equal(instances.size, 1)
  const two = await buildIn({ table, instances }, manifestOf(entryOf('listener/b')), { base: one })
  await releaseGeneration(one, instances)
  assert.equal(instances.size, 1)
  await releaseGeneration(two, instances)
  assert.equal(instances.size, 0)
})

test('buildGeneration() that is aborted while a connection opens rejects at once and closes what arrives later', async () => {
  await using instances = new Instances()
  const gate = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  const adapter = memoryAdapter()
  const prepare = adapter.prepare
  adapter.prepare = (declared, surroundings) => {
    asked.resolve()
    return gate.promise.then(() => prepare(declared, surroundings))
  }
  const abort = new AbortController()
  const building = buildIn({ table: tableOf(rowOf('pool', adapter)), instances }, manifestOf(pool('a')), { signal: abort.signal })
  await asked.promise
  abort.abort(new Error('a newer revision came'))
  await assert.rejects(building, /a newer revision came/)
  gate.resolve()
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(adapter.events, ['prepare 1', 'close 1'])
  assert.equal(instances.size, 0)
})

test('buildGeneration() prepares at most 32 instances at a time', async () => {
  await using instances = new Instances()
  let running = 0
  let most = 0
  const adapter = memoryAdapter()
  adapter.prepare = async ({ resource }) => {
    most = Math.max(most, ++running)
    await new Promise(resolve => setImmediate(resolve))
    running -= 1
    return { id: 0, ref: resource.ref, isOpen: true, isStarted: false, pings: 0 }
  }
  const entries = Array.from({ length: 100 }, (_, index) => pool(`p${index}`))
  const generation = await buildIn({ table: tableOf(rowOf('pool', adapter)), instances }, manifestOf(...entries))
  assert.equal(most, 32)
  assert.equal(generation.instances.size, 100)
})

test('buildGeneration() waits for far ends that only warn no longer than 250 ms', async () => {
  await using instances = new Instances()
  const adapter = memoryAdapter({ hasPing: true })
  adapter.ping = () => new Promise(() => undefined)
  const startedAt = performance.now()
  const generation = await buildIn({ table: tableOf(rowOf('pool', adapter)), instances }, manifestOf(pool('a')), { preflight: 'warn' })
  assert(performance.now() - startedAt < 3_000)
  assert.deepEqual(generation.degraded(), [])
})
