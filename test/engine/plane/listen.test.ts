import assert from 'node:assert/strict'
import { createConnection } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Log } from '../../../adapters/port.ts'
import { DeadlineError } from '../../../engine/generation/deadline.ts'
import type { Generation } from '../../../engine/generation/generation.ts'
import { defaultLimits, type Limits } from '../../../engine/plane/limits.ts'
import { createPlane, type Plane, type PlaneOptions } from '../../../engine/plane/listen.ts'
import type { Unit } from '../../../engine/service/unit.ts'
import { generationOf, keyOf, routeOf, serviceOf } from './routes.ts'
import { Wire } from './wire.ts'

const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
const echo = serviceOf(payload => ({ got: payload }))
const ran: string[] = []

const routes = [
  routeOf({ name: 'echo', method: '', pattern: '/echo', service: echo }),
  routeOf({ name: 'get', method: 'GET', pattern: '/get', service: echo }),
  routeOf({
    name: 'order',
    method: 'PUT',
    pattern: '/orders/{id}',
    service: serviceOf(payload => payload, { inputTypes: { id: 'integer', x: 'string' } }),
  }),
  routeOf({
    name: 'secret',
    method: '',
    pattern: '/secret',
    open: false,
    credentials: [keyOf('one', { challenge: 'Basic realm="x"' }), keyOf('two', { caller: { security: 'second', username: 'ann' } })],
    service: serviceOf((_, unit) => {
      ran.push('secret')
      return unit.request?.caller
    }),
  }),
  routeOf({ name: 'empty', pattern: '/empty-group', open: false, credentials: [keyOf('x', { empty: true })], service: echo }),
  routeOf({ name: 'unguarded', pattern: '/unguarded', open: false, service: echo }),
  routeOf({
    name: 'unresolved',
    pattern: '/unresolved',
    open: false,
    credentials: [keyOf('x', { closed: 'its secret is missing' })],
    service: echo,
  }),
  routeOf({ name: 'closed', pattern: '/closed', closed: 'rate limits are not served yet', service: echo }),
  routeOf({ name: 'serviceless', pattern: '/serviceless' }),
  routeOf({ name: 'unserved', pattern: '/unserved', open: false, credentials: [keyOf('x')], service: { closed: 'its check failed' } }),
  routeOf({
    name: 'model',
    method: 'POST',
    pattern: '/model',
    service: serviceOf(payload => payload, { check: () => [{ pointer: '/client_id', message: 'must be integer' }] }),
  }),
  routeOf({ name: 'nothing', pattern: '/nothing', service: serviceOf(() => undefined) }),
  routeOf({ name: 'null', pattern: '/null', service: serviceOf(() => null) }),
  routeOf({ name: 'text', pattern: '/text', contentType: 'text/csv', service: serviceOf(() => 'a,ą') }),
  routeOf({ name: 'bytes', pattern: '/bytes', contentType: 'image/png', service: serviceOf(() => Buffer.from([1, 2, 3])) }),
  routeOf({ name: 'cycle', pattern: '/cycle', service: serviceOf(() => 1n) }),
  routeOf({ name: 'split', pattern: '/split', contentType: 'text/plain\r\nX-Evil: 1', service: serviceOf(() => 'x') }),
  routeOf({
    name: 'throws',
    pattern: '/throws',
    service: serviceOf(() => {
      throw new Error('the password is hunter2')
    }),
  }),
  routeOf({
    name: 'facts',
    method: '',
    pattern: '/facts/{a}',
    service: serviceOf((_, unit) => {
      const { method = '', path = '', params = {}, query = {}, headers = {}, remoteAddress = '' } = unit.request ?? {}
      return {
        method,
        path,
        params,
        query,
        remoteAddress,
        many: headers['x-many'],
        cid: unit.cid,
        generation: unit.generation,
        depth: unit.depth,
        delivery: unit.delivery,
      }
    }),
  }),
]

const bench = { plane: createPlane({ select: () => null, log: silent }), port: 0, generation: await generationOf(7, routes) }

beforeAll(async () => {
  bench.plane = createPlane({ select: () => bench.generation, log: silent, degraded: () => 2 })
  bench.port = (await bench.plane.listen({ port: 0, host: '127.0.0.1' })).port
})
afterAll(() => bench.plane.close({ graceMs: 0 }))

