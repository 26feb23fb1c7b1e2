import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { test } from 'vitest'
import { ConnectionError } from '../../adapters/connection-error.ts'
import { restAdapter } from '../../adapters/rest.ts'
import type { RestClient } from '../../adapters/rest-client.ts'
import { requestTarget } from '../../adapters/rest-path.ts'
import type * as sdk from '../../engine/service/sdk.ts'
import type { JsonObject } from '../../schema/json.ts'
import { temporaryDirectory } from '../directory.ts'
import { entryOf, quietSurroundings } from '../engine/generation/fixtures.ts'

interface FarEnd extends AsyncDisposable {
  readonly client: RestClient
  readonly requests: {
    readonly method: string
    readonly url: string
    readonly headers: IncomingMessage['headers']
    readonly body: string
  }[]
}

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void

async function farEnd(answer: Answer, spec: JsonObject = {}, resolve: (ref: string) => unknown = () => undefined): Promise<FarEnd> {
  const requests: FarEnd['requests'] = []
  const server = createServer(async (request, response) => {
    const body = (await buffer(request)).toString()
    requests.push({ method: String(request.method), url: String(request.url), headers: request.headers, body })
    answer(request, response, requests.length)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number } // a TCP server that listens has one
  const { resource } = entryOf('outgoing_rest/CRM', {
    host: `http://127.0.0.1:${port}`,
    url_path: '/clients/{id}',
    retry_sleep_time: 0,
    ...spec,
  })
  const declared = { resource, secrets: new Map() }
  const instance = await restAdapter.prepare(declared, quietSurroundings)
  return {
    requests,
    client: restAdapter.view?.(instance, declared, resolve) as RestClient, // the adapter has views
    async [Symbol.asyncDispose]() {
      await restAdapter.close(instance)
      server.closeAllConnections()
      server.close()
    },
  }
}

const json =
  (body: unknown, status = 200, headers: Record<string, string> = {}): Answer =>
  (_request, response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))

function trickle(response: ServerResponse): void {
  const timer = setInterval(() => response.write('x'), 20)
  response.once('close', () => clearInterval(timer))
}

const failsWith = (code: string) => (error: unknown) => error instanceof ConnectionError && error.code === code

test('rest sends JSON to the filled-in path and parses the answer', async () => {
  await using far = await farEnd(json({ name: 'Jane' }))
  const answer = await far.client.post(
    '/orders?open=1',
    { amount: 5 },
    { params: { id: 'a/b' }, query: { tag: ['x', 'y z'], none: undefined } },
  )
  assert.deepEqual(answer.body, { name: 'Jane' })
  assert.deepEqual(
    far.requests.map(({ method, url, body }) => [method, url, body]),
    [['POST', '/clients/a%2Fb/orders?open=1&tag=x&tag=y+z', '{"amount":5}']],
  )
  assert.equal(far.requests[0]?.headers['content-type'], 'application/json')
})

test('rest resolves for any status the far end answers', async () => {
  await using far = await farEnd(json({ title: 'no' }, 404))
  const { status, body } = await far.client.get('', { params: { id: 1 } })
  assert.deepEqual([status, body], [404, { title: 'no' }])
})

for (const [what, headers, sent, expected] of [
  ['text', { 'content-type': 'text/plain' }, 'hello', 'hello'],
  ['nothing', {}, '', null],
  ['compressed JSON', { 'content-type': 'application/problem+json', 'content-encoding': 'gzip' }, gzipSync('{"a":1}'), { a: 1 }],
] as const)
  test(`rest reads ${what}`, async () => {
    await using far = await farEnd((_request, response) => response.writeHead(200, headers).end(sent))
    assert.deepEqual((await far.client.get('', { params: { id: 1 } })).body, expected)
  })

test('rest cuts off a body that grows too large when it is decompressed', async () => {
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
  await using far = await farEnd((_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb))
  await assert.rejects(far.client.get('', { params: { id: 1 } }), failsWith('ANSWER'))
})

