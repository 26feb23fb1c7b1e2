// TLS as clients see it: the programs openssl and curl, and the command itself, against both ports of a real server.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'undici'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { type Authority, createAuthority, fingerprintIn, fingerprintOf, hasCurl, hasOpenssl, install, type Pair } from '../certificates.ts'
import { temporaryDirectory } from '../directory.ts'
import { until } from '../until.ts'
import { plumb } from './command.ts'
import { bootMs, createRemote, kill, launcher, type Remote, startServer, type TestServer } from './server.ts'

const answer = /"name":"Jane Doe"/
const waitMs = bootMs

describe.skipIf(!hasOpenssl || !hasCurl)('plumb serve with TLS', { timeout: 4 * bootMs }, () => {
  const held: { authority?: Authority; remote?: Remote; server?: TestServer; pair?: Pair; one?: Pair } = {}
  beforeAll(async () => {
    held.authority = await createAuthority()
    held.remote = await createRemote('sample')
    held.one = await held.authority.issue('one')
    held.pair = { cert: join(held.authority.directory, 'tls.crt'), key: join(held.authority.directory, 'tls.key') }
    await install(held.one, held.pair)
    const args = ['--tls-cert', held.pair.cert, '--tls-key', held.pair.key]
    held.server = await startServer({ source: held.remote.url, args })
    await held.server.ready()
  }, 2 * bootMs)
  afterAll(async () => {
    await held.server?.[Symbol.asyncDispose]()
    await held.remote?.[Symbol.asyncDispose]()
    await held.authority?.[Symbol.asyncDispose]()
  })
  const parts = () => {
    assert(held.authority && held.server && held.pair && held.one)
    const { authority, server, pair, one } = held
    const [channels, admin] = [portOf(server.channels), portOf(server.adminUrl)]
    return { authority, server, pair, one, channels, admin }
  }

  test('prints addresses with https', () => {
    const { server, channels, admin } = parts()
    assert.match(server.output(), new RegExp(`Channels  https://127\\.0\\.0\\.1:${channels}\nAdmin API https://127\\.0\\.0\\.1:${admin}\n`))
  })

  for (const port of ['channels', 'admin'] as const) {
    test(`openssl s_client verifies the ${port} port, by TLS 1.2 and 1.3 and no less, over HTTP/1.1 alone`, async () => {
      const { authority, [port]: number } = parts()
      for (const version of ['tls1_2', 'tls1_3']) {
        const said = await sClient(number, ['-CAfile', authority.ca, '-verify_return_error', `-${version}`, '-alpn', 'h2,http/1.1'])
        assert.match(said, /Verify return code: 0 \(ok\)/)
        assert.match(said, /ALPN protocol: http\/1\.1/)
      }
      assert.match(await sClient(number, ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0']), /alert protocol version|no protocols available/)
      assert.match(await sClient(number, ['-alpn', 'h2']), /no application protocol/)
    })

    test(`curl verifies the ${port} port, and trusts nobody else's certificate`, async () => {
      const { authority, [port]: number } = parts()
      const healthy = await curl(`https://localhost:${number}/healthz`, '--cacert', authority.ca)
      assert.deepEqual([healthy.status, healthy.http], [0, 200])
      assert.equal((await curl(`https://localhost:${number}/healthz`)).status, 60)
    })

    test(`the ${port} port closes what is no TLS without an answer, and serves on`, async () => {
      const { authority, [port]: number } = parts()
      for (const bytes of ['GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n', '\0'.repeat(64), '\x16\x03\x01\xff\xff'.repeat(5_000)])
        assert.doesNotMatch(await sendPlain(number, bytes), /HTTP/)
      assert.equal((await curl(`https://localhost:${number}/healthz`, '--cacert', authority.ca)).http, 200)
    })

    test(`the ${port} port does not renegotiate`, async () => {
      const said = await sClient(parts()[port], ['-tls1_2'], 'R\n')
      assert.match(said, /no renegotiation/i)
    })
  }

  test('a service answers over TLS, with keep-alive and a body of many records', async () => {
    const { authority, channels } = parts()
    const url = `https://localhost:${channels}/api/v1/client`
    const made = await curl(url, '--cacert', authority.ca, '-d', '{"client_id":123}', '-H', 'content-type: application/json')
    assert.equal(made.http, 200)
    assert.match(made.body, answer)
    const large = `{"client_id":123${' '.repeat(100_000)}}`
    assert.match((await curl(url, '--cacert', authority.ca, '-d', large, '-H', 'content-type: application/json')).body, answer)
  })

  test('the command reaches the server by --ca-file, and says what is wrong with a certificate, a name or a scheme', async () => {
    const { authority, server: served, admin } = parts()
    await using local = await served.client()
    const token = String((await local.post('tokens', { name: 'looker', role: 'viewer' })).token)
    const ask = (server: string, ...args: string[]) => plumb(['status', '--server', server, ...args], { token })
    const good = await ask(`https://localhost:${admin}`, '--ca-file', authority.ca)
    assert.equal(good.status, 0, good.stderr)
    assert.match(good.stdout, /CertificateInvalid +false, AsConfigured/)
    for (const [server, args, expected] of [
      [`https://localhost:${admin}`, [], /nothing that this machine trusts signed its certificate; .* --ca-file/],
      [`http://localhost:${admin}`, [], /name it with https:\/\//],
    ] as const) {
      const { status, stderr } = await ask(server, ...args)
      assert.equal(status, 69)
      assert.match(stderr, expected)
    }
    const plain = await ask('http://plumb.example.com:8183')
    assert.equal(plain.status, 64)
    assert.match(plain.stderr, /^Cannot send the token to .*: a server with https:\/\/.*--insecure-http/)
  })

  test('a renewed certificate is served while connections go on: none is dropped', async () => {
    const { authority, server, pair, channels } = parts()
    await using load = await startTlsLoad(channels, authority.ca)
    for (const name of ['two', 'three', 'four']) {
      const next = await authority.issue(name)
      await install(next, pair)
      await until(async () => (await servedOn(channels)) === (await fingerprintOf(next.cert)), `${name} on the channels' port`, waitMs)
      await until(async () => (await servedOn(parts().admin)) === (await fingerprintOf(next.cert)), `${name} on the admin port`, waitMs)
    }
    const report = await load.stop()
    assert.deepEqual(report.failed, [])
    assert.equal(report.connects, report.connections, 'a connection was opened anew')
    assert(report.requests > 20, `${report.requests} requests`)
    assert.match(server.output(), /"type":"certificate\.renewed"/)
  })

  for (const [what, reason, spoil] of [
    ['a certificate without its key', 'KeyMismatch', async (to: Pair, from: Pair) => copyFile(from.cert, to.cert)],
    ['half a certificate', 'Malformed', async (to: Pair, from: Pair) => writeFile(to.cert, (await readFile(from.cert)).subarray(0, 200))],
    ['an expired pair', 'Expired', (to: Pair, _from: Pair, old: Pair) => install(old, to)],
  ] as const)
    test(`${what} changes nothing but one condition, ${reason}, also for processes that start anew; the next pair is taken`, async () => {
      const { authority, server, pair, channels, admin } = parts()
      const before = await servedOn(channels)
      const next = await authority.issue(`after-${reason}`)
      await spoil(pair, next, await authority.issue(`old-${reason}`, { days: -1 }))
      await server.until(({ conditions }) => holds(conditions, reason), waitMs)
      const { control, workers } = await server.pids()
      for (const pid of [control, workers[0] ?? 0]) kill(pid)
      await server.until(
        ({ conditions, workers: now }) => holds(conditions, reason) && now.every(({ pid }) => pid !== workers[0]) && now.length === 2,
        waitMs,
      )
      await server.ready()
      for (let at = 0; at < 8; at += 1) assert.equal(await servedOn(channels), before)
      assert.equal(await servedOn(admin), before)
      await install(next, pair)
      await server.until(({ conditions }) => !conditions.some(({ type, status }) => type === 'CertificateInvalid' && status), waitMs)
      const expected = await fingerprintOf(next.cert)
      await until(async () => (await servedOn(channels)) === expected && (await servedOn(admin)) === expected, 'the next pair', waitMs)
      assert.doesNotMatch(server.output(), /PRIVATE KEY/)
    })
})

describe.skipIf(!hasOpenssl || !hasCurl)('plumb serve with TLS of both sides', { timeout: 4 * bootMs }, () => {
  const held: { authority?: Authority; stranger?: Authority; remote?: Remote; server?: TestServer } = {}
  beforeAll(async () => {
    const authority = await createAuthority()
    Object.assign(held, { authority, stranger: await createAuthority(), remote: await createRemote('sample') })
    const pair = await authority.issue('server')
    const config = join(authority.directory, 'plumb.yaml')
    const tls = { ...pair, clientCa: 'ca.pem' }
    await writeFile(config, JSON.stringify({ listen: { tls, adminTls: { ...tls, clientAuth: 'request' } } }))
    held.server = await startServer({ source: held.remote?.url ?? '', args: ['--config', config] })
    await held.server.ready()
  }, 2 * bootMs)
  afterAll(async () => {
    for (const one of [held.server, held.remote, held.authority, held.stranger]) await one?.[Symbol.asyncDispose]()
  })

  test('a client that the authority signed is served, one without a certificate, of another authority or expired is not', async () => {
    const { authority, stranger, server } = held
    assert(authority && stranger && server)
    const url = `https://localhost:${portOf(server.channels)}/healthz`
    const by = ({ cert, key }: Pair) => ['--cert', cert, '--key', key]
    const known = await authority.issue('known', { subject: '/CN=client' })
    for (const version of ['1.2', '1.3']) {
      const asked = (...args: string[]): Promise<Curled> =>
        curl(url, '--cacert', authority.ca, `--tlsv${version}`, '--tls-max', version, ...args)
      assert.deepEqual((await asked(...by(known))).http, 200)
      assert.deepEqual((await asked()).http, 0)
      assert.deepEqual((await asked(...by(await stranger.issue('stranger')))).http, 0)
      assert.deepEqual((await asked(...by(await authority.issue('expired', { days: -1 })))).http, 0)
    }
    const said = await sClient(portOf(server.channels), ['-CAfile', authority.ca, '-cert', known.cert, '-key', known.key])
    assert.match(said, /Acceptable client certificate CA names\nCN = Test authority/)
    assert.match(said, /Verify return code: 0 \(ok\)/)
  })

  test('clientAuth: request lets in who shows nothing, and nobody who shows what does not verify', async () => {
    const { authority, stranger, server } = held
    assert(authority && stranger && server)
    const asked = (...args: string[]) => curl(`https://localhost:${portOf(server.adminUrl)}/healthz`, '--cacert', authority.ca, ...args)
    const [known, unknown] = [await authority.issue('known'), await stranger.issue('stranger')]
    assert.equal((await asked()).http, 200)
    assert.equal((await asked('--cert', known.cert, '--key', known.key)).http, 200)
    assert.equal((await asked('--cert', unknown.cert, '--key', unknown.key)).http, 0)
  })
})

describe('plumb serve on an address that others reach', { timeout: 4 * bootMs }, () => {
  test('is refused before a port is open, with the field, the reason and the ways out', async () => {
    await using directory = await temporaryDirectory()
    const config = join(directory.path, 'plumb.yaml')
    await writeFile(config, 'environment: dev\nsource: { git: https://git.example.com/a.git }\nlisten:\n  channels: 0.0.0.0:0\n')
    const { status, stderr } = await plumb(['serve', '--config', config])
    assert.equal(status, 64)
    assert.match(stderr, /plumb\.yaml:4:13/)
    assert.match(stderr, /"listen\.channels" as other machines reach it.*"listen\.tls".*"listen\.behindProxy: true".*127\.0\.0\.1/)
  })

  test.skipIf(!hasOpenssl || !hasCurl)('serves by TLS there', async () => {
    await using authority = await createAuthority()
    await using remote = await createRemote('sample')
    const { cert, key } = await authority.issue('server')
    const config = join(authority.directory, 'plumb.yaml')
    const listen = { channels: '0.0.0.0:0', admin: '0.0.0.0:0', tls: { cert, key } }
    await writeFile(config, JSON.stringify({ environment: 'dev', source: { git: remote.url, allowLocal: true }, workers: 1, listen }))
    const data = join(authority.directory, 'data')
    const binder = spawn(process.execPath, [
      launcher,
      'serve',
      '--config',
      config,
      '--data',
      data,
      '--seal-key',
      join(authority.directory, 'seal.key'),
    ])
    const written: string[] = []
    binder.stdout.on('data', chunk => written.push(String(chunk)))
    const port = (name: string) => new RegExp(`${name} +https://0\\.0\\.0\\.0:(\\d+)`).exec(written.join(''))?.[1]
    try {
      await until(() => port('Admin API') !== undefined, 'the addresses', bootMs)
      for (const name of ['Channels', 'Admin API'])
        await until(
          async () => (await curl(`https://localhost:${port(name)}/healthz`, '--cacert', authority.ca)).http === 200,
          name,
          bootMs,
        )
    } finally {
      const ended = new Promise(resolve => binder.on('exit', resolve))
      binder.kill('SIGTERM')
      await ended
    }
  })
})

function holds(
  conditions: readonly { readonly type: string; readonly status: boolean; readonly reason: string }[],
  reason: string,
): boolean {
  return conditions.some(condition => condition.type === 'CertificateInvalid' && condition.status && condition.reason === reason)
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

/** What `openssl s_client` writes; it ends at the end of `input`. */
async function sClient(port: number, args: readonly string[], input = ''): Promise<string> {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args])
  child.stdin.on('error', () => undefined) // it ended before it had read all
  if (input === '') child.stdin.end()
  else {
    child.stdout.once('data', () => child.stdin.write(input))
    setTimeout(() => child.stdin.end(), 1_500).unref()
  }
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return stdout + stderr
}

async function servedOn(port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const child = execFile('openssl', ['x509', '-noout', '-fingerprint', '-sha256'], (_error, stdout) => resolve(fingerprintIn(stdout)))
  child.stdin?.on('error', () => undefined) // it was given nothing
  child.stdin?.end(await sClient(port, ['-showcerts']))
  return await promise
}

interface Curled {
  /** Of curl itself. */
  readonly status: number
  /** 0 where there was no answer. */
  readonly http: number
  readonly body: string
}

async function curl(url: string, ...args: readonly string[]): Promise<Curled> {
  const { promise, resolve } = Promise.withResolvers<Curled>()
  execFile('curl', ['-sS', '--max-time', '20', '-w', '\n%{http_code}', ...args, url], (error, stdout) => {
    const end = stdout.lastIndexOf('\n')
    resolve({ status: error ? Number(error.code) : 0, http: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) })
  })
  return await promise
}

/** What came back until the far end closed. */
async function sendPlain(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const received: Buffer[] = []
  socket.on('data', chunk => received.push(chunk))
  socket.on('error', () => undefined) // reset, where bytes were left unread
  socket.write(bytes, 'latin1')
  await new Promise(resolve => socket.on('close', resolve))
  return Buffer.concat(received).toString('latin1')
}

interface TlsLoad extends AsyncDisposable {
  stop(): Promise<{
    readonly requests: number
    readonly connects: number
    readonly connections: number
    readonly failed: readonly string[]
  }>
}

/** Keep-alive connections that ask one request after the other; resolves once each has had an answer. */
async function startTlsLoad(port: number, ca: string): Promise<TlsLoad> {
  const connections = 8
  const counts = { requests: 0, connects: 0 }
  const failed: string[] = []
  const state = { isStopping: false }
  const trusted = await readFile(ca, 'utf8')
  const clients = Array.from(
    { length: connections },
    () => new Client(`https://localhost:${port}`, { connect: { ca: trusted }, pipelining: 1 }),
  )
  const ask = async (client: Client) => {
    try {
      const body = JSON.stringify({ client_id: 123 })
      const { statusCode, body: came } = await client.request({
        method: 'POST',
        path: '/api/v1/client',
        headers: { 'content-type': 'application/json' },
        body,
      })
      if (statusCode !== 200 || !answer.test(await came.text())) failed.push(`status ${statusCode}`)
    } catch (error) {
      failed.push(String(error))
    }
    counts.requests += 1
  }
  for (const client of clients)
    client.on('connect', () => {
      counts.connects += 1
    })
  await Promise.all(clients.map(ask))
  const running = Promise.all(
    clients.map(async client => {
      while (!state.isStopping) {
        await ask(client)
        await sleep(20)
      }
    }),
  )
  return {
    async stop() {
      state.isStopping = true
      await running
      return { ...counts, connections, failed }
    },
    async [Symbol.asyncDispose]() {
      state.isStopping = true
      await running
      await Promise.all(clients.map(client => client.destroy()))
    },
  }
}
