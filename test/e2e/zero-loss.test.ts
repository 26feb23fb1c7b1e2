// A hundred pushes under load: every answer is whole, and none is lost. A push changes the channel's `content_type` in YAML and the
// code's stamp together, so that an answer shows which generation wrote each of its halves.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { AdminClient } from '../../cli/client.ts'
import { type Load, type LoadReport, startLoad } from './load.ts'
import { bootMs, call, createRemote, type Remote, type Status, startServer, type TestServer } from './server.ts'
import { contentTypeOf } from './stamps.ts'

const connections = 64
const pauseMs = 80
const pushes = 100
const brokenAfter = 50
const trials = 5

type Files = Readonly<Record<string, string>>

const environment = (probation: string): Files => ({
  'environments/dev/environment.yaml': [
    'environment: dev',
    'requireSecurity: false',
    // Only `plumb sync` looks for commits.
    `sync: { schedule: '0 0 1 1 *', probation: ${probation}, preflight: warn }`,
    '',
  ].join('\n'),
})

const stamped = (stamp: number): Files => ({
  'environments/dev/channels.yaml': [
    'channel_rest:',
    `  - { name: stamp, service: stamp.read, url_path: /stamp, public: true, content_type: ${contentTypeOf(stamp)} }`,
    `  - { name: slow, service: stamp.slow, url_path: /slow, public: true, content_type: ${contentTypeOf(stamp)}, timeout: 15 }`,
    '',
  ].join('\n'),
  'services/stamp.ts': `export const stamp = ${stamp}\n`,
})

const broken: Files = { ...stamped(0), 'services/stamp.ts': 'export const stamp = = 0\n' }

const services: Files = {
  'services/read.ts': `import { service } from 'plumb-server'
import { stamp } from './stamp.ts'

export const read = service<{ echo: number }, { stamp: number; echo: number }>({
  name: 'stamp.read',
  async handle({ echo }) {
    return { stamp, echo }
  },
})
`,
  'services/slow.ts': `import { setTimeout as sleep } from 'node:timers/promises'
import { service } from 'plumb-server'
import { stamp } from './stamp.ts'

export const slow = service<{ echo: number }, { stamp: number; echo: number }>({
  name: 'stamp.slow',
  async handle({ echo }, ctx) {
    await sleep(10_000, undefined, { signal: ctx.signal })
    return { stamp, echo }
  },
})
`,
}

