// What a server shows of itself: a request is found in the log by its correlation id, whichever process has it, and a follower loses nothing
// when the control process is killed.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, test, vi } from 'vitest'
import type { AdminClient } from '../../cli/client.ts'
import { readExposition } from '../engine/metrics/exposition-lint.ts'
import { plumb } from './command.ts'
import { bootMs, call, createRemote, kill, launcher, type Remote, startServer, type TestServer } from './server.ts'

const code = `import { service } from 'plumb-server'

export const echo = service<{ text?: string }, object>({
  name: 'echo',
  async handle(request, ctx) {
    ctx.log.info({ text: request.text ?? '' }, 'Echoing')
    if (request.text === 'fail') throw new Error('broken\\n\\u001b[31mforged')
    return { ...request }
  },
})

export const flood = service<Record<string, never>, object>({
  name: 'flood',
  async handle(_request, ctx) {
    const text = 'x'.repeat(10_000)
    for (let at = 0; at < 5_000; at++) ctx.log.info({ text }, 'Flooding')
    return {}
  },
})
`

const files = {
  'environments/dev/environment.yaml': "environment: dev\nrequireSecurity: false\nsync: { schedule: '0 0 1 1 *', probation: 0s }\n",
  'environments/dev/channels.yaml': `channel_rest:
  - { name: echo, service: echo, url_path: /echo, public: true }
  - { name: flood, service: flood, url_path: /flood, public: true }
`,
  'services/echo.ts': code,
}

interface Line {
  readonly level: number
  readonly time: number
  readonly process: string
  readonly msg: string
  readonly type?: string
  readonly service?: string
  readonly channel?: string
  readonly cid?: string
  readonly status?: number
  readonly path?: string
  readonly text?: string
}

