import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, test, vi } from 'vitest'
import { startApp } from '../../../cli/kit/app.ts'
import type { App, AppOptions } from '../../../cli/kit/test-api.ts'
import { kitEstate } from './estate.ts'

// A compilation from nothing starts two processes.
vi.setConfig({ testTimeout: 120_000 })

let estate: Awaited<ReturnType<typeof kitEstate>>

beforeAll(async () => {
  estate = await kitEstate()
  // Whoever comes after finds what it is compiled to.
  await using _ = await app()
}, 120_000)
afterAll(() => estate[Symbol.asyncDispose]())

/** The names of the sample estate are known to the types, those of this one are not. */
const invoke = (shop: App, name: string, payload: unknown): Promise<unknown> => Reflect.apply(shop.invoke, shop, [name, payload])
const app = (options: AppOptions = {}) => startApp({ estate: estate.path, ...options })
const order = { json: { sku: 'ab', quantity: 2 }, as: 'shop' }

test('a request goes through security, validation and the service, and what goes out is there to be looked at', async () => {
  await using shop = await app()
  shop.rest('CRM').reply({ method: 'POST', path: '/items/{sku}/take', body: { quantity: 2 }, json: { left: 3 } })
  shop.sql('Billing').on('insert into orders', [{ id: 7 }])

  const placed = await shop.request('POST', '/orders', order)
  assert.deepEqual([placed.status, placed.json, placed.channel], [200, { id: 7, left: 3 }, 'channel_rest/order'])
  const [taken] = shop.rest('CRM').calls
  assert.deepEqual([taken?.method, taken?.path, taken?.body], ['POST', '/api/items/ab/take', { quantity: 2 }])
  assert.equal(taken?.headers.authorization, 'Bearer test-stock')
  assert.deepEqual(
    shop.sql('Billing').calls.map(({ text }) => text.split(' ')[0]),
    ['BEGIN', 'INSERT', 'COMMIT'],
  )
  assert.deepEqual(shop.redis('default').calls, [{ connection: 'default', command: 'set', args: ['order:7', 'open', 'EX', '60'] }])
  assert.equal(shop.calls().length, 5)
  assert.deepEqual(
    shop.logs.filter(({ message }) => message === 'Placed').map(({ fields }) => fields.id),
    [7],
  )

  assert.equal((await shop.request('POST', '/orders', { json: order.json })).status, 401)
  assert.equal((await shop.request('POST', '/orders', { ...order, json: { sku: 'ab', quantity: 0 } })).json.errors[0].pointer, '/quantity')
  assert.deepEqual([(await shop.request('GET', '/nowhere')).status, (await shop.request('GET', '/nowhere')).channel], [404, null])
})