test('the judge reports a build that mixes', async () => {
  const server = createServer((request, response) => {
    request.setEncoding('utf8')
    let body = ''
    request.on('data', chunk => {
      body += chunk
    })
    request.on('end', () => {
      const { echo } = JSON.parse(body)
      const stamp = 2 + Math.floor(echo / 500)
      response.setHeader('content-type', contentTypeOf(echo % 100 === 0 ? stamp - 1 : stamp))
      response.end(JSON.stringify({ stamp, echo }))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = server.address() as AddressInfo // it listens on TCP
    await using load = await startLoad({ url: `http://127.0.0.1:${port}/stamp`, connections, pauseMs: 1 })
    await load.expect(1_000)
    await new Promise(resolve => setTimeout(resolve, 500))
    const report = await load.stop()
    assert.equal(report.mixed[0], 'application/vnd.stamp-1+json around a body of 2')
    assert.match(report.stale[0] ?? '', /after 1000 was live/)
    assert.deepEqual(report.failed, [])
    assert.equal(report.connects, connections)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

describe('plumb serve under load', () => {
  let remote: Remote
  let server: TestServer
  let admin: AdminClient
  let load: Load
  let commits: readonly string[]
  let report: LoadReport | null = null

  beforeAll(async () => {
    remote = await createRemote({ ...environment('0s'), ...stamped(0), ...services })
    const plain = Array.from({ length: pushes }, (_, at) => stamped(at + 1))
    const [first, ...rest] = Array.from({ length: trials + 1 }, (_, at) => stamped(pushes + 1 + at))
    const swaps = Array.from({ length: 3 }, (_, at) => stamped(pushes + trials + 2 + at))
    commits = await remote.series([
      ...plain.slice(0, brokenAfter),
      broken,
      ...plain.slice(brokenAfter),
      ...swaps,
      { ...first, ...environment('2s') },
      ...rest,
    ])
    server = await startServer({ source: remote.url, workers: 2 })
    await server.ready()
    admin = await server.client()
    load = await startLoad({ url: `${server.channels}/stamp`, connections, pauseMs })
  }, bootMs)

  afterAll(async () => {
    await load?.[Symbol.asyncDispose]()
    await admin?.[Symbol.asyncDispose]()
    await server?.[Symbol.asyncDispose]()
    await remote?.[Symbol.asyncDispose]()
  })

  test('a hundred pushes go live one after the other, and a broken one in between changes nothing', async () => {
    for (const [at, commit] of commits.slice(0, pushes + 1).entries()) {
      if (at === brokenAfter) await refuse(commit)
      else {
        await push(commit)
        await load.expect(at < brokenAfter ? at + 1 : at)
      }
    }
    const { history } = await admin.get('history?limit=1000')
    const rows = history as unknown as { readonly serial: number; readonly generation: number; readonly revision: string }[] // as the admin API documents
    const pushed = rows.filter(({ revision }) => commits.slice(0, pushes + 1).includes(revision))
    assert.equal(new Set(pushed.map(({ generation }) => generation)).size, pushes)
    assert.equal(new Set(pushed.map(({ revision }) => revision)).size, pushes)
  }, 400_000)

  test('requests of ten seconds across three swaps end on their own generation', async () => {
    const slow = []
    for (const [at, commit] of commits.slice(pushes + 1, pushes + 4).entries()) {
      slow.push(call(`${server.channels}/slow`, { echo: at }))
      await server.until(() => true) // A round trip through control: the request above is on its way.
      await push(commit)
    }
    const answers = await Promise.all(slow)
    const expected = [pushes, pushes + trials + 2, pushes + trials + 3]
    assert.deepEqual(
      answers.map(({ status, contentType, body }) => ({ status, contentType, body })),
      expected.map((stamp, echo) => ({ status: 200, contentType: contentTypeOf(stamp), body: { stamp, echo } })),
    )
  })

  test('pushes wait for the probation of the one before, and the newest wins', async () => {
    await push(commits[pushes + 4] ?? '')
    for (const commit of commits.slice(pushes + 5)) {
      await push(commit)
      const { live } = await status()
      assert.equal(live.revision, commit)
      assert.notEqual(live.probationUntil, null)
    }
    await server.until(({ live }) => live.probationUntil === null)
  })

  test('no answer failed, was mixed or came from what was no longer live, and no connection was closed', async () => {
    report = await load.stop()
    const { failed, mixed, stale, connects, requests, elapsedMs, longestMs } = report
    process.stdout.write(`zero-loss: ${requests} answers in ${Math.round(elapsedMs)} ms, the longest took ${Math.round(longestMs)} ms\n`)
    assert.deepEqual({ failed, mixed, stale, connects }, { failed: [], mixed: [], stale: [], connects: connections })
    assert.ok(report.stamps.length > pushes / 2, `only ${report.stamps.length} stamps were seen`)
  })

  async function status(): Promise<Status> {
    return (await admin.get('status')) as unknown as Status // as the admin API documents
  }

  async function push(commit: string): Promise<void> {
    await remote.pushCommit(commit)
    const { outcome } = await admin.post('sync', {})
    const { kind, revision } = outcome as { readonly kind: string; readonly revision: string } // as the admin API documents
    assert.deepEqual({ kind, revision }, { kind: 'live', revision: commit }, JSON.stringify(outcome))
  }

  async function refuse(commit: string): Promise<void> {
    const before = await status()
    await remote.pushCommit(commit)
    const { outcome } = await admin.post('sync', {})
    const { kind, issues } = outcome as { readonly kind: string; readonly issues: readonly { readonly code: string }[] } // as the admin API documents
    assert.equal(kind, 'refused')
    assert.deepEqual(
      issues.map(({ code }) => code),
      ['TYPESCRIPT_SYNTAX'],
    )
    assert.deepEqual((await status()).live, before.live)
  }
})
