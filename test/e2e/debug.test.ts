// Debugging as an editor does it: breakpoints on lines of TypeScript, which bind through the inline source map and are set again at each
// reload; on this machine and through the tunnel. Whoever stands at a breakpoint keeps nobody else from anything.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { until } from '../until.ts'
import { plumb } from './command.ts'
import { attach, type DevTools, targetsOf } from './devtools.ts'
import { bootMs, call, createRemote, launcher, type Remote, type Status, startServer, type TestServer } from './server.ts'

const price = (comment: string, each = 7) => `import { service } from 'plumb-server'
${comment}
export const price = service<{ count: number }, { total: number }>({
  name: 'shop.price',
  async handle({ count }) {
    const each = ${each}
    const total = count * each
    return { total }
  },
})
`
/** The line that multiplies, in what `price` gives. */
const multiplies = (text: string) => text.split('\n').findIndex(line => line.includes('count * each')) + 1
const path = 'services/shop/price.ts'
const tree = (environment: string) => ({
  [path]: price('// one'),
  'environments/base/channels.yaml': `channel_rest:
  - name: price
    service: shop.price
    url_path: /price
    data_format: json
    public: true
`,
  [`environments/${environment}/environment.yaml`]: `environment: ${environment}
extends: [../base]
services: ../../services
mode: live
sync:
  probation: 0s
`,
})

describe('plumb dev --inspect', () => {
  let remote: Remote
  let server: TestServer
  let port = 0

  beforeAll(async () => {
    remote = await createRemote(tree('dev'))
    server = await startServer({ command: 'dev', source: remote.clone, workers: 1, args: ['--inspect=0'] })
    await server.ready()
    await until(() => /Debugger {2}127\.0\.0\.1:\d+/.test(server.output()), 'A port', bootMs)
    port = Number(/Debugger {2}127\.0\.0\.1:(\d+)/.exec(server.output())?.[1])
  }, bootMs)

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    await remote?.[Symbol.asyncDispose]()
  })

  test('hits a breakpoint of the .ts file, shows variables, goes on, and hits it again after a save that moved it', async () => {
    await using editor = await attach(port)
    const file = join(remote.clone, path)
    for (const text of [price('// one'), price('// two\n// lines\n// more', 9)]) {
      const before = (await server.until(() => true)).live.generation
      const isNew = (await readFile(file, 'utf8')) !== text
      if (isNew) {
        await writeFile(file, text)
        await server.until(({ live, workers }) => live.generation > before && workers.every(each => each.generation === live.generation))
      }
      await hits(server, editor, { file, text })
    }
    await writeFile(file, price('// one'))
    await server.until(({ live }) => live.generation > 2)
  })

  test('is not killed while it stands at a breakpoint for longer than a silent worker lives, and no deadline passes', async () => {
    const pids = (await server.until(() => true)).workers.map(({ pid }) => pid)
    await using editor = await attach(port)
    await editor.breakAt(join(remote.clone, path), [multiplies(price('// one'))])
    const asked = ask(server, 2)
    const paused = await editor.paused()
    const status = await server.until(({ workers }) => workers.every(({ state }) => state === 'paused'))
    assert.deepEqual(conditionOf(status), { type: 'DebuggerAttached', status: true, reason: 'WorkerPaused', actor: 'local' })
    await sleep(7_000)
    await editor.breakAt(join(remote.clone, path), [])
    await paused.resume()
    assert.deepEqual((await asked).body, { total: 14 })
    assert.deepEqual(
      (await server.until(() => true)).workers.map(({ pid }) => pid),
      pids,
    )
  })

  test('an apply waits for the only worker with a condition, and goes on when its debugger leaves', async () => {
    const editor = await attach(port)
    const file = join(remote.clone, path)
    await editor.breakAt(file, [multiplies(price('// one'))])
    const asked = ask(server, 3)
    await editor.paused()
    const { live } = await server.until(() => true)
    await writeFile(file, price('// changed', 11))
    await server.until(status => conditionOf(status)?.reason === 'ApplyWaits')
    assert.equal((await server.until(() => true)).live.generation, live.generation)
    const late = ask(server, 1)
    await editor[Symbol.asyncDispose]()
    assert.deepEqual((await asked).body, { total: 21 })
    // It came while the worker stood still: it is answered once what was applied is live, or before it is.
    assert.equal((await late).status, 200)
    await server.until(status => status.live.generation > live.generation && conditionOf(status) === null)
    await until(async () => totalOf(await ask(server, 1)) === 11, 'The new code')
  })

  test('lists targets for programs of this machine alone', async () => {
    assert.equal((await targetsOf(port)).length, 1)
    const foreign: Record<string, string>[] = [{ host: 'evil.example.com' }, { origin: 'http://evil.example.com' }]
    for (const headers of foreign) assert.equal((await call(`http://127.0.0.1:${port}/json/list`, undefined, { headers })).status, 403)
  })
})

