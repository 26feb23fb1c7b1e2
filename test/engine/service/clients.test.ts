import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'vitest'
import { clientFor } from '../../../engine/service/client-proxy.ts'
import { problemOf } from '../../../engine/service/errors.ts'
import { Holdings } from '../../../engine/service/holdings.ts'
import { createTestRuntime, echo, unitOf } from './estate.ts'

class Pool extends EventEmitter {
  #queries = 0
  readonly Query = class Query {}
  query(text: string): string {
    this.#queries++
    return `${text} ${this.#queries}`
  }
  self(): this {
    return this
  }
  duplicate(): Pool {
    return new Pool()
  }
  ended = false
  disconnect(): void {
    this.ended = true
    this.emit('end')
  }
  end(): void {
    this.disconnect()
  }
}

const proxied = (pool = new Pool(), holdings = new Holdings('services/x.ts', () => null)) => ({
  pool,
  holdings,
  client: clientFor(holdings, pool, 'sql "Billing"') as Pool, // stands in for a Pool in every way
})

test('a client is an instance of its class, and its methods reach private fields', () => {
  const { client, pool } = proxied()
  assert.ok(client instanceof Pool)
  assert.equal(client.constructor, Pool)
  assert.equal(client.query('select'), 'select 1')
  assert.equal(client.Query, pool.Query)
  assert.equal(client.self(), client)
  assert.equal(client.query, client.query)
})

test('a module instance sees the same proxy at every call, another instance another one', () => {
  const { pool, holdings, client } = proxied()
  assert.equal(clientFor(holdings, pool, 'sql "Billing"'), client)
  assert.notEqual(clientFor(new Holdings('services/y.ts', () => null), pool, 'sql "Billing"'), client)
})

for (const method of ['end', 'disconnect'] as const)
  test(`${method}() on a client is refused with the connection's name`, () => {
    const { client, pool } = proxied()
    assert.throws(() => client[method](), new RegExp(`Cannot call ${method}\\(\\) on sql "Billing"`))
    assert.equal(pool.ended, false)
  })

test('listeners put on a client work, can be taken off, and go with the module instance', () => {
  const { client, pool, holdings } = proxied()
  const seen: string[] = []
  const listener = (text: string) => seen.push(text)
  assert.equal(client.on('notice', listener), client)
  client.once('notice', listener).prependListener('other', listener)
  pool.emit('notice', 'a')
  pool.emit('notice', 'b')
  client.off('notice', listener)
  pool.emit('notice', 'c')
  assert.deepEqual(seen, ['a', 'a', 'b'])
  client.once('notice', listener)
  client.off('notice', listener)
  assert.equal(pool.listenerCount('notice'), 0)
  const left = holdings.release().map(({ held }) => held.what)
  assert.deepEqual(left, ['listener for "other" on sql "Billing"'])
  assert.equal(pool.listenerCount('other'), 0)
})

test('removeAllListeners() on a client leaves the listeners of others', () => {
  const { client, pool } = proxied()
  pool.on('error', () => null)
  client.on('error', () => null)
  client.removeAllListeners('error')
  assert.equal(pool.listenerCount('error'), 1)
})

test('a client made from a client is ended with the module instance', () => {
  const { client, holdings } = proxied()
  const copy = client.duplicate()
  assert.ok(copy instanceof Pool)
  assert.deepEqual(
    holdings.release().map(({ held }) => held.what),
    ['client made from sql "Billing"'],
  )
  assert.equal(copy.ended, true)
})

test('a client made from a client and ended by its author is not held', () => {
  const { client, holdings } = proxied()
  client.duplicate().disconnect()
  assert.deepEqual(holdings.release(), [])
})

const ready = (client: unknown) => ({ client, status: () => ({ ready: true, reason: null }) })
for (const [what, view, status, detail] of [
  ['is not declared', undefined, 500, 'The service failed; the log has the reason under this cid'],
  [
    'is not ready',
    { client: new Pool(), status: () => ({ ready: false, reason: 'connect ECONNREFUSED' }) },
    503,
    'Cannot use sql "Billing" as connect ECONNREFUSED',
  ],
  ['is closed', { closed: 'secret "db" is missing' }, 503, 'Cannot use sql "Billing" as secret "db" is missing'],
  [
    'is closed and has no client',
    { client: null, status: () => ({ ready: false, reason: 'closed' }) },
    503,
    'Cannot use sql "Billing" as closed',
  ],
  [
    'refuses',
    ready({ query: () => Promise.reject(Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:5432'), { code: 'ECONNREFUSED' })) }),
    503,
    'A system behind the service cannot be reached (ECONNREFUSED)',
  ],
  [
    'shuts down',
    ready({ query: () => Promise.reject(Object.assign(new Error('terminating connection'), { code: '57P01' })) }),
    503,
    'A system behind the service cannot be reached (57P01)',
  ],
  [
    'rejects the statement',
    ready({ query: () => Promise.reject(Object.assign(new Error('syntax error'), { code: '42601' })) }),
    500,
    'The service failed; the log has the reason under this cid',
  ],
] as const)
  test(`a connection that ${what} is answered with ${status}`, async () => {
    const runtime = createTestRuntime()
    const service = await runtime.load({ 'services/echo.ts': echo("const { sql } = ctx; return sql('Billing').query('select 1')") })
    const error = await service.run(unitOf({ 'sql/Billing': view }), {}).catch(reason => reason)
    assert.equal(problemOf(error).status, status)
    assert.equal(problemOf(error).problem.detail, detail)
    assert.equal(service.counters.unmapped, status === 500 ? 1 : 0)
    service.close()
  })
