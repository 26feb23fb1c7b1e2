// What README promises to somebody who has just cloned the repository: one command serves the sample estate, what is saved is live
// at once, what is broken changes nothing and says where and why.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readFile, symlink } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { temporaryDirectory } from '../directory.ts'
import { until } from '../until.ts'
import { plumb } from './command.ts'
import { isFree } from './crash-estate.ts'
import { copySampleEstate, type Estate } from './estate.ts'
import { type Answer, bootMs, call, createRemote, root, type Status, startServer, type TestServer } from './server.ts'

// What the documentation promises for a save, five times over: how fast it is belongs to the benchmarks.
const patienceMs = 5 * 300

const source = 'services/client/get-client.ts'
const jane = { name: 'Jane Doe', email: 'jane@example.com', segment: 'RNZ' }

describe('plumb dev', () => {
  let estate: Estate
  let server: TestServer

  beforeAll(async () => {
    estate = await copySampleEstate()
    server = await startServer({ command: 'dev', source: estate.directory })
    await server.ready()
  }, bootMs)

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    await estate?.[Symbol.asyncDispose]()
  })

  test('prints where it serves', () => {
    assert.ok(server.output().includes(`Channels  ${server.channels.replace('127.0.0.1', 'localhost')}\n`), server.output())
    assert.ok(server.output().includes(`Admin API ${server.adminUrl.replace('127.0.0.1', 'localhost')}\n`), server.output())
  })

  test('answers the curl of README', async () => {
    // curl -d sends JSON as a form unless told otherwise.
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await call(`${server.channels}/api/v1/client`, { client_id: 123 }, { headers })
    assert.deepEqual(answer, { status: 200, contentType: 'application/json', body: jane })
  })

  test('serves the new code of a service that is saved, and loses no request meanwhile', async () => {
    await using load = keepCalling()
    const savedAt = performance.now()
    await estate.replace(source, "segment: 'RNZ'", "segment: 'ABC'")
    await load.until(({ body }) => segmentOf(body) === 'ABC')
    assert.ok(performance.now() - savedAt < patienceMs, `it took ${Math.round(performance.now() - savedAt)} ms`)
    await settled()
    assert.deepEqual(await askClient(), { status: 200, contentType: 'application/json', body: { ...jane, segment: 'ABC' } })
    await load.stop()
    assert.deepEqual(load.failures, [])
  })

  test('serves the new channel of a file that is saved, and loses no request meanwhile', async () => {
    await using load = keepCalling()
    const savedAt = performance.now()
    const dev = 'environments/dev/channels.yaml'
    await estate.save(dev, `${await estate.read(dev)}    content_type: application/vnd.client+json\n`)
    await load.until(({ contentType }) => contentType === 'application/vnd.client+json')
    assert.ok(performance.now() - savedAt < patienceMs, `it took ${Math.round(performance.now() - savedAt)} ms`)
    await settled()
    await load.stop()
    assert.deepEqual(load.failures, [])
  })

  test('changes nothing for a broken service and says file, line, column, code, reason and the way out; the repaired one goes live', async () => {
    await using load = keepCalling()
    const before = await settled()
    const sound = await estate.read(source)
    const told = server.output().length
    await estate.save(source, sound.replace("name: 'client.get',", "name: 'client.get'"))
    await until(() => /error [A-Z_]+: .*\n/.test(server.output().slice(told)), 'The flaw is told')
    const line = sound.slice(0, sound.indexOf("name: 'client.get'")).split('\n').length + 1
    assert.equal(
      withoutLog(server.output().slice(told)),
      [
        'Not applied, what was live stays live:',
        `${source}:${line}:3: error TYPESCRIPT_SYNTAX: Cannot read it as TypeScript: ',' expected; correct the syntax here`,
        '',
      ].join('\n'),
    )
    assert.deepEqual((await settled()).live, before.live)
    assert.equal(segmentOf((await askClient()).body), 'ABC')

    await estate.save(source, sound)
    await until(() => server.output().slice(told).includes('No changes: what is live is what is saved\n'), 'The repair is told')
    await estate.save(source, sound.replace("segment: 'ABC'", "segment: 'DEF'"))
    await load.until(({ body }) => segmentOf(body) === 'DEF')
    await load.stop()
    assert.deepEqual(load.failures, [])
  })

  function askClient(): Promise<Answer> {
    return call(`${server.channels}/api/v1/client`, { client_id: 123 })
  }

  /** The status once every worker serves what is live. */
  function settled(): Promise<Status> {
    return server.until(({ live, workers }) => workers.every(({ generation }) => generation === live.generation))
  }

  /** Calls the client's channel without a pause, on four connections. */
  function keepCalling() {
    const state = { isStopping: false, last: null as Answer | null }
    const failures: string[] = []
    const loops = Array.from({ length: 4 }, async () => {
      while (!state.isStopping) {
        const answer = await askClient().catch((error: Error) => error)
        if (answer instanceof Error || answer.status !== 200) failures.push(String(answer instanceof Error ? answer : answer.body))
        else state.last = answer
        await new Promise(resolve => setTimeout(resolve, 5))
      }
    })
    const stop = async () => {
      state.isStopping = true
      await Promise.all(loops)
    }
    return {
      failures: failures as readonly string[],
      stop,
      until: (holds: (answer: Answer) => boolean) => until(() => state.last !== null && holds(state.last), 'The answer'),
      [Symbol.asyncDispose]: stop,
    }
  }
})