const ask = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${bench.port}${path}`, init)
const fieldsOf = async (answer: Response): Promise<Record<string, unknown>> => Object(await answer.json())
const head = 'Host: x\r\n'
const json = 'Content-Type: application/json\r\n'

test('The defaults are those promised', () => {
  assert.deepEqual(defaultLimits, {
    maxBodyBytes: 1_000_000,
    maxHeaderBytes: 16_384,
    maxHeaders: 100,
    maxUrlBytes: 8_192,
    maxQueryParameters: 256,
    maxJsonDepth: 64,
    handshakeMs: 10_000,
    headersMs: 10_000,
    requestMs: 30_000,
    idleMs: 60_000,
    checkMs: 1_000,
    maxConnections: 16_384,
    maxConnectionsPerAddress: 2_048,
    maxPipelined: 64,
  } satisfies Limits)
})

// M01 to M15 and N02, each as bytes: what must be refused is refused with an RFC 9457 body, and the connection ends where its framing is in doubt.
for (const [what, bytes, status, ends] of [
  ['a plain GET', `GET /echo HTTP/1.1\r\n${head}\r\n`, 200, false],
  ['HTTP/1.0 without Host', 'GET /echo HTTP/1.0\r\n\r\n', 200, true],
  [
    'Content-Length and Transfer-Encoding',
    `POST /echo HTTP/1.1\r\n${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    true,
  ],
  ['two Content-Lengths', `POST /echo HTTP/1.1\r\n${head}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}`, 400, true],
  ['Content-Length +2', `POST /echo HTTP/1.1\r\n${head}Content-Length: +2\r\n\r\n{}`, 400, true],
  ['Content-Length 2,2', `POST /echo HTTP/1.1\r\n${head}Content-Length: 2,2\r\n\r\n{}`, 400, true],
  ['Content-Length 0x2', `POST /echo HTTP/1.1\r\n${head}Content-Length: 0x2\r\n\r\n{}`, 400, true],
  ['an unknown transfer coding', `POST /echo HTTP/1.1\r\n${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 400, true],
  [
    'Transfer-Encoding: identity, chunked',
    `POST /echo HTTP/1.1\r\n${head}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n`,
    400,
    true,
  ],
  ['Transfer-Encoding on HTTP/1.0', `POST /echo HTTP/1.0\r\n${head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400, true],
  ['HTTP/0.9', 'GET /echo\r\n\r\n', 400, true],
  ['HTTP/2.0 in text', `GET /echo HTTP/2.0\r\n${head}\r\n`, 400, true],
  ['a space before the colon', `GET /echo HTTP/1.1\r\nHost : x\r\n\r\n`, 400, true],
  ['a folded header', `GET /echo HTTP/1.1\r\n${head}X-A: 1\r\n 2\r\n\r\n`, 400, true],
  ['bare line feeds', 'GET /echo HTTP/1.1\nHost: x\n\n', 400, true],
  ['a bare carriage return in a value', `GET /echo HTTP/1.1\r\n${head}X-A: 1\r2\r\n\r\n`, 400, true],
  ['a NUL in a value', `GET /echo HTTP/1.1\r\n${head}X-A: 1\x002\r\n\r\n`, 400, true],
  ['no Host', 'GET /echo HTTP/1.1\r\n\r\n', 400, true],
  ['two Hosts', 'GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400, true],
  ['two equal Hosts', 'GET /echo HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', 400, true],
  ['a Host with a path', 'GET /echo HTTP/1.1\r\nHost: a/b\r\n\r\n', 400, true],
  ['a Host with userinfo', 'GET /echo HTTP/1.1\r\nHost: u@a\r\n\r\n', 400, true],
  ['an IPv6 Host', 'GET /echo HTTP/1.1\r\nHost: [::1]:17010\r\n\r\n', 200, false],
  ['the absolute form of this host', 'GET http://a:1/echo HTTP/1.1\r\nHost: A:1\r\n\r\n', 200, false],
  ['the absolute form of another host', 'GET http://evil/echo HTTP/1.1\r\nHost: a\r\n\r\n', 400, false],
  ['a fragment', `GET /echo#f HTTP/1.1\r\n${head}\r\n`, 400, false],
  ['the asterisk', `OPTIONS * HTTP/1.1\r\n${head}\r\n`, 400, false],
  ['an encoded letter', `GET /%65cho HTTP/1.1\r\n${head}\r\n`, 400, false],
  ['a dot segment', `GET /a/../echo HTTP/1.1\r\n${head}\r\n`, 400, false],
  ['a raw byte above ASCII', `GET /\xe9cho HTTP/1.1\r\n${head}\r\n`, 400, null],
  ['a lower-case method', `get /echo HTTP/1.1\r\n${head}\r\n`, 400, true],
  ['an unknown method', `BREW /echo HTTP/1.1\r\n${head}\r\n`, 400, true],
  ['a method override', `POST /get HTTP/1.1\r\n${head}X-HTTP-Method-Override: GET\r\nContent-Length: 0\r\n\r\n`, 405, false],
  ['a URL of 9 KB', `GET /echo?${'a'.repeat(9_000)} HTTP/1.1\r\n${head}\r\n`, 414, true],
  ['a URL of 30 KB', `GET /echo?${'a'.repeat(30_000)} HTTP/1.1\r\n${head}\r\n`, 414, true],
  ['a header of 17 KB', `GET /echo HTTP/1.1\r\n${head}X-A: ${'a'.repeat(17_000)}\r\n\r\n`, 431, true],
  ['a header of 60 KB', `GET /echo HTTP/1.1\r\n${head}X-A: ${'a'.repeat(60_000)}\r\n\r\n`, 431, true],
  ['100 headers', `GET /echo HTTP/1.1\r\n${head}${'A: b\r\n'.repeat(99)}\r\n`, 200, false],
  ['101 headers', `GET /echo HTTP/1.1\r\n${head}${'A: b\r\n'.repeat(100)}\r\n`, 431, true],
  ['1,990 headers', `GET /echo HTTP/1.1\r\n${head}${'A: b\r\n'.repeat(1_990)}\r\n`, 431, true],
  ['a body of 1 MB and a byte', `POST /echo HTTP/1.1\r\n${head}${json}Content-Length: 1000001\r\n\r\n`, 413, true],
  [
    'a chunked body above 1 MB',
    `POST /echo HTTP/1.1\r\n${head}${json}Transfer-Encoding: chunked\r\n\r\n${`10000\r\n${' '.repeat(65_536)}\r\n`.repeat(16)}`,
    413,
    true,
  ],
  ['a chunked body', `POST /echo HTTP/1.1\r\n${head}${json}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`, 200, false],
  ['a broken chunk', `POST /echo HTTP/1.1\r\n${head}${json}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400, true],
  ['an unknown expectation', `POST /echo HTTP/1.1\r\n${head}Expect: tea\r\nContent-Length: 2\r\n\r\n{}`, 417, false],
  ['two Content-Types', `POST /echo HTTP/1.1\r\n${head}${json}${json}Content-Length: 2\r\n\r\n{}`, 400, true],
  ['two Authorizations', `GET /echo HTTP/1.1\r\n${head}Authorization: a\r\nAuthorization: b\r\n\r\n`, 400, true],
  [
    'JSON with charset',
    `POST /echo HTTP/1.1\r\n${head}Content-Type: application/json; charset=UTF-8\r\nContent-Length: 2\r\n\r\n{}`,
    200,
    false,
  ],
  ['a +json type', `POST /echo HTTP/1.1\r\n${head}Content-Type: application/vnd.x+json\r\nContent-Length: 2\r\n\r\n{}`, 200, false],
  ['no type', `POST /echo HTTP/1.1\r\n${head}Content-Length: 2\r\n\r\n{}`, 200, false],
  [
    'what curl -d sends',
    `POST /echo HTTP/1.1\r\n${head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n\r\n{}`,
    200,
    false,
  ],
  [
    'a true form',
    `POST /echo HTTP/1.1\r\n${head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b`,
    415,
    false,
  ],
  [
    'charset utf-7',
    `POST /echo HTTP/1.1\r\n${head}Content-Type: application/json; charset=utf-7\r\nContent-Length: 2\r\n\r\n{}`,
    415,
    false,
  ],
  ['text/plain', `POST /echo HTTP/1.1\r\n${head}Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}`, 415, false],
  ['multipart', `POST /echo HTTP/1.1\r\n${head}Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 2\r\n\r\n{}`, 415, false],
  ['a compressed body', `POST /echo HTTP/1.1\r\n${head}${json}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}`, 415, false],
  ['__proto__ in the query', `GET /echo?__proto__=1 HTTP/1.1\r\n${head}\r\n`, 400, false],
  ['300 query parameters', `GET /echo?${'a&'.repeat(300)} HTTP/1.1\r\n${head}\r\n`, 400, false],
] as const)
  test(`Sent ${what}, the plane answers ${status}${ends ? ' and closes' : ''}`, async () => {
    await using wire = new Wire(bench.port)
    const answer = await wire.send(bytes).answer()
    assert.equal(answer.status, status)
    if (status >= 400) {
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
      const problem = JSON.parse(answer.body)
      assert.equal(problem.status, status)
      assert.equal(problem.cid, answer.headers.get('x-correlation-id'))
    }
    if (ends) assert.equal(await wire.ended(), '')
    else if (ends === false) assert.equal((await wire.send(`GET /echo HTTP/1.1\r\n${head}\r\n`).answer()).status, 200)
  })

test('A body that is announced with Expect is asked for only where it will be read', async () => {
  await using wire = new Wire(bench.port)
  wire.send(`POST /echo HTTP/1.1\r\n${head}${json}Expect: 100-continue\r\nContent-Length: 7\r\n\r\n`)
  assert.equal((await wire.answer()).status, 100)
  const answer = await wire.send('{"a":1}').answer()
  assert.deepEqual([answer.status, answer.body], [200, '{"got":{"a":1}}'])
  await using refused = new Wire(bench.port)
  refused.send(`POST /secret HTTP/1.1\r\n${head}${json}Expect: 100-continue\r\nContent-Length: 7\r\n\r\n`)
  assert.equal((await refused.answer()).status, 401)
  assert.equal(await refused.ended(), '')
})

test('Pipelined requests are answered in their order', async () => {
  await using wire = new Wire(bench.port)
  wire.send([1, 2, 3].map(at => `GET /echo?at=${at} HTTP/1.1\r\n${head}\r\n`).join(''))
  for (const at of [1, 2, 3]) assert.equal((await wire.answer()).body, `{"got":{"at":"${at}"}}`)
})

for (const [path, headers, status, challenge] of [
  ['/secret', {}, 401, 'Basic realm="x"'],
  ['/secret', { 'x-key': 'wrong' }, 401, 'Basic realm="x"'],
  ['/secret', { 'x-key': 'one' }, 200, null],
  ['/secret', { 'x-key': 'two' }, 200, null],
  ['/empty-group', { 'x-key': 'y' }, 403, null],
  ['/unguarded', {}, 503, null],
  ['/unresolved', { 'x-key': 'x' }, 503, null],
  ['/closed', {}, 503, null],
  ['/serviceless', {}, 503, null],
  ['/unserved', {}, 503, null],
] as const)
  test(`${path} answers ${status} to ${JSON.stringify(headers)}`, async () => {
    ran.length = 0
    const answer = await ask(path, { headers })
    const body = await fieldsOf(answer)
    assert.equal(answer.status, status)
    assert.equal(answer.headers.get('www-authenticate'), challenge)
    assert.equal(ran.length, path === '/secret' && status === 200 ? 1 : 0)
    if (status === 503) assert.equal(answer.headers.get('retry-after'), '5')
    if (path === '/closed') assert.match(String(body.detail), /rate limits are not served yet/)
    if (path === '/unresolved') assert.match(String(body.detail), /its secret is missing/)
    if (headers['x-key' as keyof typeof headers] === 'two') assert.deepEqual(body, { security: 'second', username: 'ann' })
  })

for (const [path, status, type, body] of [
  ['/nothing', 204, null, ''],
  ['/null', 200, 'application/json', 'null'],
  ['/text', 200, 'text/csv', 'a,ą'],
  ['/bytes', 200, 'image/png', '\x01\x02\x03'],
  ['/echo', 200, 'application/json', '{"got":{}}'],
  ['/echo?a=1&b=%C4%85', 200, 'application/json', '{"got":{"a":"1","b":"ą"}}'],
] as const)
  test(`${path} answers ${status} with ${JSON.stringify(body)}`, async () => {
    const answer = await ask(path)
    assert.deepEqual([answer.status, answer.headers.get('content-type'), await answer.text()], [status, type, body])
  })

test.each(['/cycle', '/split', '/throws'])('%s answers 500 without a word of why', async path => {
  const answer = await ask(path)
  const text = await answer.text()
  assert.equal(answer.status, 500)
  assert.equal(answer.headers.get('x-evil'), null)
  assert.doesNotMatch(text, /hunter2|at .*\.ts|BigInt/)
  assert.equal(JSON.parse(text).title, 'Internal Server Error')
  assert.equal(JSON.parse(text).detail, path === '/split' ? undefined : 'The service failed; the log has the reason under this cid')
})

test('Path and query parameters arrive converted to what the service declares', async () => {
  const answer = await ask('/orders/17?x=1&other=2', { method: 'PUT', body: '{"y":true}', headers: { 'content-type': 'application/json' } })
  assert.deepEqual(await answer.json(), { y: true, id: 17, x: '1' })
})

test('A request that does not fit the model is answered with pointers', async () => {
  const answer = await ask('/model', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } })
  assert.equal(answer.status, 400)
  assert.deepEqual((await fieldsOf(answer)).errors, [{ pointer: '/client_id', detail: 'must be integer' }])
})

test('A body that is not JSON is answered with its place', async () => {
  const answer = await ask('/echo', { method: 'POST', body: '{"a":1,}', headers: { 'content-type': 'application/json' } })
  assert.equal(answer.status, 400)
  assert.match(String((await fieldsOf(answer)).detail), /line 1, column 8/)
})

test('A path that exists names its methods, in Allow too', async () => {
  const answer = await ask('/get', { method: 'DELETE' })
  assert.deepEqual([answer.status, answer.headers.get('allow')], [405, 'GET, HEAD'])
})

test('HEAD is GET without its body', async () => {
  await using wire = new Wire(bench.port)
  const answer = await wire.send(`HEAD /get HTTP/1.1\r\n${head}\r\n`).answer(true)
  assert.deepEqual([answer.status, answer.headers.get('content-length')], [200, '10'])
  assert.equal((await wire.send(`GET /get HTTP/1.1\r\n${head}\r\n`).answer()).body, '{"got":{}}')
})

test('A service sees the facts of the request', async () => {
  await using wire = new Wire(bench.port)
  wire.send(
    `GET /facts/a%40b?q=1&q=2 HTTP/1.1\r\n${head}X-Many: 1\r\nX-Many: 2\r\nX-Forwarded-For: 9.9.9.9\r\nX-Correlation-Id: my-id\r\n\r\n`,
  )
  assert.deepEqual(JSON.parse((await wire.answer()).body), {
    method: 'GET',
    path: '/facts/a@b',
    params: { a: 'a@b' },
    query: { q: ['1', '2'] },
    remoteAddress: '127.0.0.1',
    many: '1, 2',
    cid: 'my-id',
    generation: 7,
    depth: 0,
    delivery: null,
  })
})

test.each([
  ['abc-1.2:3_4', true],
  ['a'.repeat(128), true],
  ['a'.repeat(129), false],
  ['-a', false],
  ['a b', false],
  ['a"b', false],
  ['{"a":1}', false],
])('The correlation id %j of a caller is kept: %s', async (given, isKept) => {
  const answer = await ask('/echo', { headers: { 'x-correlation-id': given } })
  assert.equal(answer.headers.get('x-correlation-id') === given, isKept)
  await answer.text()
})

test('/healthz and /readyz answer, and are not counted', async () => {
  const before = bench.plane.counters.snapshot().total.requests
  const [health, ready] = [await ask('/healthz'), await ask('/readyz')]
  assert.deepEqual([health.status, await health.json()], [200, { status: 'alive' }])
  assert.deepEqual([ready.status, await ready.json()], [200, { status: 'degraded', generation: 7, degraded: 2 }])
  assert.equal(bench.plane.counters.snapshot().total.requests, before)
  const wrong = await ask('/healthz', { method: 'POST' })
  assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'GET, HEAD'])
})

test('Without a generation everything but /healthz answers 503', async () => {
  await using running = await start({ select: () => null, log: silent })
  const statuses = []
  for (const path of ['/healthz', '/readyz', '/echo']) statuses.push((await fetch(`${running.url}${path}`)).status)
  assert.deepEqual(statuses, [200, 503, 503])
})

test('Slow heads and slow bodies are answered 408, silence is cut, others are served meanwhile', async () => {
  const limits = { headersMs: 200, requestMs: 300, checkMs: 30 }
  await using running = await start({ select: () => bench.generation, log: silent, limits })
  await using slowHead = new Wire(running.port)
  await using slowBody = new Wire(running.port)
  await using nothing = new Wire(running.port)
  slowHead.send('GET /echo HTTP/1.1\r\nHos')
  slowBody.send(`POST /echo HTTP/1.1\r\n${head}${json}Content-Length: 9\r\n\r\n{"a"`)
  assert.equal((await fetch(`${running.url}/echo`)).status, 200)
  for (const wire of [slowHead, slowBody]) {
    const answer = await wire.answer()
    assert.equal(answer.status, 408)
    assert.equal(JSON.parse(answer.body).status, 408)
    await wire.ended()
  }
  await nothing.ended()
  await expect.poll(() => bench.generation.inFlight).toBe(0)
})

test('A timeout answers 504 and aborts the signal; the call stays in flight until it settles', async () => {
  const { service, calls } = heldService()
  const generation = await generationOf(1, [routeOf({ name: 'slow', pattern: '/slow', timeoutMs: 60, service })])
  await using running = await start({ select: () => generation, log: silent })
  const answer = await fetch(`${running.url}/slow`)
  assert.equal(answer.status, 504)
  const [call] = calls
  assert(call)
  assert(call.unit.signal.reason instanceof DeadlineError)
  assert.equal(generation.inFlight, 1)
  call.settle('too late')
  await expect.poll(() => generation.inFlight).toBe(0)
  assert.deepEqual(running.plane.counters.snapshot().routes['channel_rest/slow']?.statuses, [0, 0, 0, 0, 1])
})

test("A service's own deadline is the shorter one", async () => {
  const { service, calls } = heldService()
  const generation = await generationOf(1, [routeOf({ name: 'slow', pattern: '/slow', service: { ...service, deadlineMs: 40 } })])
  await using running = await start({ select: () => generation, log: silent })
  assert.equal((await fetch(`${running.url}/slow`)).status, 504)
  calls[0]?.settle(1)
})

test('A caller that goes away aborts the signal', async () => {
  const { service, calls } = heldService()
  const generation = await generationOf(1, [routeOf({ name: 'slow', pattern: '/slow', service })])
  await using running = await start({ select: () => generation, log: silent })
  const gone = new AbortController()
  const asked = fetch(`${running.url}/slow`, { signal: gone.signal }).catch(() => 'gone')
  await expect.poll(() => calls.length).toBe(1)
  const signal = calls[0]?.unit.signal
  gone.abort()
  assert.equal(await asked, 'gone')
  await expect.poll(() => signal?.aborted).toBe(true)
  calls[0]?.settle(1)
  await expect.poll(() => generation.inFlight).toBe(0)
})

test('The end of a drain aborts the signal of what still runs', async () => {
  const { service, calls } = heldService()
  const drain = new AbortController()
  const generation = await generationOf(1, [routeOf({ name: 'slow', pattern: '/slow', service })], drain.signal)
  await using running = await start({ select: () => generation, log: silent })
  const asked = fetch(`${running.url}/slow`)
  await expect.poll(() => calls.length).toBe(1)
  const signal = calls[0]?.unit.signal
  drain.abort(new DeadlineError('drained'))
  assert.equal(signal?.aborted, true)
  calls[0]?.settle('done')
  assert.equal(await (await asked).json(), 'done')
})

test('A request ends on the generation it began on, security included', async () => {
  const { service, calls } = heldService()
  const first = await generationOf(1, [routeOf({ name: 'a', pattern: '/a', service })])
  const second = await generationOf(2, [routeOf({ name: 'a', pattern: '/a', open: false, credentials: [keyOf('k')], service: echo })])
  let live: Generation = first
  await using running = await start({ select: () => live, log: silent })
  const old = fetch(`${running.url}/a`)
  await expect.poll(() => calls.length).toBe(1)
  live = second
  assert.equal((await fetch(`${running.url}/a`)).status, 401)
  calls[0]?.settle(calls[0].unit.generation)
  assert.equal(await (await old).json(), 1)
})

test('close() lets what is open finish, says close on kept connections, and refuses new ones', async () => {
  const { service, calls } = heldService()
  const generation = await generationOf(1, [
    routeOf({ name: 'slow', pattern: '/slow', service }),
    routeOf({ name: 'fast', pattern: '/fast', service: echo }),
  ])
  await using running = await start({ select: () => generation, log: silent })
  await using slow = new Wire(running.port)
  await using kept = new Wire(running.port)
  slow.send(`GET /slow HTTP/1.1\r\n${head}\r\n`)
  assert.equal((await kept.send(`GET /fast HTTP/1.1\r\n${head}\r\n`).answer()).headers.get('connection'), 'keep-alive')
  await expect.poll(() => calls.length).toBe(1)
  const closed = running.plane.close({ graceMs: 10_000 })
  const last = await kept.send(`GET /fast HTTP/1.1\r\n${head}\r\n`).answer()
  assert.deepEqual([last.status, last.headers.get('connection')], [200, 'close'])
  await kept.ended()
  await assert.rejects(connects(running.port))
  calls[0]?.settle('done')
  const answer = await slow.answer()
  assert.deepEqual([answer.status, answer.headers.get('connection'), answer.body], [200, 'close', '"done"'])
  assert.deepEqual(await closed, { abandoned: 0 })
})

test('close() cuts off what outlives its grace', async () => {
  const { service, calls } = heldService()
  const generation = await generationOf(1, [routeOf({ name: 'slow', pattern: '/slow', service })])
  await using running = await start({ select: () => generation, log: silent })
  await using wire = new Wire(running.port)
  wire.send(`GET /slow HTTP/1.1\r\n${head}\r\n`)
  await expect.poll(() => calls.length).toBe(1)
  assert.deepEqual(await running.plane.close({ graceMs: 20 }), { abandoned: 1 })
  await expect.poll(() => calls[0]?.unit.signal.aborted).toBe(true)
  calls[0]?.settle(1)
})

test('An address that holds too many connections gets no more', async () => {
  await using running = await start({ select: () => bench.generation, log: silent, limits: { maxConnectionsPerAddress: 2 } })
  await using first = new Wire(running.port)
  await using second = new Wire(running.port)
  for (const wire of [first, second]) assert.equal((await wire.send(`GET /echo HTTP/1.1\r\n${head}\r\n`).answer()).status, 200)
  await using third = new Wire(running.port)
  assert.equal(await third.ended(), '')
  assert.equal((await first.send(`GET /echo HTTP/1.1\r\n${head}\r\n`).answer()).status, 200)
})

test('Requests of one connection beyond the limit of open ones are refused', async () => {
  const { service, calls } = heldService()
  const generation = await generationOf(1, [routeOf({ name: 'slow', pattern: '/slow', service })])
  await using running = await start({ select: () => generation, log: silent, limits: { maxPipelined: 2 } })
  await using wire = new Wire(running.port)
  wire.send(`GET /slow HTTP/1.1\r\n${head}\r\n`.repeat(3))
  await expect.poll(() => calls.length).toBe(2)
  for (const call of calls) call.settle(1)
  assert.deepEqual([(await wire.answer()).status, (await wire.answer()).status, (await wire.answer()).status], [200, 200, 503])
})

test('What follows a request and is no HTTP does not take its answer away', async () => {
  const { service, calls } = heldService()
  const generation = await generationOf(1, [routeOf({ name: 'slow', pattern: '/slow', service })])
  await using running = await start({ select: () => generation, log: silent })
  await using wire = new Wire(running.port)
  wire.send(`GET /slow HTTP/1.1\r\n${head}\r\nnonsense\r\n\r\n`)
  await expect.poll(() => calls.length).toBe(1)
  calls[0]?.settle('done')
  assert.equal((await wire.answer()).body, '"done"')
  assert.equal(await wire.ended(), '')
})

interface Running extends AsyncDisposable {
  readonly plane: Plane
  readonly port: number
  readonly url: string
}

async function start(options: PlaneOptions): Promise<Running> {
  const plane = createPlane(options)
  const { port } = await plane.listen({ port: 0, host: '127.0.0.1' })
  return { plane, port, url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: async () => void (await plane.close({ graceMs: 0 })) }
}

/** A service whose calls end when the test says so. */
function heldService() {
  const calls: { unit: Unit; settle: (value: unknown) => void }[] = []
  const service = serviceOf((_, unit) => new Promise(settle => calls.push({ unit, settle })))
  return { service, calls }
}

function connects(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1' }, () => {
      socket.destroy()
      resolve()
    }).on('error', reject)
  })
}