describe('a server', () => {
  let remote: Remote
  let server: TestServer
  let admin: AdminClient
  const logs = async (query: Readonly<Record<string, string>>) => {
    const { lines } = await admin.get(`logs?${new URLSearchParams(query)}`)
    return lines as unknown as readonly Line[] // as docs/observability.md says
  }
  const echo = (text: string, cid: string, path = '/echo') =>
    call(`${server.channels}${path}`, { text }, { headers: { 'x-correlation-id': cid } })

  beforeAll(async () => {
    remote = await createRemote(files)
    server = await startServer({ source: remote.url, workers: 2 })
    await server.ready()
    admin = await server.client()
  }, bootMs)

  afterAll(async () => {
    await admin?.[Symbol.asyncDispose]()
    await server?.[Symbol.asyncDispose]()
    await remote?.[Symbol.asyncDispose]()
  })

  test('has every request in its log, under its correlation id, with what its service said', async () => {
    const cids = Array.from({ length: 20 }, (_, at) => `request-${at}`)
    for (const cid of cids) assert.equal((await echo(cid, cid)).status, 200)
    for (const cid of cids) {
      const found = await logs({ cid })
      assert.deepEqual(
        found.map(({ msg, type, service, channel, cid: of, path }) => ({ msg, type, service, channel, of, path })),
        [
          { msg: 'Echoing', type: undefined, service: 'echo', channel: undefined, of: cid, path: undefined },
          { msg: 'Answered', type: 'access', service: 'echo', channel: 'channel_rest/echo', of: cid, path: '/echo' },
        ],
      )
    }
    await vi.waitFor(() => {
      for (const cid of cids) assert.equal(server.output().split(`"cid":"${cid}"`).length, 3, cid)
    })
  })

  test('filters', async () => {
    await echo('fail', 'failing')
    await call(`${server.channels}/nowhere?token=hidden`, {}, { headers: { 'x-correlation-id': 'lost' } })
    for (const [query, holds] of [
      [{ level: 'error' }, ({ level }) => level >= 50],
      [{ service: 'echo' }, ({ service }) => service === 'echo'],
      [{ channel: 'echo' }, ({ channel }) => channel === 'channel_rest/echo'],
      [{ process: 'control' }, ({ process }) => process === 'control'],
      [{ cid: 'lost' }, ({ status, path, channel }) => status === 404 && path === '/nowhere' && channel === undefined],
      [{ since: String(Date.now() - 600_000) }, ({ time }) => time > 0],
    ] as const satisfies readonly (readonly [Readonly<Record<string, string>>, (line: Line) => boolean])[]) {
      const found = await logs(query)
      assert.ok(found.length > 0, JSON.stringify(query))
      for (const line of found) assert.ok(holds(line), `${JSON.stringify(query)}: ${JSON.stringify(line)}`)
    }
    assert.deepEqual(await logs({ cid: 'never' }), [])
    assert.equal((await logs({ limit: '3' })).length, 3)
    const lines = await logs({ limit: '1000' })
    assert.deepEqual(
      lines.map(({ time }) => time),
      lines.map(({ time }) => time).sort((a, b) => a - b),
    )
  })

  test('counts the requests it answers, each once, whatever was asked for', async () => {
    const counted = async (channel: string, status: string) => {
      const { series, faults } = readExposition(await admin.text('/metrics'))
      assert.deepEqual(faults, [])
      const found = series.filter(
        ({ name, labels }) => name === 'plumb_channel_requests_total' && labels.channel === channel && labels.status_class === status,
      )
      return found.reduce((sum, { value }) => sum + value, 0)
    }
    const before = [
      await counted('channel_rest/echo', '2xx'),
      await counted('channel_rest/echo', '4xx'),
      await counted('_none_', '4xx'),
    ] as const
    const hostile = (at: number) => call(`${server.channels}/nowhere-${at}/%22%7D%0a`, {})
    await Promise.all([
      ...Array.from({ length: 200 }, (_, at) => echo('counted', `counted-${at}`)),
      ...Array.from({ length: 50 }, (_, at) => hostile(at)),
    ])
    for (let at = 0; at < 7; at++) assert.equal((await call(`${server.channels}/echo`, { text: 5 })).status, 400)
    const after = [
      await counted('channel_rest/echo', '2xx'),
      await counted('channel_rest/echo', '4xx'),
      await counted('_none_', '4xx'),
    ] as const
    assert.deepEqual(
      after.map((value, at) => value - (before[at] ?? 0)),
      [200, 7, 50],
    )
    const text = await admin.text('/metrics')
    assert.doesNotMatch(text, /nowhere/)
    const { series } = readExposition(text)
    const value = (name: string, labels: Readonly<Record<string, string>> = {}) =>
      series.find(one => one.name === name && Object.entries(labels).every(([label, wanted]) => one.labels[label] === wanted))?.value
    assert.equal(value('plumb_generation'), (await server.until(() => true)).live.generation)
    assert.equal(value('plumb_workers', { state: 'serving' }), 2)
    assert.equal(value('plumb_resources', { kind: 'channel_rest' }), 2)
    assert.equal(value('plumb_condition', { type: 'Ready' }), 1)
    assert.equal(value('plumb_reconcile_total', { outcome: 'live' }), 1)
    assert.ok((value('plumb_reconcile_phase_duration_seconds_count', { phase: 'compile' }) ?? 0) >= 1)
    for (const process of ['control', 'worker 1', 'worker 2'])
      assert.ok((value('plumb_process_cpu_seconds_total', { process }) ?? 0) > 0, process)
  })

  test('shows lines to people, and obeys nothing in them', async () => {
    const { stdout } = await plumb(['logs', '--since', '10m', '--grep', 'FAILING'], { server: `unix:${server.data}/admin.sock` })
    assert.match(stdout, /error worker \d {2}Service "echo" failed: broken\\n\\u001b\[31mforged .*cid=failing/)
    assert.match(stdout, /POST \/echo 500 [\d.]+ ms/)
    assert.doesNotMatch(stdout, /\u001b/)
  })

  test('holds a service that floods the log to its share, and answers meanwhile', async () => {
    const flooding = call(`${server.channels}/flood`, {})
    for (let at = 0; at < 10; at++) assert.equal((await echo('meanwhile', `meanwhile-${at}`)).status, 200)
    assert.equal((await flooding).status, 200)
    await vi.waitFor(
      async () => assert.ok((await logs({ level: 'warn' })).some(({ msg }) => /lines of "flood" were left out/.test(msg))),
      30_000,
    )
    assert.ok(server.output().length < 20_000_000)
  })

  test('is followed across a kill of its control process, without a gap or a repetition', async () => {
    const follower = spawn(process.execPath, [launcher, 'logs', '-f', '--json', '--service', 'echo', '--limit', '1'], {
      env: { ...process.env, PLUMB_SERVER: `unix:${server.data}/admin.sock` },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    try {
      const written = collect(follower)
      const sent: string[] = []
      const send = async (count: number) => {
        for (let at = 0; at < count; at++) {
          const cid = `followed-${sent.length}`
          assert.equal((await echo('x', cid)).status, 200)
          sent.push(cid)
        }
      }
      await vi.waitFor(() => assert.ok(written.stdout().length > 0), 30_000)
      await send(5)
      await vi.waitFor(() => assert.deepEqual(answered(written.stdout()).toSorted(), sent.toSorted()), 30_000)
      kill((await server.pids()).control)
      await send(5)
      await vi.waitFor(() => assert.match(written.stderr(), /The server is away/), 30_000)
      await send(5)
      await vi.waitFor(() => assert.match(written.stderr(), /The server answers again/), 60_000)
      await send(5)
      await vi.waitFor(() => assert.deepEqual(answered(written.stdout()).toSorted(), sent.toSorted()), 30_000)
      follower.kill('SIGINT')
      assert.deepEqual(await once(follower, 'exit'), [0, null])
    } finally {
      follower.kill('SIGKILL')
    }
  })

  test('keeps the last words of a worker that was killed', async () => {
    await server.ready()
    await admin[Symbol.asyncDispose]()
    admin = await server.client()
    await using following = await server.client()
    const events = following.stream('logs/stream?limit=1&level=error')[Symbol.asyncIterator]()
    // What was in memory comes first; what comes after it was told to control.
    const next = async () => JSON.parse((await events.next()).value?.data ?? '{}') as Line // as docs/observability.md says
    let line = await next()
    await echo('fail', 'last-words')
    while (line.cid !== 'last-words') line = await next()
    const pid = (await server.until(() => true)).workers.find(({ id }) => line.process === `worker ${id}`)?.pid ?? 0
    kill(pid)
    await server.until(({ workers }) => workers.every(worker => worker.pid !== pid))
    assert.equal((await logs({ cid: 'last-words', level: 'error' })).length, 1)
  })
})

function collect(child: ChildProcess) {
  const written = { stdout: '', stderr: '' }
  child.stdout?.on('data', chunk => {
    written.stdout += String(chunk)
  })
  child.stderr?.on('data', chunk => {
    written.stderr += String(chunk)
  })
  return { stdout: () => written.stdout, stderr: () => written.stderr }
}

/** Correlation ids of the requests that were followed. */
function answered(stdout: string): string[] {
  return stdout
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line) as Line) // as docs/observability.md says
    .filter(({ type, cid }) => type === 'access' && cid?.startsWith('followed-'))
    .map(({ cid = '' }) => cid)
}