test('rest refuses what says it is JSON and is not', async () => {
  await using far = await farEnd((_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"a":'))
  await assert.rejects(far.client.get('', { params: { id: 1 } }), failsWith('ANSWER'))
})

for (const [what, answer] of [
  ['never answers', () => undefined],
  ['sends a byte now and then', (_request, response) => trickle(response)],
] as [string, Answer][])
  test(`rest ends an exchange with a far end that ${what} at its total deadline`, async () => {
    await using far = await farEnd(answer)
    const startedAt = performance.now()
    await assert.rejects(far.client.get('', { params: { id: 1 }, timeoutMs: 150 }), failsWith('TIMEOUT'))
    assert(performance.now() - startedAt < 2_000)
  })

test('rest rejects with the reason of the caller when the caller aborts', async () => {
  await using far = await farEnd(() => undefined)
  const abort = new AbortController()
  const calling = far.client.get('', { params: { id: 1 }, signal: abort.signal })
  const reason = new Error('the caller went away')
  abort.abort(reason)
  await assert.rejects(calling, error => error === reason)
})

test('rest says that the connection was refused, and where', async () => {
  const far = await farEnd(json({}))
  const { client } = far
  await far[Symbol.asyncDispose]()
  const { resource } = entryOf('outgoing_rest/CRM', { host: 'http://127.0.0.1:9', url_path: '/' })
  const declared = { resource, secrets: new Map() }
  const instance = await restAdapter.prepare(declared, quietSurroundings)
  const refused = restAdapter.view?.(instance, declared, () => undefined) as RestClient // the adapter has views
  await assert.rejects(refused.get(), {
    code: 'UNREACHABLE',
    message: 'Cannot call "outgoing_rest/CRM" as the connection was refused: 127.0.0.1:9, ECONNREFUSED',
  })
  await restAdapter.close(instance)
  await assert.rejects(client.get('', { params: { id: 1 } }), ConnectionError)
})

for (const [method, expected] of [
  ['GET', 3],
  ['PUT', 3],
  ['POST', 1],
  ['PATCH', 1],
] as const)
  test(`rest sends ${method} ${expected === 1 ? 'once' : 'again'} when the far end is unavailable`, async () => {
    await using far = await farEnd((request, response, count) => json({}, count < 3 ? 503 : 200)(request, response, count), {
      max_retries: 5,
    })
    const { status } = await far.client.request({ method, params: { id: 1 } })
    assert.equal(far.requests.length, expected)
    assert.equal(status, expected === 1 ? 503 : 200)
  })

test('rest repeats no request for longer than its waits may take', async () => {
  await using far = await farEnd(json({}, 429, { 'retry-after': '1000000000' }), { max_retries: 5 })
  const { status } = await far.client.get('', { params: { id: 1 } })
  assert.equal(status, 429)
  assert.equal(far.requests.length, 1)
})

test('rest follows a redirect on its host and none to another', async () => {
  await using far = await farEnd((request, response) => {
    if (request.url === '/clients/1') response.writeHead(302, { location: '/moved?a=1' }).end()
    else if (request.url === '/moved?a=1') json({ at: request.url })(request, response, 0)
    else response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end()
  })
  assert.deepEqual((await far.client.get('', { params: { id: 1 } })).body, { at: '/moved?a=1' })
  assert.equal((await far.client.get('', { params: { id: 2 } })).status, 302)
})

test('rest sends the credentials of its security, over what the caller gave', async () => {
  const sender = { headers: () => ({ authorization: 'Bearer t' }), closed: null }
  await using far = await farEnd(json({}), { security: 'crm' }, ref => (ref === 'security/crm' ? sender : undefined))
  await far.client.get('', { params: { id: 1 }, headers: { Authorization: 'mine', 'X-Trace': '7' } })
  assert.equal(far.requests[0]?.headers.authorization, 'Bearer t')
  assert.equal(far.requests[0]?.headers['x-trace'], '7')
})

test('rest sends nothing while its security is closed or missing', async () => {
  await using far = await farEnd(json({}), { security: 'crm' })
  await assert.rejects(far.client.get('', { params: { id: 1 } }), failsWith('CLOSED'))
  assert.equal(far.requests.length, 0)
})

for (const value of ['', '.', '..'])
  test(`requestTarget() refuses ${JSON.stringify(value)} as a path parameter`, () =>
    assert.throws(() => requestTarget('/a/{id}', '', { params: { id: value } }), TypeError))

for (const [base, path, expected] of [
  ['', '', '/'],
  ['/a', '', '/a'],
  ['/a/', '/b', '/a/b'],
  ['/a', 'b', '/a/b'],
  ['/a', '?x=1', '/a?x=1'],
  ['/a', '/b c\r\nX: y', '/a/b%20c%0D%0AX:%20y'],
  ['/ż', '', '/%C5%BC'],
] as const)
  test(`requestTarget() of ${JSON.stringify(base)} and ${JSON.stringify(path)} is ${expected}`, () =>
    assert.equal(requestTarget(base, path, {}), expected))

test('rest offers what the SDK writes into estates', () => {
  const toSdk = (client: RestClient): sdk.RestClient => client
  const fromSdk = (client: sdk.RestClient): RestClient => client
  assert.deepEqual([typeof toSdk, typeof fromSdk], ['function', 'function'])
})

for (const [what, answer] of [
  [
    'resets half-way',
    (_request, response) => void response.writeHead(200, { 'content-length': '100' }).write('half', () => response.destroy()),
  ],
  ['closes without an answer', (_request, response) => void response.destroy()],
] as [string, Answer][])
  test(`rest says that the exchange broke when the far end ${what}`, async () => {
    await using far = await farEnd(answer)
    await assert.rejects(far.client.get('', { params: { id: 1 } }), failsWith('BROKEN'))
  })

test('rest cuts off a body that never ends', async () => {
  const chunk = Buffer.alloc(256 * 1024)
  await using far = await farEnd((_request, response) => pour(response, chunk))
  await assert.rejects(far.client.get('', { params: { id: 1 } }), failsWith('ANSWER'))
})

function pour(response: ServerResponse, chunk: Uint8Array): void {
  if (!response.destroyed) response.write(chunk, () => setImmediate(pour, response, chunk))
}

test('rest refuses a certificate that signed itself, unless the connection says not to look', async () => {
  await using directory = await temporaryDirectory()
  const [key, cert] = [join(directory.path, 'key.pem'), join(directory.path, 'cert.pem')]
  const subject = ['-subj', '/CN=crm', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert, ...subject],
    {
      stdio: 'ignore',
    },
  )
  const server = createTlsServer({ key: await readFile(key), cert: await readFile(cert) }, (_request, response) => response.end('"hello"'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number } // a TCP server that listens has one
  const call = async (validate_tls: boolean) => {
    const { resource } = entryOf('outgoing_rest/CRM', {
      host: `https://127.0.0.1:${port}`,
      url_path: '/',
      data_format: 'json',
      validate_tls,
    })
    const declared = { resource, secrets: new Map() }
    const instance = await restAdapter.prepare(declared, quietSurroundings)
    const client = restAdapter.view?.(instance, declared, () => undefined) as RestClient // the adapter has views
    return await client.get().finally(() => restAdapter.close(instance))
  }
  await assert.rejects(call(true), { message: /as its certificate is signed by itself: 127\.0\.0\.1/ })
  assert.equal((await call(false)).body, 'hello')
  server.close()
})