test('the line of README serves a branch, with its state under .plumb of the working directory, where the other commands find it', async () => {
  await using remote = await createRemote('sample')
  await using directory = await temporaryDirectory()
  const [, line = ''] = /^cli\/plumb (serve --source .*)$/m.exec(await readFile(join(root, 'README.md'), 'utf8')) ?? []
  await using server = await startServer({
    line: line.split(' ').map(word => (word.startsWith('ssh://') ? remote.url : word)),
    cwd: directory.path,
    data: join(directory.path, '.plumb'),
    env: { XDG_CONFIG_HOME: join(directory.path, 'config') },
    workers: 1,
  })
  await server.until(status => status.live.serial > 0, bootMs)
  assert.equal((await call(`${server.channels}/api/v1/client`, { client_id: 123 })).status, 200)
  const told = await plumb(['status', '--json'], { cwd: directory.path })
  assert.equal(told.status, 0, told.stderr)
  assert.equal(told.json().environment, 'dev')
})

// In a copy, whose state is its own; what is installed is that of the checkout, whose setup must have nothing to do.
describe('make run', () => {
  const ports = { 'the channels': 17_010, 'the admin API': 8_183 }

  test('serves the checkout on the ports of README, and ends when it is told to', async context => {
    for (const [what, port] of Object.entries(ports))
      if (process.env.CI !== 'true' && !(await isFree(port))) return context.skip(`port ${port}, of ${what}, is taken`)
    if (process.env.CI !== 'true' && !(await isThere('make'))) return context.skip('make is not there')
    assert.equal(await readFile(join(root, 'node_modules/.plumb-setup'), 'utf8'), await readFile(join(root, 'package-lock.json'), 'utf8'))
    await using directory = await temporaryDirectory()
    const copy = join(directory.path, 'plumb')
    const left = ['node_modules', '.git', '.plumb', 'dist', 'test']
    await cp(root, copy, { recursive: true, filter: path => !left.includes(relative(root, path)) })
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
    const make = spawn('make', ['run'], { cwd: copy, detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(make, 'exit')
    const output = text(make.stdout)
    try {
      const [, line = ''] = /^curl (localhost:17010\S* -d .*)$/m.exec(await readFile(join(root, 'README.md'), 'utf8')) ?? []
      const [url = '', body = ''] = line.split(" -d '")
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      const ask = () => call(`http://${url}`, JSON.parse(body.replace(/'$/, '')), { headers }).catch(() => null)
      await until(async () => (await ask())?.status === 200 || make.exitCode !== null, 'The answer', bootMs)
      assert.deepEqual((await ask())?.body, jane)
    } finally {
      // As Ctrl-C does it: to make and all that it started.
      if (make.exitCode === null) process.kill(-(make.pid ?? 0), 'SIGINT')
      await ended
    }
    assert.match(await output, /^Channels {2}http:\/\/localhost:17010$/m)
    for (const port of Object.values(ports)) assert.ok(await isFree(port), `port ${port} is free again`)
  })
})

async function isThere(command: string): Promise<boolean> {
  const [error] = await once(spawn(command, ['--version'], { stdio: 'ignore' }), 'spawn').catch(cause => [cause])
  return error === undefined
}

function withoutLog(output: string): string {
  return output.replace(/^\d\d:\d\d:\d\d\.\d{3} .*\n/gm, '')
}

function segmentOf(body: unknown): unknown {
  return (body as { readonly segment?: unknown } | null)?.segment
}
