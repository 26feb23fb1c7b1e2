// The services of the sample estate on its dev environment, against servers that really answer: PostgreSQL, Redis, and a CRM that
// goes away and comes back.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { postgresql, redis, testWith } from '../services.ts'
import { type Crm, createCrm } from './crm.ts'
import { copySampleEstate, type Estate } from './estate.ts'
import { type Answer, bootMs, call, startServer, type TestServer } from './server.ts'

const testWithPostgresql = await testWith(postgresql)
const testWithRedis = await testWith(redis)

const credentials = {
  PLUMB_SECRET_PARTNER_KEY: 'dev-partner-key',
  PLUMB_SECRET_BACK_OFFICE_PASSWORD: 'dev-password',
  PLUMB_SECRET_CRM_TOKEN: 'dev-crm-token',
}
const backOffice = { authorization: `Basic ${Buffer.from('back-office:dev-password').toString('base64')}` }
const partner = { 'x-api-key': 'dev-partner-key' }
const quote = {
  lines: [
    { sku: 'AB-1234', quantity: 2, unit_price: 1050 },
    { sku: 'CD-567', quantity: 1, unit_price: 400 },
  ],
  ship_to: { street: 'Long Street 1', city: 'Krakow', country: 'PL' },
  payment: { kind: 'invoice', due_days: 30 },
}

describe('the sample estate', () => {
  let estate: Estate
  let server: TestServer
  let crm: Crm

  beforeAll(async () => {
    estate = await copySampleEstate()
    crm = await createCrm()
    await crm.open()
    await estate.replace('environments/dev/environment.yaml', 'http://127.0.0.1:8099', crm.url)
    await estate.replace('environments/dev/connections.yaml', 'username: postgres', `username: ${role}`)
    const office = [
      'groups:',
      '  - { name: nobody, members: [] }',
      'channel_rest:',
      '  - { name: locked, service: client.get, url_path: /api/v1/locked, groups: [nobody] }',
      '',
    ]
    await estate.save('environments/dev/locked.yaml', office.join('\n'))
    server = await startServer({ command: 'dev', source: estate.directory, env: credentials })
    await server.ready()
  }, bootMs)

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    await crm?.[Symbol.asyncDispose]()
    await estate?.[Symbol.asyncDispose]()
  })

  test('prices an order of nested lists, optionals and unions', async () => {
    const { status, body } = await ask('/api/v1/quotes', quote, partner)
    const { quote: id, ...rest } = body as { readonly quote: string } // asserted below
    assert.equal(status, 200)
    assert.match(id, /^[0-9a-f-]{36}$/)
    assert.deepEqual(rest, { total: 2500, currency: 'EUR', payment: 'invoice', deliver_to: 'Krakow, PL' })
  })

  test('answers an error that a service throws by design with its status and members', async () => {
    const large = { ...quote, lines: [{ sku: 'AB-1234', quantity: 999, unit_price: 100_000 }] }
    const { status, contentType, body } = await ask('/api/v1/quotes', large, partner)
    const { cid, ...problem } = body as { readonly cid: string } // asserted below
    assert.deepEqual({ status, contentType }, { status: 400, contentType: 'application/problem+json' })
    assert.match(cid, /./)
    assert.deepEqual(problem, {
      type: 'about:blank',
      title: 'Bad Request',
      status: 400,
      detail: 'An order of this size cannot be paid by invoice',
      limit: 1_000_000,
      total: 99_900_000,
    })
  })

  for (const [what, payload, pointers] of [
    ['a missing field', { ...quote, ship_to: { street: 'Long Street 1', city: 'Krakow' } }, ['/ship_to/country']],
    [
      'a wrong type deep in a list',
      { ...quote, lines: [...quote.lines, { sku: 'AB-1', quantity: 'two', unit_price: 1 }] },
      ['/lines/2/sku', '/lines/2/quantity'],
    ],
    ['a value outside of a union', { ...quote, payment: { kind: 'invoice', due_days: 31 } }, ['/payment']],
    ['an empty list', { ...quote, lines: [] }, ['/lines']],
  ] as const)
    test(`answers ${what} with 400 and its JSON pointer`, async () => {
      const { status, contentType, body } = await ask('/api/v1/quotes', payload, partner)
      assert.deepEqual({ status, contentType }, { status: 400, contentType: 'application/problem+json' })
      const { errors } = body as { readonly errors: readonly { readonly pointer: string }[] } // asserted below
      const found = errors.map(({ pointer }) => pointer)
      for (const pointer of pointers) assert.ok(found.includes(pointer), `${pointer} is not among ${found.join(', ')}`)
    })

  for (const [what, path, headers, expected] of [
    ['without credentials', '/api/v1/contacts?email=jane@example.com', {}, 401],
    [
      'with a wrong password',
      '/api/v1/contacts?email=jane@example.com',
      { authorization: `Basic ${Buffer.from('back-office:x').toString('base64')}` },
      401,
    ],
    ['with a wrong key', '/api/v1/quotes', { 'x-api-key': 'x' }, 401],
    ['with the credentials of another channel', '/api/v1/quotes', backOffice, 401],
    ['where no credential may pass', '/api/v1/locked', backOffice, 403],
  ] as const)
    test(`answers a secured channel ${what} with ${expected}`, async () => {
      const payload = path === '/api/v1/quotes' ? quote : undefined
      const { status, contentType, body } = await ask(path, payload, headers)
      assert.deepEqual({ status, contentType }, { status: expected, contentType: 'application/problem+json' }, JSON.stringify(body))
    })

  test('calls the CRM with its token, answers 503 with the reason while it is down, and recovers by itself', async () => {
    const find = () => ask('/api/v1/contacts?email=jane@example.com', undefined, backOffice)
    assert.deepEqual(await find(), {
      status: 200,
      contentType: 'application/json',
      body: { id: 'c-1', email: 'jane@example.com', full_name: 'Jane Doe' },
    })
    assert.ok(
      crm.authorizations.every(authorization => authorization === 'Bearer dev-crm-token'),
      crm.authorizations.join(', '),
    )
    assert.equal((await ask('/api/v1/contacts?email=john@example.com', undefined, backOffice)).status, 404)

    await crm.close()
    const { status, body } = await find()
    assert.equal(status, 503)
    assert.match(JSON.stringify(body), /outgoing_rest\/CRM.*UNREACHABLE/)
    const { pids } = server
    const before = await pids()

    await crm.open()
    await server.until(({ degraded }) => degraded.every(({ ref }) => ref !== 'outgoing_rest/CRM'))
    assert.equal((await find()).status, 200)
    assert.deepEqual(await pids(), before)
  })

  testWithRedis('counts the visits of a session in Redis', async () => {
    const session = randomUUID()
    await using client = disposable(new Redis({ host: redis.host, port: redis.port }), each => each.quit())
    try {
      for (const visits of [1, 2, 3]) assert.deepEqual((await ask(`/api/v1/sessions/${session}/visits`, {}, {})).body, { visits })
      assert.ok((await client.it.ttl(`session:${session}:visits`)) > 1_700)
    } finally {
      await client.it.del(`session:${session}:visits`)
    }
  })

  testWithPostgresql('reads and changes invoices in PostgreSQL, and puts them together with the client', async () => {
    await using invoices = await createInvoices()
    await server.until(({ degraded }) => degraded.every(({ ref }) => ref !== 'sql/Billing'))
    const list = async (query = '') => (await ask(`/api/v1/client/7/invoices${query}`, undefined, backOffice)).body
    const [newer, older] = [
      { number: 'INV-0002', amount: 250, status: 'paid' },
      { number: 'INV-0001', amount: 1200, status: 'open' },
    ]
    await invoices.insert(7, [older, newer])
    await invoices.insert(8, [{ number: 'INV-0003', amount: 1, status: 'open' }])
    assert.deepEqual(await list(), { invoices: [newer, older] })
    assert.deepEqual(await list('?status=open'), { invoices: [older] })
    assert.equal((await ask('/api/v1/client/7/invoices?status=lost', undefined, backOffice)).status, 400)
    assert.deepEqual((await ask('/api/v1/client/7/overview', undefined, partner)).body, {
      name: 'Jane Doe',
      segment: 'RNZ',
      open_invoices: [older],
      balance: 1200,
    })

    const pay = (invoice: string, amount: number) => ask('/api/v1/payments', { invoice, amount }, backOffice)
    assert.equal((await pay('INV-0001', 1)).status, 409)
    assert.equal((await pay('INV-9999', 1)).status, 404)
    assert.deepEqual((await pay('INV-0001', 1200)).body, { invoice: 'INV-0001', status: 'paid' })
    assert.equal((await pay('INV-0001', 1200)).status, 409)
    assert.deepEqual(await list('?status=open'), { invoices: [] })
  })

  function ask(path: string, body: unknown, headers: Record<string, string>): Promise<Answer> {
    return call(`${server.channels}${path}`, body, { headers })
  }
})