test('a call that no test declares an answer for rejects the request, though the service swallows its failure', async () => {
  await using shop = await app()
  await assert.rejects(shop.request('GET', '/away'), {
    name: 'UnexpectedCall',
    message: /^Cannot send GET \/api\/items to "CRM" as the test declares no answer for it: app\.rest\("CRM"\)\.reply\(/,
  })
  assert.equal((await shop.request('GET', '/nowhere')).status, 404)
})

test('an unexpected call that nobody was told of fails the end of the application', async () => {
  const shop = await app()
  const url = await shop.listen()
  assert.deepEqual(await (await fetch(`${url}/away`)).json(), { caught: true })
  await assert.rejects(async () => await shop[Symbol.asyncDispose](), { name: 'UnexpectedCall' })
})

for (const [what, reply, status] of [
  ['an answer', { status: 409 }, 409],
  ['a connection that is refused', { error: 'UNREACHABLE' }, 503],
  ['a connection that breaks', { error: 'BROKEN' }, 503],
  ['no answer in time', { error: 'TIMEOUT' }, 504],
  ['JSON that is none', { text: '{', headers: { 'content-type': 'application/json' } }, 502],
] as const)
  test(`a REST connection answers with ${what}, and the channel with ${status}`, async () => {
    await using shop = await app()
    shop.rest('CRM').reply(reply)
    assert.equal((await shop.request('POST', '/orders', order)).status, status)
  })

test('replies for one request come first, in their order; of the others the last one; retries do not wait', async () => {
  await using shop = await app()
  const stock = shop
    .rest('CRM')
    .reply({ json: 'any' })
    .reply({ path: '/items', answer: () => ({ json: 'last' }) })
  stock.replyOnce({ status: 503 }).replyOnce({ path: /items$/, json: 'second' })
  assert.deepEqual((await shop.request('GET', '/away')).json, { caught: false })
  assert.equal(stock.calls.length, 2)
  await shop.request('GET', '/away')
  assert.equal(stock.calls.length, 3)
})

test('connections may be given as stubs, or as the client itself', async () => {
  const stock = { post: async () => ({ status: 200, headers: {}, body: { left: 0 } }) }
  await using shop = await app({
    connections: {
      CRM: stock,
      Billing: [{ statement: 'INSERT', rows: [{ id: 1 }], once: true }],
      default: [{ key: 'order:9', value: 'paid' }],
    },
  })
  assert.equal((await shop.request('POST', '/orders', order)).json.left, 0)
  assert.equal((await shop.request('GET', '/orders/9')).json.status, 'paid')
  await assert.rejects(app({ connections: { CRN: [] } }), { message: /"CRN" in environment "dev": did you mean "CRM"\?/ })
  await assert.rejects(app({ connections: { Billing: [{ key: 'a', value: 'b' }] } }), TypeError)
})

test('the clock stands still until it is advanced: dates, timers and expiry follow it', async () => {
  await using shop = await app({ clock: '2026-01-01T08:00:00Z' })
  assert.equal((await shop.request('GET', '/orders/1')).json.at, '2026-01-01T08:00:00.000Z')
  await invoke(shop, 'order.tick', {})
  await shop.clock.advance('5m')
  assert.deepEqual(await invoke(shop, 'order.tick', {}), { ticks: 5, waited: false })

  shop.redis('default').set('order:1', 'open')
  shop.rest('CRM').reply({ json: { left: 1 }, delay: '30s' })
  shop.sql('Billing').on(/insert/i, [{ id: 2 }])
  await shop.clock.advance('1h')
  assert.equal((await shop.request('GET', '/orders/2')).json.at, '2026-01-01T09:05:00.000Z')
  await assert.rejects(async () => await (await app()).clock.advance('1h'), /time runs/)
})

test('what expires in Redis is gone when the clock says so', async () => {
  await using shop = await app({ clock: 0 })
  shop.rest('CRM').reply({ json: { left: 1 } })
  shop.sql('Billing').on(/insert/i, [{ id: 2 }])
  await shop.request('POST', '/orders', order)
  await shop.clock.advance('59s')
  assert.equal(shop.redis('default').get('order:2'), 'open')
  await shop.clock.advance('1s')
  assert.equal(shop.redis('default').get('order:2'), null)
})

test('asynchronous calls wait until the test has them carried out, each when it is due', async () => {
  await using shop = await app({ clock: '2026-01-01T08:00:00Z' })
  const noted = () => shop.logs.map(({ message }) => message).filter(message => message.startsWith('Noted'))
  await invoke(shop, 'order.later', {})
  assert.deepEqual([shop.queued().map(({ dueAt }) => dueAt.slice(11, 16)), noted()], [['08:00', '09:00'], []])
  await shop.idle()
  assert.deepEqual(noted(), ['Noted now'])
  await shop.clock.advance('1h')
  await shop.idle()
  assert.deepEqual([noted(), shop.queued()], [['Noted now', 'Noted then'], []])
})

test('an asynchronous call that fails is tried as often as it may be, and kept', async () => {
  await using shop = await app({ clock: '2026-01-01T08:00:00Z' })
  await invoke(shop, 'order.later', { fails: true })
  await shop.idle()
  assert.deepEqual(
    shop.queued().map(({ attempts, failure }) => [attempts, failure === null]),
    [
      [2, false],
      [0, true],
    ],
  )
})

test('a job runs when the test says so, with its payload, and knows that it is one', async () => {
  await using shop = await app({ clock: '2026-01-01T08:00:00Z' })
  assert.deepEqual(await shop.runJob('remind'), { reminded: 'by the hour', job: 'remind', at: '2026-01-01T08:00:00.000Z' })
  await assert.rejects(shop.runJob('remnid'), /^Error: Cannot find the job "remnid" in environment "dev": did you mean "remind"\?$/)
})

test('invoke gives what the service returns, and rejects with the problem and, for a fault, the line that threw', async () => {
  await using shop = await app()
  await assert.rejects(invoke(shop, 'order.place', { sku: 1 }), { name: 'InvocationFailed', status: 400 })
  await assert.rejects(invoke(shop, 'order.broken', {}), { status: 500, message: /It broke[\s\S]*services\/order\.ts:\d+:\d+/ })
})

test('a resource that hangs on a process variable which is not set is closed, and says what sets it', async () => {
  await using shop = await app()
  await assert.rejects(invoke(shop, 'order.unset', {}), { status: 503, message: /createApp\(\{ env \}\) sets it|process variable/ })
  await using set = await app({ env: { PLUMB_KIT_HOST: 'http://set.example.com' } })
  set.rest('Unset' as 'CRM').reply({ json: 'there' })
  assert.equal(((await invoke(set, 'order.unset', {})) as { body: unknown }).body, 'there')
})

test('secrets and variables may be given; a name that is no security is told with those that are', async () => {
  await using shop = await app({ secrets: { stock: 'given' }, vars: { host: 'http://other.example.com' } })
  shop.rest('CRM').reply({ status: 409 })
  await shop.request('POST', '/orders', order)
  assert.equal(shop.rest('CRM').calls[0]?.headers.authorization, 'Bearer given')
  await assert.rejects(shop.request('POST', '/orders', { ...order, as: 'shp' }), /did you mean "shop"\?/)
})

test('an estate with errors is refused with their places', async () => {
  await using broken = await kitEstate({ 'environments/dev/more.yaml': 'sql:\n  - { name: X, typ: postgresql }\n' })
  await assert.rejects(startApp({ estate: broken.path }), {
    name: 'EstateError',
    message: /environments\/dev\/more\.yaml:2:\d+: UNKNOWN_FIELD: .*did you mean "type"\?/,
  })
})

test('what was compiled is kept until a file of the estate changes, which a test file does not', async () => {
  await using own = await kitEstate()
  const status = async () => {
    await using shop = await startApp({ estate: own.path, clock: 0 })
    return (await shop.request('GET', '/orders/1')).json.at
  }
  assert.equal(await status(), '1970-01-01T00:00:00.000Z')
  const file = join(own.path, 'services/order.ts')
  await writeFile(join(own.path, 'services/order.test.ts'), 'no code at all')
  assert.equal(await status(), '1970-01-01T00:00:00.000Z')
  await writeFile(file, (await readFile(file, 'utf8')).replace('new Date().toISOString()', "'now'"))
  assert.equal(await status(), 'now')
})

test('what a far end answered is recorded without secrets, and replayed without the far end', async () => {
  const seen: (string | undefined)[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization)
    response.setHeader('set-cookie', 'session=private').setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ left: 4, token: 'private', echo: request.headers.authorization }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const vars = { host: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  const ledger = { Billing: [{ statement: 'insert', rows: [{ id: 1 }] }] }
  process.env.PLUMB_SECRET_STOCK = 'the-real-one'
  process.env.PLUMB_SECRET_SHOP = 'the-other-one'
  try {
    await using shop = await app({ record: 'fixtures/stock.json', vars, connections: ledger })
    assert.equal((await shop.request('POST', '/orders', order)).json.left, 4)
  } finally {
    delete process.env.PLUMB_SECRET_STOCK
    delete process.env.PLUMB_SECRET_SHOP
    server.close()
    server.closeAllConnections()
  }
  assert.deepEqual(seen, ['Bearer the-real-one'])
  const kept = await readFile(join(estate.path, 'fixtures/stock.json'), 'utf8')
  assert.doesNotMatch(kept, /the-real-one|private|cookie/)

  await using again = await app({ replay: 'fixtures/stock.json', vars, connections: ledger })
  assert.equal((await again.request('POST', '/orders', order)).json.left, 4)
  await assert.rejects(again.request('POST', '/orders', { ...order, json: { sku: 'ab', quantity: 3 } }), { name: 'UnexpectedCall' })
  await assert.rejects(app({ replay: 'fixtures/none.json' }), /createApp\(\{ record: … \}\) writes it/)
})