describe('plumb debug', () => {
  let remote: Remote
  let server: TestServer
  let home = ''

  beforeAll(async () => {
    remote = await createRemote(tree('test'))
    home = await mkdtemp(join(tmpdir(), 'plumb-debug-'))
    await writeFile(join(home, 'plumb.yaml'), 'debug: { allow: true }\n')
    server = await startServer({ source: remote.url, environment: 'test', args: ['--config', join(home, 'plumb.yaml')] })
    await server.ready()
    await writeFile(join(home, 'first'), /First token, .*: (\S+)/.exec(server.output())?.[1] ?? '')
    const exchanged = await plumb(['token', 'exchange', '--token-file', join(home, 'first'), '--name', 'ops'], { server: server.adminUrl })
    await writeFile(join(home, 'token'), exchanged.stdout.trim())
  }, bootMs)

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    await remote?.[Symbol.asyncDispose]()
    await rm(home, { recursive: true, force: true })
  })

  test('tunnels an editor to a worker: the breakpoint is hit, and again after a push that moved it', async () => {
    await using tunnel = await openTunnel(server, ['--token-file', join(home, 'token')])
    await using editor = await attach(tunnel.port, 'worker 1')
    const file = `/estate/${path}`
    await hits(server, editor, { file, text: price('// one') })
    const text = price('// two\n// lines\n// more', 9)
    await remote.write({ [path]: text })
    await live(remote, server)
    await hits(server, editor, { file, text })
    const { events } = await (await server.client()).get('journal?limit=1000')
    const attached = JSON.stringify(events)
    assert.match(attached, /"debugger\.attached".*"actor":"ops \(\w+\)","address":"127\.0\.0\.1"/)
  })

  test('a worker that stands still keeps no apply from the others, and answers from what is live when it goes on', async () => {
    await using tunnel = await openTunnel(server, [], `unix:${join(server.data, 'admin.sock')}`)
    await using editor = await attach(tunnel.port, 'worker 1')
    await remote.write({ [path]: price('// one') })
    await live(remote, server)
    await editor.breakAt(`/estate/${path}`, [multiplies(price('// one'))])
    const asked = askAll(server)
    const paused = await editor.paused()
    await server.until(({ workers }) => workers.some(({ id, state }) => id === 1 && state === 'paused'))
    await remote.write({ [path]: price('// one', 13) })
    const commit = await remote.push('thirteen')
    await plumb(['sync'], { server: `unix:${join(server.data, 'admin.sock')}` })
    const status = await server.until(({ live: { revision } }) => revision === commit)
    assert.deepEqual(
      status.workers.map(({ id, state, generation }) => [id, state, generation === status.live.generation]),
      [
        [1, 'paused', false],
        [2, 'serving', true],
      ],
    )
    // On the connections that it has, requests wait for the worker that stands still.
    const late = askAll(server)
    await editor.command('Debugger.setBreakpointsActive', { active: false })
    await paused.resume()
    assert.ok((await asked).every(({ status: each }) => each === 200))
    assert.deepEqual(new Set((await late).map(totalOf)), new Set([4 * 13]))
    await server.until(({ workers, live: { generation } }) => workers.every(each => each.generation === generation))
  })

  test('a tunnel that is cut lets the worker go on', async () => {
    await using tunnel = await openTunnel(server, ['--token-file', join(home, 'token'), '--worker', '1'])
    await using editor = await attach(tunnel.port)
    const text = await readFile(join(remote.clone, path), 'utf8')
    await editor.breakAt(`/estate/${path}`, [multiplies(text)])
    const asked = askAll(server)
    await editor.paused()
    await server.until(status => conditionOf(status)?.reason === 'WorkerPaused')
    tunnel.child.kill('SIGKILL')
    assert.ok((await asked).every(({ status }) => status === 200))
    await server.until(status => conditionOf(status) === null && status.workers.every(({ state }) => state === 'serving'))
  })

  test('an operator ends all sessions', async () => {
    await using tunnel = await openTunnel(server, ['--token-file', join(home, 'token')])
    await using editor = await attach(tunnel.port)
    const ended = await plumb(['debug', '--detach', '--json'], { server: `unix:${join(server.data, 'admin.sock')}` })
    assert.deepEqual(ended.json(), { detached: 1 })
    await editor.closed
  })

  test('is refused with a wrong token', async () => {
    const refused = await plumb(['debug', '--port', '0'], { server: server.adminUrl, token: 'wrong' })
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /token/)
  })
})