const role = `e2e_${process.pid}`

/** The table the billing services read, in a schema of a role of its own, so that other tests of the database see nothing of it. */
async function createInvoices() {
  const { host, port, user, database } = postgresql
  const client = new Client({ host, port, user, database })
  await client.connect()
  await client.query(`CREATE ROLE ${role} LOGIN`)
  await client.query(`CREATE SCHEMA ${role} AUTHORIZATION ${role}`)
  await client.query(`CREATE TABLE ${role}.invoice (number text PRIMARY KEY, client_id integer, amount integer, status text)`)
  await client.query(`ALTER TABLE ${role}.invoice OWNER TO ${role}`)
  return {
    async insert(clientId: number, rows: readonly { readonly number: string; readonly amount: number; readonly status: string }[]) {
      for (const { number, amount, status } of rows)
        await client.query(`INSERT INTO ${role}.invoice VALUES ($1, $2, $3, $4)`, [number, clientId, amount, status])
    },
    async [Symbol.asyncDispose]() {
      await client.query(`DROP SCHEMA ${role} CASCADE`)
      await client.query(`DROP ROLE ${role}`)
      await client.end()
    },
  }
}

function disposable<T>(it: T, close: (it: T) => Promise<unknown>) {
  return { it, [Symbol.asyncDispose]: async () => void (await close(it)) }
}
