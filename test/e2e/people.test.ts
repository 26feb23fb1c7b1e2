// Who may do what on a real server: the first token, narrowed and revoked ones, and what the audit says of it afterwards.

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { exit } from '../../cli/run.ts'
import { isObject, type JsonObject } from '../../schema/json.ts'
import { temporaryDirectory } from '../directory.ts'
import { until } from '../until.ts'
import { plumb, type Run } from './command.ts'
import { bootMs, call, createRemote, type Remote, startServer, type TestServer } from './server.ts'

const estate = {
  'environments/dev/environment.yaml': "environment: dev\nrequireSecurity: false\nsync: { schedule: '0 0 1 1 *', probation: 0s }\n",
  'environments/dev/channels.yaml': 'channel_rest: [{ name: greet, service: greet, url_path: /greet, public: true }]\n',
  'services/greet.ts':
    "import { service } from 'plumb-server'\n\nexport const greet = service<{ secret?: string }, { ok: boolean }>({\n  name: 'greet',\n  handle: async () => ({ ok: true }),\n})\n",
}

describe('a server that several people use', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>
  let remote: Remote
  let server: TestServer
  let admin: string

  beforeAll(async () => {
    directory = await temporaryDirectory()
    remote = await createRemote(estate)
    server = await startServer({ source: remote.url, data: join(directory.path, 'data') })
    await server.ready()
  }, 2 * bootMs)

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    await remote?.[Symbol.asyncDispose]()
    await directory?.[Symbol.asyncDispose]()
  })

  test('exchanges the token of its first start for one of an admin, once', async () => {
    const first = /^First token, shown this once, .*: (\S+)$/m.exec(server.output())?.[1] ?? ''
    const file = join(directory.path, 'first.token')
    await writeFile(file, `${first}\n`)
    const exchanged = await plumb(['token', 'exchange', '--token-file', file, '--name', 'ops'], { server: server.adminUrl })
    assert.equal(exchanged.status, exit.done, exchanged.stderr)
    admin = exchanged.stdout.trim()
    assert.match(admin, /^plumb_[0-9a-z]{12}_[A-Za-z0-9_-]{43}$/)
    assert.match(exchanged.stderr, /^Token \w+ of "ops", role admin, scopes all, expires 20/)
    const again = await plumb(['token', 'exchange', '--token-file', file, '--json'], { server: server.adminUrl })
    assert.deepEqual([again.status, codeOf(again)], [exit.failed, 'UNAUTHORIZED'])
    assert.match((await asked(admin, 'token', 'whoami')).stdout, /^ops \(\w{12}\), role admin, scopes all, over TCP$/m)
  })

  test('refuses who may less, and says what is needed', async () => {
    const ci = (
      await asked(admin, 'token', 'create', '--name', 'ci', '--role', 'deployer', '--scope', 'read', '--scope', 'invoke')
    ).stdout.trim()
    assert.equal((await asked(ci, 'status')).status, exit.done)
    assert.equal((await asked(ci, 'invoke', 'greet', '-d', '{"secret":"canary-9a1f"}')).status, exit.done)
    const scoped = await asked(ci, 'sync', '--json')
    assert.deepEqual([scoped.status, codeOf(scoped)], [exit.failed, 'FORBIDDEN'])
    assert.match(scoped.stdout, /the scope sync is needed for sync/)
    assert.match((await asked(ci, 'audit', '--json')).stdout, /has the role deployer: admin is needed/)
    assert.equal((await asked(ci, 'token', 'create', '--name', 'x', '--role', 'admin')).status, exit.failed)
  })

  test('refuses a revoked token from the next request on, and cuts its event stream', async () => {
    const made = (await asked(admin, 'token', 'create', '--name', 'watcher', '--role', 'viewer', '--json')).json()
    const headers = { authorization: `Bearer ${made.token}` }
    const stream = await fetch(`${server.adminUrl}/api/v1/environments/dev/events`, { headers })
    assert.equal(stream.status, 200)
    const ended = stream.text()
    const other = await fetch(`${server.adminUrl}/api/v1/environments/dev/events`, { headers: { authorization: `Bearer ${admin}` } })
    assert.equal((await asked(admin, 'token', 'revoke', String(made.id))).stdout, `Revoked ${made.id}\n`)
    assert.match(await ended, /^retry: 1000/)
    assert.equal((await call(`${server.adminUrl}/api/v1`, undefined, { headers })).status, 401)
    assert.match((await asked(admin, 'token', 'list')).stdout, new RegExp(`^${made.id} +watcher +viewer +all +revoked`, 'm'))
    // That of another goes on.
    const reader = other.body?.getReader()
    assert.equal((await reader?.read())?.done, false)
    await reader?.cancel()
  })

  test('says 429 to whoever tries tokens, and takes a right one from the same address at once', async () => {
    const tried = async (token: string) =>
      await call(`${server.adminUrl}/api/v1`, undefined, { headers: { authorization: `Bearer ${token}` } })
    let last = await tried('plumb_wrong')
    for (let at = 0; at < 20 && last.status !== 429; at++) last = await tried(`plumb_wrong${at}`)
    assert.deepEqual([last.status, (last.body as JsonObject).code], [429, 'TOO_MANY_ATTEMPTS'])
    assert.equal((await tried(admin)).status, 200)
  })

  test('names in history and audit who did what, from where, and never a payload', async () => {
    await remote.write({ 'environments/dev/channels.yaml': estate['environments/dev/channels.yaml'].replace('/greet', '/hello') })
    await remote.push('hello')
    assert.equal((await asked(admin, 'sync')).status, exit.done)
    assert.match((await asked(admin, 'history')).stdout, /live +ops \(\w{12}\) +sync/)

    const rows = async () => (await asked(admin, 'audit', '--limit', '1000', '--json')).json().rows as readonly JsonObject[] // as documented
    await until(
      async () => (await rows()).some(row => row.action === 'generation.live' && String(row.actor).startsWith('ops (')),
      'the feed',
    )
    const found = await rows()
    const sync = found.find(row => row.action === 'sync' && row.outcome === 'done')
    assert(isObject(sync?.detail))
    assert.deepEqual([sync.via, sync.address, sync.role, sync.detail.kind], ['token', '127.0.0.1', 'admin', 'live'])
    const invoked = found.find(row => row.action === 'invoke' && row.outcome === 'asked')
    assert(isObject(invoked?.detail))
    assert.deepEqual([invoked.target, invoked.detail.payloadBytes], ['greet', 24])
    for (const [action, outcome] of [
      ['exchangeToken', 'done'],
      ['createToken', 'denied'],
      ['sync', 'denied'],
      ['revokeToken', 'done'],
      ['server', 'denied'],
      ['token.first', 'done'],
    ] as const)
      assert(
        found.some(row => row.action === action && row.outcome === outcome),
        `${action} ${outcome}`,
      )
    const text = JSON.stringify(found)
    assert(!text.includes('canary-9a1f') && !text.includes(admin) && !text.includes(admin.slice(-43)))
    const only = (await asked(admin, 'audit', '--actor', 'ci', '--since', '1h', '--json')).json().rows as readonly JsonObject[] // as documented
    assert(only.length > 0 && only.every(row => String(row.actor).startsWith('ci (')))
  })

  test('verifies its audit, and finds what was changed behind its back', async () => {
    const sound = await plumb(['audit', '--verify', '--json'], { server: `unix:${join(server.data, 'admin.sock')}` })
    const head = sound.json().head
    assert(sound.status === exit.done && isObject(head))
    await server.stop()
    const database = new DatabaseSync(join(server.data, 'plumb.db'))
    const { seq } = database.prepare("SELECT min(seq) AS seq FROM audit WHERE action = 'sync'").get() ?? {}
    database.exec(`UPDATE audit SET actor = 'mallory' WHERE seq = ${seq}`)
    database.close()
    await server[Symbol.asyncDispose]()
    server = await startServer({ source: remote.url, data: join(directory.path, 'data') })
    await server.ready()
    const broken = await plumb(['audit', '--verify', '--head', `${head.seq}:${head.hash}`], {
      server: `unix:${join(server.data, 'admin.sock')}`,
    })
    assert.equal(broken.status, exit.failed)
    assert.match(
      broken.stderr,
      new RegExp(`^Cannot trust the audit from row ${seq} on as its content is not what its hash was made of$`, 'm'),
    )
    // Tokens go on after a restart, and nothing new is printed.
    assert.equal((await asked(admin, 'status')).status, exit.done)
    assert(!server.output().includes('First token'))
  })

  async function asked(token: string, ...args: readonly string[]): Promise<Run> {
    return await plumb(args, { server: server.adminUrl, token })
  }
})

function codeOf(run: Run): unknown {
  const { error } = run.json()
  return isObject(error) ? error.code : undefined
}