test('plumb debug is refused where plumb.yaml does not allow it', async () => {
  await using remote = await createRemote(tree('test'))
  await using server = await startServer({ source: remote.url, environment: 'test', workers: 1 })
  await server.ready()
  const refused = await plumb(['debug', '--port', '0', '--json'], { server: `unix:${join(server.data, 'admin.sock')}` })
  assert.equal(refused.status, 1)
  assert.equal((refused.json().error as { code: string }).code, 'DEBUG_NOT_ALLOWED')
})

/** A request stops at the line, the variables are there, and the answer comes when it goes on. */
async function hits(server: TestServer, editor: DevTools, { file, text }: { readonly file: string; readonly text: string }): Promise<void> {
  await editor.breakAt(file, [multiplies(text)])
  const asked = askAll(server, 4)
  const paused = await editor.paused()
  assert.deepEqual([paused.path, paused.line], [file, multiplies(text)])
  const each = await paused.evaluate('each')
  assert.equal(await paused.evaluate('count'), 4)
  await editor.breakAt(file, [])
  await editor.command('Debugger.setBreakpointsActive', { active: false })
  await paused.resume()
  for (const { status, body } of await asked) assert.deepEqual([status, body], [200, { total: 4 * Number(each) }])
  await editor.command('Debugger.setBreakpointsActive', { active: true })
}

const ask = (server: TestServer, count: number) => call(`${server.channels}/price`, { count })

/** So many requests at once, over connections of their own, that each worker gets some. */
async function askAll(server: TestServer, count = 4) {
  return await Promise.all(Array.from({ length: 16 }, () => ask(server, count)))
}

function totalOf({ body }: { readonly body: unknown }): number {
  return (body as { total: number }).total
}

function conditionOf({ conditions }: Status) {
  const found = conditions.find(({ type }) => type === 'DebuggerAttached')
  if (!found) return null
  const { since: _since, ...rest } = found as typeof found & { since?: string }
  return rest
}

/** Pushes what is written and waits until all workers serve it. */
async function live(remote: Remote, server: TestServer): Promise<void> {
  const commit = await remote.push('next')
  await plumb(['sync'], { server: `unix:${join(server.data, 'admin.sock')}` })
  await server.until(
    ({ live: { revision, generation }, workers }) => revision === commit && workers.every(each => each.generation === generation),
  )
}

async function openTunnel(server: TestServer, args: readonly string[], url = server.adminUrl) {
  const child: ChildProcess = spawn(process.execPath, [launcher, 'debug', '--server', url, '--port', '0', '--json', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let written = ''
  child.stdout?.on('data', chunk => {
    written += chunk
  })
  child.stderr?.on('data', chunk => {
    written += chunk
  })
  await until(() => written.includes('}\n') || child.exitCode !== null, 'A tunnel', bootMs)
  assert.equal(child.exitCode, null, written)
  return {
    child,
    port: Number((JSON.parse(written) as { port: number }).port),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise(resolve => child.once('exit', resolve))
        child.kill('SIGTERM')
        await ended
      }
    },
  }
}
