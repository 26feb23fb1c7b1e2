import assert from 'node:assert'
import { readdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { rows } from '../../../engine/admin/routes.ts'
import { openTokens } from '../../../engine/admin/tokens.ts'
import { openSqliteStore } from '../../../engine/store/sqlite.ts'
import { isObject, type JsonObject } from '../../../schema/json.ts'
import { temporaryDirectory } from '../../directory.ts'
import { call, local, silent, startServer, type TestServer } from './server.ts'

const env = '/api/v1/environments/dev'
const file = { path: 'environments/dev/a.yaml', base64: 'YQ==' }
/** Stands for whoever presents the token of the server under test. */
const actor = Symbol('actor')

describe('the admin API', () => {
  const held: { server?: TestServer } = {}
  const server = (): TestServer => {
    assert(held.server)
    return held.server
  }
  beforeAll(async () => {
    held.server = await startServer()
  })
  afterAll(() => server()[Symbol.asyncDispose]())

  for (const [method, path, body, operation, args] of [
    ['GET', '/status', undefined, 'status', []],
    ['GET', '/plans', undefined, 'listPlans', [100]],
    ['GET', '/plans?limit=5', undefined, 'listPlans', [5]],
    ['POST', '/plans', {}, 'plan', [{}, actor]],
    ['POST', '/plans', { revision: 'a'.repeat(40) }, 'plan', [{ revision: 'a'.repeat(40) }, actor]],
    ['POST', '/plans', { files: [file] }, 'plan', [{ files: [file] }, actor]],
    ['GET', '/plans/01JD-x_4', undefined, 'getPlan', ['01JD-x_4']],
    ['POST', '/plans/01JD/apply', {}, 'applyPlan', [{ id: '01JD' }, actor]],
    ['POST', '/plans/01JD/apply', { confirmDeletes: 3 }, 'applyPlan', [{ id: '01JD', confirmDeletes: 3 }, actor]],
    ['POST', '/apply', { files: [file], confirmDeletes: 0 }, 'applyTree', [{ files: [file], confirmDeletes: 0 }, actor]],
    ['POST', '/sync', undefined, 'sync', [{ retry: false, endProbation: false }, actor]],
    ['POST', '/sync', { retry: true }, 'sync', [{ retry: true, endProbation: false }, actor]],
    ['POST', '/validate', { files: [] }, 'validate', [{ files: [], types: false }]],
    ['GET', '/resources', undefined, 'listResources', [{ limit: 100 }]],
    ['GET', '/resources?kind=sql&after=sql/a&limit=1', undefined, 'listResources', [{ limit: 1, kind: 'sql', after: 'sql/a' }]],
    ['GET', '/resources/channel_rest/orders/v1', undefined, 'getResource', ['channel_rest/orders/v1']],
    ['GET', '/resources/channel_rest%2Forders%20and%20m%C3%B6re', undefined, 'getResource', ['channel_rest/orders and möre']],
    ['GET', '/explain/channel_rest/a%2Fb', undefined, 'explain', ['channel_rest/a/b']],
    ['GET', '/history', undefined, 'history', [{ limit: 100 }]],
    ['GET', '/history?limit=20&before=7', undefined, 'history', [{ limit: 20, before: 7 }]],
    ['POST', '/rollback', {}, 'rollback', [{}, actor]],
    ['POST', '/rollback', { to: 4, reason: 'slow' }, 'rollback', [{ to: 4, reason: 'slow' }, actor]],
    ['POST', '/invoke', { service: 'client.get', payload: [1] }, 'invoke', [{ service: 'client.get', payload: [1] }, actor]],
    ['POST', '/invoke', { service: 'a', deadlineMs: 5 }, 'invoke', [{ service: 'a', payload: null, deadlineMs: 5 }, actor]],
    ['POST', '/ping', { ref: 'sql/Billing' }, 'ping', ['sql/Billing', actor]],
    ['GET', '/types', undefined, 'types', []],
    ['GET', '/journal?after=9', undefined, 'journal', [{ after: 9, limit: 100 }]],
  ] as const)
    test(`${method} ${path} with ${JSON.stringify(body) ?? 'no body'} asks for ${operation}`, async () => {
      server().asked.length = 0
      const answer = await call(server(), method, `${env}${path}`, { body })
      assert.deepEqual([answer.status, answer.body], [200, { operation }])
      assert.deepEqual(server().asked, [{ operation, args: args.map(arg => (arg === actor ? server().actor : arg)) }])
    })

  for (const row of rows)
    test(`${row.method} ${row.path} is ${row.role === null ? 'open' : 'closed'} to who has no token, and tells nothing to read elsewhere`, async () => {
      const path = row.path.replace('{environment}', 'dev').replace('{id}', 'p1').replace('{ref}', 'sql/a')
      server().asked.length = 0
      const answer = await call(server(), row.method, path, { token: null })
      assert.equal(answer.status, row.role === null ? 200 : 401)
      assert.deepEqual(server().asked, [])
      assertHeaders(answer.headers)
      if (row.role !== null) assertProblem(answer, 401, 'UNAUTHORIZED')
      assert.equal(answer.headers['www-authenticate'], row.role === null ? undefined : 'Bearer realm="plumb"')
    })

  test('the OpenAPI document has the rows of the table and no other', async () => {
    const { body } = await call(server(), 'GET', '/api/v1/openapi.json')
    assert.equal(body.openapi, '3.1.0')
    assert(isObject(body.paths))
    const described = Object.entries(body.paths).flatMap(([path, item]) =>
      Object.entries(item ?? {}).map(([method, operation]) => `${method.toUpperCase()} ${path} ${(operation as JsonObject).operationId}`),
    )
    assert.deepEqual(described.sort(), rows.map(row => `${row.method} ${row.path} ${row.id}`).sort())
    assert.equal(new Set(rows.map(row => row.id)).size, rows.length)
    for (const row of rows) {
      const item = body.paths[row.path]
      assert(isObject(item))
      const operation = item[row.method.toLowerCase()]
      assert(isObject(operation))
      assert.deepEqual(operation.security, row.role === null ? [] : undefined)
      assert.equal(operation.requestBody !== undefined, row.body !== undefined)
    }
  })

  test('GET /api/v1 says which environment is served', async () => {
    assert.deepEqual((await call(server(), 'GET', '/api/v1')).body, { environment: 'dev', version: '1.2.3' })
  })

  for (const [what, method, path, options, status, code, detail] of [
    ['another environment', 'GET', '/api/v1/environments/prod/status', {}, 404, 'WRONG_ENVIRONMENT', /"prod": this server serves "dev"/],
    ['a path that is not there', 'GET', '/api/v1/nothing', {}, 404, 'NOT_FOUND', /openapi.json/],
    ['a method that is not served', 'PUT', `${env}/sync`, {}, 405, 'REQUEST_INVALID', /PUT/],
    ['a ref without a name', 'GET', `${env}/resources/sql`, {}, 404, 'NOT_FOUND', /ref is "sql": kind\/name is accepted/],
    ['an id that leaves the path', 'GET', `${env}/plans/..%2f..%2fstatus`, {}, 404, 'NOT_FOUND', /id/],
    [
      'a revision that is an option',
      'POST',
      `${env}/plans`,
      { body: { revision: '--help' } },
      400,
      'REQUEST_INVALID',
      /"revision" of its body is not what is accepted: a full commit SHA/,
    ],
    [
      'a revision and files',
      'POST',
      `${env}/plans`,
      { body: { revision: 'a'.repeat(40), files: [] } },
      400,
      'REQUEST_INVALID',
      /a revision, or files/,
    ],
    [
      'a serial that is none',
      'POST',
      `${env}/rollback`,
      { body: { to: null } },
      400,
      'REQUEST_INVALID',
      /"to" of its body .*: a whole number from 1 on/,
    ],
    [
      'a limit without end',
      'GET',
      `${env}/history?limit=1000000000`,
      {},
      400,
      'REQUEST_INVALID',
      /"limit" of its query .*: a whole number from 1 to 1000/,
    ],
    ['a query field nobody knows', 'GET', `${env}/status?role=admin`, {}, 400, 'REQUEST_INVALID', /role/],
    ['a query field twice', 'GET', `${env}/history?limit=1&limit=2`, {}, 400, 'REQUEST_INVALID', /twice/],
    ['a body field nobody knows', 'POST', `${env}/sync`, { body: { actor: 'root' } }, 400, 'REQUEST_INVALID', /actor/],
    ['a body that names a prototype', 'POST', `${env}/sync`, { body: '{"__proto__":{"retry":true}}' }, 400, 'REQUEST_INVALID', /__proto__/],
    ['a body that is not JSON', 'POST', `${env}/sync`, { body: '{"retry":' }, 400, 'REQUEST_INVALID', /line 1, column 10/],
    ['a body that is a list', 'POST', `${env}/sync`, { body: '[]' }, 400, 'REQUEST_INVALID', /body/],
    ['a body without what is required', 'POST', `${env}/apply`, { body: {} }, 400, 'REQUEST_INVALID', /files/],
    [
      'a body nested too deep',
      'POST',
      `${env}/invoke`,
      { body: `{"service":"a","payload":${'['.repeat(500)}${']'.repeat(500)}}` },
      400,
      'REQUEST_INVALID',
      /64 levels/,
    ],
    [
      'a body of another type',
      'POST',
      `${env}/sync`,
      { body: 'retry=true', headers: { 'content-type': 'text/plain' } },
      415,
      'REQUEST_INVALID',
      /application\/json/,
    ],
    [
      'a body over its cap',
      'POST',
      `${env}/sync`,
      { body: `{"retry":${' '.repeat(1_000_000)}true}` },
      413,
      'REQUEST_TOO_LARGE',
      /1000000 bytes/,
    ],
    ['a name that is not ours', 'GET', `${env}/status`, { headers: { host: 'evil.example.com' } }, 403, 'REQUEST_FOREIGN', /evil/],
    ['a page of another origin', 'POST', `${env}/sync`, { headers: { origin: 'http://evil.example.com' } }, 403, 'REQUEST_FOREIGN', /evil/],
    ['a page of no origin', 'POST', `${env}/sync`, { headers: { origin: 'null' } }, 403, 'REQUEST_FOREIGN', /null/],
    [
      'a picture on another site',
      'GET',
      `${env}/status`,
      { headers: { 'sec-fetch-site': 'cross-site' } },
      403,
      'REQUEST_FOREIGN',
      /another site/,
    ],
    ['a URL without end', 'GET', `${env}/status?${'x'.repeat(9000)}`, {}, 414, 'REQUEST_INVALID', /8192/],
    ...[
      ['that is no base64', '!!!'],
      ['in the alphabet for URLs', 'YWI_'],
      ['without its padding', 'YQ'],
      ['with a line break', 'YWJj\nYWJj'],
    ].map(
      ([what, base64]) =>
        [
          `a file ${what}`,
          'POST',
          `${env}/validate`,
          { body: { files: [file, { path: 'services/b.ts', base64 }] } },
          400,
          'REQUEST_INVALID',
          /"services\/b\.ts"/,
        ] as const,
    ),
    ['an operation that refuses', 'GET', `${env}/resources/sql/refused`, {}, 409, 'STALE', /stale/],
    ['an operation that breaks', 'GET', `${env}/resources/sql/broken`, {}, 500, 'INTERNAL', /^(?!.*hunter2)/],
  ] as const)
    test(`${what} gets ${status} ${code}`, async () => {
      const answer = await call(server(), method, path, options)
      assertProblem(answer, status, code)
      assert.match(String(answer.body.detail), detail)
    })

  test('a refusal carries its issues', async () => {
    const { body } = await call(server(), 'GET', `${env}/explain/sql/refused`)
    assert.deepEqual(body.issues, [{ code: 'YAML_SYNTAX', severity: 'error', message: 'Cannot read it' }])
  })

  test('an upload may be larger than other bodies', async () => {
    const body = { files: [{ path: 'a.yaml', base64: 'A'.repeat(3_000_000) }] }
    assert.equal((await call(server(), 'POST', `${env}/validate`, { body })).status, 200)
  })

  test('a chunked body is cut off at its cap, without being kept', async () => {
    const socket = connect(Number(new URL(server().url).port), '127.0.0.1')
    socket.on('error', () => undefined) // the server may close while we still write
    socket.write(
      `POST ${env}/sync HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${server().token}\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n`,
    )
    for (let at = 0; at < 20; at++) socket.write(`${(100_000).toString(16)}\r\n${' '.repeat(100_000)}\r\n`)
    socket.write('0\r\n\r\n')
    assert.match(await text(socket), /^HTTP\/1.1 413 /)
  })

  for (const [what, bytes, status] of [
    ['is no HTTP', 'HELLO\r\n\r\n', 400],
    ['has two Host headers', 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n', 400],
    ['has no Host header', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    [
      'names another host in its target',
      'GET http://evil.example.com/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      400,
    ],
    ['has a dotted path', 'GET /api/../healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 400],
    ['has an encoded dotted path', 'GET /api/%2e%2e/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 400],
    ['has a backslash in its path', 'GET /api\\..\\healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 400],
    ['has headers over their cap', `GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['has a hundred headers and one', `GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${'X: 1\r\n'.repeat(99)}\r\n`, 431],
  ] as const)
    test(`a request that ${what} gets ${status}`, async () => {
      const socket = connect(Number(new URL(server().url).port), '127.0.0.1')
      socket.write(bytes)
      const answer = await text(socket)
      assert.equal(answer.split(' ')[1], String(status), answer)
    })

  test('the correlation id of the caller comes back, one that could break a log line does not', async () => {
    const answer = await call(server(), 'GET', '/healthz', { headers: { 'x-correlation-id': 'mine-1' } })
    assert.equal(answer.headers['x-correlation-id'], 'mine-1')
    const other = await call(server(), 'GET', '/healthz', { headers: { 'x-correlation-id': 'a b' } })
    assert.match(String(other.headers['x-correlation-id']), /^[0-9a-z-]+$/)
  })
})

test('GET /readyz says 503 and why until a generation is served', async () => {
  await using server = await startServer({ ready: () => ({ ready: false, reason: 'no generation was built yet' }) })
  const answer = await call(server, 'GET', '/readyz', { token: null })
  assertProblem(answer, 503, 'NOT_READY')
  assert.match(String(answer.body.detail), /no generation was built yet/)
})

test('wrong tokens make their address wait, and none is no attempt', async () => {
  await using server = await startServer()
  for (let at = 0; at < 10; at++) assert.equal((await call(server, 'GET', '/api/v1', { token: null })).status, 401)
  for (let at = 0; at < 5; at++) assertProblem(await call(server, 'GET', '/api/v1', { token: `plumb_${at}` }), 401, 'UNAUTHORIZED')
  const answer = await call(server, 'GET', '/api/v1', { token: 'plumb_6' })
  assertProblem(answer, 429, 'TOO_MANY_ATTEMPTS')
  assert.equal(answer.headers['retry-after'], '1')
  assert.equal((await call(server, 'GET', '/healthz', { token: null })).status, 200)
})

test('whatever is wrong with a token, the answer is the same; only who has the right secret is told that it has expired', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openSqliteStore(join(directory.path, 'plumb.db'))
  const clock = { ms: Date.now() }
  const options = { makesFirst: false, log: silent, now: () => clock.ms }
  const ask = { name: 'ci', role: 'viewer', scopes: [], expires: '1m' } as const
  const foreign = await (await openTokens(store, { ...options, environment: 'prod' })).create(ask, local)
  const tokens = await openTokens(store, { ...options, environment: 'dev' })
  const [expired, revoked] = [await tokens.create(ask, local), await tokens.create(ask, local)]
  await tokens.revoke(revoked.id, local)
  clock.ms += 60_000
  await using server = await startServer({ tokens, attempts: { failed: () => 0 } }, store)
  const answers = await Promise.all(
    [
      ...['nonsense', foreign.token, revoked.token, `plumb_${'a'.repeat(12)}_${'a'.repeat(43)}`, `plumb_${expired.id}_${'a'.repeat(43)}`],
      expired.token,
    ].map(token => call(server, 'GET', '/api/v1', { token })),
  )
  assert.deepEqual(
    answers.map(({ body }) => body.code),
    [...Array.from({ length: 5 }, () => 'UNAUTHORIZED'), 'TOKEN_EXPIRED'],
  )
  assert.equal(new Set(answers.map(({ status, body }) => JSON.stringify([status, body.title, body.detail]))).size, 1)
})

test('a change is refused where it cannot be written down who asked for it, and reading goes on', async () => {
  await using server = await startServer({
    audit: { readAudit: async () => [], appendAudit: () => Promise.reject(new Error('the disk is full')) },
  })
  assertProblem(await call(server, 'POST', `${env}/sync`, { body: {} }), 503, 'AUDIT_UNAVAILABLE')
  assert.deepEqual(server.asked, [])
  assert.equal((await call(server, 'GET', `${env}/status`)).status, 200)
})

test('every schema of the table is one, and docs/admin-api.md names every code', async () => {
  const ajv = new Ajv2020({ strict: true, strictRequired: false })
  for (const row of rows) for (const schema of [row.query, row.body?.schema, row.answer.schema]) if (schema) ajv.compile(schema)
  const folder = join(import.meta.dirname, '../../../engine/admin')
  const documented = await readFile(join(import.meta.dirname, '../../../docs/admin-api.md'), 'utf8')
  const files = await Promise.all((await readdir(folder)).map(name => readFile(join(folder, name), 'utf8')))
  const codes = files.flatMap(source =>
    Array.from(source.matchAll(/'([A-Z]+(?:_[A-Z]+)+|FORBIDDEN|UNAUTHORIZED|INTERNAL)'/g), ([, code]) => code),
  )
  const named = Array.from(documented.matchAll(/^\| `([A-Z_]+)` \|/gm), ([, code]) => code)
  assert.deepEqual(
    [...new Set(codes.filter(code => code !== 'ERR_HTTP_REQUEST_TIMEOUT' && code !== 'HPE_HEADER_OVERFLOW'))].sort(),
    named.sort(),
  )
})

function assertProblem(answer: { status: number; headers: Record<string, unknown>; body: JsonObject }, status: number, code: string): void {
  assert.deepEqual([answer.status, answer.body.status, answer.body.code], [status, status, code], JSON.stringify(answer.body))
  assert.equal(answer.headers['content-type'], 'application/problem+json')
  assert.equal(answer.body.cid, answer.headers['x-correlation-id'])
  assert.match(String(answer.body.detail), /^(?:Cannot|The server) /)
  assertHeaders(answer.headers)
}

function assertHeaders(headers: Record<string, unknown>): void {
  assert.equal(headers['cache-control'], 'no-store')
  assert.equal(headers['x-content-type-options'], 'nosniff')
  assert.match(String(headers['content-security-policy']), /frame-ancestors 'none'/)
  assert.deepEqual(
    Object.keys(headers).filter(name => name.startsWith('access-control')),
    [],
  )
}
