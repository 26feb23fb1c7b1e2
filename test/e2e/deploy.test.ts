// From the editor to a server: what is saved is live there; a link that is cut, a server that is killed and an answer that is lost leave
// all of a deploy or nothing of it; git has the last word.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { type AdminClient, openClient, ServerRefusal } from '../../cli/client.ts'
import { isObject, type JsonObject } from '../../schema/json.ts'
import { until } from '../until.ts'
import { plumb } from './command.ts'
import { type CutLink, openLink } from './cut-link.ts'
import { bootMs, call, createRemote, launcher, type Remote, startServer, type TestServer } from './server.ts'

/** What is saved is live within that. */
const liveMs = 500
const patience = 5

const measured: [string, number][] = []
afterAll(() => {
  for (const [what, ms] of measured) console.log(`${what.padEnd(60)} ${String(Math.round(ms)).padStart(6)} ms`)
})

const environment = (mode: string) =>
  `environment: dev\nmode: ${mode}\nrequireSecurity: false\nsync: { schedule: '0 0 1 1 *', probation: 0s, preflight: warn }\n`
const stampFile = 'services/stamp.ts'
const otherFile = 'services/other.ts'
const stampOf = (stamp: number) => `import { service } from 'plumb-server'
import { other } from './other.ts'

export const stamp = service<Record<string, never>, { stamp: number; other: number }>({
  name: 'stamp',
  async handle() {
    return { stamp: ${stamp}, other }
  },
})
`
const otherOf = (stamp: number) => `export const other: number = ${stamp}\n`
const pair = (stamp: number) => ({ [stampFile]: stampOf(stamp), [otherFile]: otherOf(stamp) })
const estate = {
  '.gitignore': '.plumb\n',
  'environments/dev/environment.yaml': environment('live'),
  'environments/dev/channels.yaml': 'channel_rest:\n  - { name: stamp, service: stamp, url_path: /stamp, public: true }\n',
  ...pair(0),
}

interface Ground extends AsyncDisposable {
  readonly remote: Remote
  readonly server: TestServer
  readonly link: CutLink
  /** A checkout of its own that deploys come from. */
  readonly copy: string
  readonly token: string
  readonly rules: string
  write(files: Readonly<Record<string, string>>): Promise<void>
  deploy(...args: readonly string[]): ReturnType<typeof plumb>
  local(): Promise<AdminClient>
}

async function createGround(): Promise<Ground> {
  const parts = new AsyncDisposableStack()
  const home = await mkdtemp(join(tmpdir(), 'plumb-deploy-'))
  parts.defer(() => rm(home, { recursive: true, force: true, maxRetries: 5 }))
  const remote = parts.use(await createRemote(estate))
  const rules = join(home, 'rules')
  const server = parts.use(await startServer({ source: remote.url, failpoints: `@${rules}` }))
  await server.ready()
  const link = parts.use(await openLink(Number(new URL(server.adminUrl).port)))
  const copy = join(home, 'copy')
  execFileSync('git', ['clone', '--quiet', remote.url, copy])
  const token = await tokenOf(server)
  return {
    remote,
    server,
    link,
    copy,
    token,
    rules,
    async write(files) {
      for (const [path, text] of Object.entries(files)) await writeFile(join(copy, path), text)
    },
    deploy: (...args) => plumb(['deploy', ...args], { cwd: copy, server: `http://127.0.0.1:${link.port}`, token }),
    local: () => server.client(),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

/** Of somebody who may deploy and no more. */
async function tokenOf(server: TestServer): Promise<string> {
  await using client = await server.client()
  return String((await client.post('tokens', { name: 'ada', role: 'deployer' })).token)
}

async function live({ server }: Pick<Ground, 'server'>): Promise<readonly [number, number]> {
  const { body } = await call(`${server.channels}/stamp`, {})
  const { stamp, other } = body as { readonly stamp: number; readonly other: number } // as the service answers
  return [stamp, other]
}

async function serialOf(ground: Ground): Promise<number> {
  await using client = await ground.local()
  const { live: found } = await client.get('status')
  return isObject(found) ? Number(found.serial) : 0
}

async function deployed(ground: Ground): Promise<{ readonly layers: readonly JsonObject[]; readonly superseded: readonly JsonObject[] }> {
  await using client = await ground.local()
  const { deployed: found } = await client.get('status')
  return found as unknown as Awaited<ReturnType<typeof deployed>> // as the admin API documents
}

async function refusalOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    if (error instanceof ServerRefusal) return error.code
    throw error
  }
  return 'accepted'
}

describe('plumb deploy to a server that follows git', () => {
  let ground: Ground
  beforeAll(async () => {
    ground = await createGround()
  }, bootMs)
  afterAll(() => ground?.[Symbol.asyncDispose]())

  test('sends nothing where nothing is changed', async () => {
    const { status, stdout } = await ground.deploy()
    assert.deepEqual([status, stdout], [0, 'Up to date: the server has what is here\n'])
  })

  test('makes files live at once, an empty one as well, as layers that say what they lie over', async () => {
    await ground.write({ ...pair(1), 'services/empty.txt': '' })
    const { status, stdout } = await ground.deploy()
    assert.equal(status, 0, stdout)
    assert.match(stdout, /^Deploying… 3 files\nDeployed: generation 2 after /)
    assert.deepEqual(await live(ground), [1, 1])
    assert.deepEqual(
      (await deployed(ground)).layers.map(({ path }) => path),
      ['services/empty.txt', otherFile, stampFile],
    )
    await using client = await ground.local()
    const { origin, layered } = await client.get('resources/service/stamp')
    assert.match(String(origin), /^git [0-9a-f]{40}\+/)
    assert(isObject(layered) && layered.path === stampFile && /^[0-9a-f]{40}$/.test(String(layered.baseBlob)))
  })

  test('says errors with file, line and column, and changes nothing', async () => {
    const before = await serialOf(ground)
    await ground.write({ [otherFile]: 'export const other: = 2\n' })
    const { status, stdout } = await ground.deploy()
    assert.equal(status, 1)
    assert.match(stdout, /^services\/other\.ts:1:\d+: error TYPESCRIPT_SYNTAX: /m)
    assert.match(stdout, /^Not deployed: 1 error/m)
    assert.deepEqual([await serialOf(ground), await live(ground)], [before, [1, 1]])
  })

  test('takes back a file that cannot be loaded, with the line that failed', async () => {
    await ground.write({ ...pair(2), [otherFile]: `${otherOf(2)}throw new Error('not today')\n` })
    const { status, stdout } = await ground.deploy()
    assert.equal(status, 1, stdout)
    assert.match(stdout, /^services\/\w+\.ts:\d+:\d+: error SERVICE_LOAD_FAILED: /m)
    await using client = await ground.local()
    const { files } = await client.get('deploy')
    const { layers } = await deployed(ground)
    assert.deepEqual([await live(ground), layers.length, isObject(files)], [[1, 1], 3, true])
  })

  test('is answered, and not done again, where its answer was lost; one that is older, or is cut, is refused by name', async () => {
    await using client = await openClient({ server: ground.server.adminUrl, token: ground.token })
    const state = await client.get('deploy')
    const base = isObject(state.files) ? String(state.files[otherFile]) : null
    const content = Buffer.from(`${otherOf(1)}// a word\n`)
    const digest = createHash('sha256').update(content).digest('hex')
    const deploy = (id: string, sequence: number) =>
      client.post('deploy', { id, client: 'test-client', sequence, files: [{ path: otherFile, digest, base }] })
    const before = await serialOf(ground)
    assert.equal(await refusalOf(deploy('deploy-2', 2)), 'DEPLOY_TRUNCATED')
    const cut = { contents: [{ digest, base64: content.subarray(0, 9).toString('base64') }] }
    assert.equal(await refusalOf(client.post('deploy/contents', cut)), 'DEPLOY_TRUNCATED')
    assert.deepEqual(await client.post('deploy/missing', { digests: [digest] }), { missing: [digest] })
    assert.equal(await serialOf(ground), before)
    await client.post('deploy/contents', { contents: [{ digest, base64: content.toString('base64') }] })
    const first = await deploy('deploy-2', 2)
    const again = await deploy('deploy-2', 2)
    assert.deepEqual([first.repeated, again.repeated, again.outcome], [false, true, first.outcome])
    const after = await serialOf(ground)
    assert.equal(await refusalOf(deploy('deploy-1', 1)), 'DEPLOY_REPLAYED')
    assert.equal(await refusalOf(deploy('deploy-2', 3)), 'DEPLOY_REPLAYED')
    for (const path of [
      'services\\other.ts',
      '../other.ts',
      '/etc/passwd',
      'services/Zoe\u0308.ts',
      'services/Other.ts',
      '.vscode/tasks.json',
    ])
      assert.equal(
        await refusalOf(
          client.post('deploy', {
            id: `deploy-${randomBytes(4).toString('hex')}`,
            client: 'test-client',
            sequence: 9,
            files: [{ path, digest, base: null }],
          }),
        ),
        'DEPLOY_PATH',
        path,
      )
    assert.equal(await serialOf(ground), after)
  })

  for (const [what, cut] of [
    ['in the question what is missing', link => link.cutAfter(900)],
    ['at the beginning of the first part', link => link.cutAfter(2_000)],
    ['within the first part', link => link.cutAfter(500_000)],
    ['within the second part', link => link.cutAfter(1_500_000)],
    ['before the answer to a part', link => link.cutAnswerTo('POST /api/v1/environments/dev/deploy/contents ')],
    ['before the answer to the deploy', link => link.cutAnswerTo('POST /api/v1/environments/dev/deploy HTTP')],
  ] as const satisfies (readonly [string, (link: CutLink) => void])[])
    test(`goes on where the link was cut ${what}; what is live is whole all the while`, async () => {
      const stamp = Math.max(...(await live(ground))) + 1
      // Contents that fill two parts.
      const large = Object.fromEntries([1, 2].map(n => [`services/data-${n}.txt`, randomBytes(390_000).toString('hex')]))
      await ground.write({ ...pair(stamp), ...large })
      const [before, cuts] = [await serialOf(ground), ground.link.cuts()]
      cut(ground.link)
      const seen = new Set<string>()
      const watching = new AbortController()
      const watched = (async () => {
        while (!watching.signal.aborted) seen.add((await live(ground)).join())
      })()
      const { status, stdout, stderr } = await ground.deploy('--force')
      watching.abort()
      await watched
      assert.equal(status, 0, stdout + stderr)
      assert.equal(ground.link.cuts(), cuts + 1, 'the link was not cut')
      const halves = [...seen].filter(each => new Set(each.split(',')).size > 1)
      assert.deepEqual([halves, await live(ground), await serialOf(ground)], [[], [stamp, stamp], before + 1])
    })

  for (const [at, where] of [
    ['parse.done', 'before it is taken'],
    ['fetch.start', 'after it is recorded'],
    ['snapshot.fsynced', 'before the commit point'],
    ['snapshot.renamed', 'after the commit point'],
  ] as const)
    test(`ends whole where the control process is killed ${where}`, async () => {
      const [last] = await live(ground)
      const stamp = last + 1
      await ground.write(pair(stamp))
      const { control } = await ground.server.pids()
      await writeFile(ground.rules, `control:${at}=kill`)
      const deploying = ground.deploy('--force')
      await until(async () => (await ground.server.pids()).control !== control, 'the death of the control process', 60_000)
      await rm(ground.rules)
      const [one, other] = await live(ground)
      assert.equal(one, other)
      const { status, stdout, stderr } = await deploying
      assert.equal(status, 0, stdout + stderr)
      assert.deepEqual(await live(ground), [stamp, stamp])
    })

  test('gives way to a commit of the same file, and says so', async () => {
    const [stamp] = await live(ground)
    await ground.remote.write({ [otherFile]: otherOf(1000) })
    await ground.remote.push('another text')
    await using client = await ground.local()
    await client.post('sync', {})
    assert.deepEqual(await live(ground), [stamp, 1000])
    const { layers, superseded } = await deployed(ground)
    assert.equal(
      layers.some(({ path }) => path === otherFile),
      false,
    )
    assert(superseded.some(({ path, code }) => path === otherFile && code === 'DEPLOY_SUPERSEDED'))
    const { status, stdout } = await ground.deploy()
    assert.equal(status, 1)
    assert.match(stdout, /^services\/other\.ts:1:1: error DEPLOY_CONFLICT: /m)
    assert.deepEqual(await live(ground), [stamp, 1000])
  })

  test('--drop takes a layer away', async () => {
    const { status, stdout } = await ground.deploy('--drop', stampFile)
    assert.equal(status, 0, stdout)
    assert.deepEqual(await live(ground), [0, 1000])
  })

  test('is refused where the environment says mode: git, and its layers are gone with the commit that says so', async () => {
    await ground.remote.write({ 'environments/dev/environment.yaml': environment('git') })
    await ground.remote.push('git decides')
    await using client = await ground.local()
    await client.post('sync', {})
    assert.deepEqual((await deployed(ground)).layers, [])
    const { status, stdout } = await ground.deploy()
    assert.equal(status, 1)
    assert.match(stdout, /error MODE_GIT: |Not deployed: .*mode: git/)
  })
})

describe('plumb deploy --watch', () => {
  let ground: Ground
  beforeAll(async () => {
    ground = await createGround()
  }, bootMs)
  afterAll(() => ground?.[Symbol.asyncDispose]())

  test('makes a save live at once, rides over a link that is cut, and ends in good order', async () => {
    await using watching = startWatch(process.execPath, [launcher], ground)
    await watching.says('Up to date:')
    await savesAreLive(ground, watching, 'save → live')
    ground.link.cut()
    await ground.write(pair(50))
    await watching.says('Not deployed: Cannot reach')
    await ground.write(pair(51))
    assert.notEqual((await live(ground))[0], 51)
    ground.link.mend()
    await watching.says('is back')
    await until(async () => (await live(ground))[0] === 51, 'what was saved meanwhile', 30_000)
    assert.deepEqual(await live(ground), [51, 51])
    assert.equal(watching.written().match(/^Not deployed: Cannot reach/gm)?.length, 1)
    assert.equal(await watching.end(), 0)
  })

  const hasNamespaces = canMakeNamespaces()
  test.skipIf(!hasNamespaces)('from another network namespace, over a link that goes down without a word', async () => {
    await using far = await openNamespace()
    await using gate = await openLink(Number(new URL(ground.server.adminUrl).port), far.address)
    const relayed = await far.relay(gate.port)
    await using watching = startWatch('ip', ['netns', 'exec', far.name, process.execPath, launcher], ground, relayed)
    await watching.says('Up to date:')
    await savesAreLive(ground, watching, 'save → live from another network namespace')
    far.down()
    await ground.write(pair(60))
    await watching.says('Not deployed: Cannot reach')
    assert.notEqual((await live(ground))[0], 60)
    far.up()
    await watching.says('is back')
    await until(async () => (await live(ground))[0] === 60, 'what was saved meanwhile', 30_000)
    assert.deepEqual(await live(ground), [60, 60])
    assert.equal(await watching.end(), 0)
  })
})

async function savesAreLive(ground: Ground, watching: Watching, what: string): Promise<void> {
  const times: number[] = []
  const [first] = await live(ground)
  for (let stamp = first + 1; stamp <= first + 5; stamp++) {
    const turns = watching.turns()
    const savedAt = performance.now()
    await ground.write(pair(stamp))
    await until(async () => (await live(ground)).every(each => each === stamp), `stamp ${stamp}`, patience * liveMs * 2).catch(error =>
      Promise.reject(new Error(`${error.message}: ${watching.written()}`)),
    )
    times.push(performance.now() - savedAt)
    await until(() => watching.turns() > turns, 'the line of it')
  }
  const median = times.toSorted((a, b) => a - b)[2] ?? Number.NaN
  measured.push([`${what}, median of ${times.length}`, median], [`${what}, best`, Math.min(...times)])
  assert(median <= patience * liveMs, `${what}: ${Math.round(median)} ms, promised are ${liveMs} ms`)
}

interface Watching extends AsyncDisposable {
  written(): string
  /** How many deploys went live. */
  turns(): number
  /** Waits until it says so, after what it said when this was asked last. */
  says(text: string): Promise<void>
  end(): Promise<number | null>
}

function startWatch(command: string, before: readonly string[], ground: Ground, port = ground.link.port): Watching {
  const child = spawn(command, [...before, 'deploy', '--watch', '--server', `http://127.0.0.1:${port}`], {
    cwd: ground.copy,
    env: { ...process.env, PLUMB_TOKEN: ground.token, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const chunks: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => chunks.push(String(chunk)))
  const ended = new Promise<number | null>(resolve => child.on('close', resolve))
  const written = () => chunks.join('')
  let from = 0
  return {
    written,
    turns: () => written().match(/^Deployed:/gm)?.length ?? 0,
    async says(text) {
      await until(() => written().includes(text, from), `"${text}"`, 60_000).catch(error =>
        Promise.reject(new Error(`${error.message}: ${written()}`)),
      )
      from = written().indexOf(text, from) + text.length
    },
    end() {
      child.kill('SIGINT')
      return ended
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

function canMakeNamespaces(): boolean {
  const name = `plumb-try-${process.pid}`
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'ignore' })
    execFileSync('ip', ['netns', 'delete', name], { stdio: 'ignore' })
    return true
  } catch {
    return false // not root, or no such kernel
  }
}

/** A network namespace with a link to this one. Inside, a relay on loopback leads to a port of this side, as an SSH tunnel would. */
async function openNamespace() {
  const name = `plumb-${process.pid}`
  const [near, inside] = [`pl${process.pid}a`, `pl${process.pid}b`]
  const net = `10.213.${process.pid % 250}`
  const ip = (...args: string[]) => execFileSync('ip', args)
  ip('netns', 'add', name)
  ip('link', 'add', near, 'type', 'veth', 'peer', 'name', inside, 'netns', name)
  ip('address', 'add', `${net}.1/24`, 'dev', near)
  ip('link', 'set', near, 'up')
  ip('-n', name, 'address', 'add', `${net}.2/24`, 'dev', inside)
  ip('-n', name, 'link', 'set', inside, 'up')
  ip('-n', name, 'link', 'set', 'lo', 'up')
  const children: ReturnType<typeof spawn>[] = []
  return {
    name,
    address: `${net}.1`,
    async relay(port: number): Promise<number> {
      const script = `const net = require('node:net')
        net.createServer(one => { const other = net.connect(${port}, '${net}.1'); one.pipe(other).pipe(one)
          for (const each of [one, other]) each.on('error', () => { one.destroy(); other.destroy() }) })
          .listen(0, '127.0.0.1', function () { console.log(this.address().port) })`
      const child = spawn('ip', ['netns', 'exec', name, process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
      children.push(child)
      return new Promise((resolve, reject) => {
        child.stdout?.once('data', chunk => resolve(Number(String(chunk))))
        child.once('exit', () => reject(new Error('the relay ended')))
      })
    },
    down: () => ip('link', 'set', near, 'down'),
    up: () => ip('link', 'set', near, 'up'),
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill('SIGKILL')
      ip('link', 'delete', near)
      ip('netns', 'delete', name)
    },
  }
}

describe('plumb deploy to plumb dev', () => {
  let remote: Remote
  let server: TestServer
  let home: string
  let copy: string
  let token: string
  const deploy = (...args: readonly string[]) => plumb(['deploy', ...args], { cwd: copy, server: server.adminUrl, token })

  beforeAll(async () => {
    remote = await createRemote(estate)
    home = await mkdtemp(join(tmpdir(), 'plumb-deploy-'))
    copy = join(home, 'copy')
    await cp(remote.clone, copy, { recursive: true })
    server = await startServer({ command: 'dev', source: remote.clone })
    await server.ready()
    token = await tokenOf(server)
  }, bootMs)
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    await remote?.[Symbol.asyncDispose]()
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  })

  test('writes into its folder once the whole compiles, and is live', async () => {
    for (const [path, text] of Object.entries(pair(1))) await writeFile(join(copy, path), text)
    const { status, stdout, stderr } = await deploy()
    assert.equal(status, 0, stdout + stderr)
    assert.equal(await readFile(join(remote.clone, otherFile), 'utf8'), otherOf(1))
    assert.deepEqual(await live({ server }), [1, 1])
  })

  test('writes nothing where it does not compile', async () => {
    await writeFile(join(copy, otherFile), 'export const other: = 2\n')
    const { status, stdout } = await deploy()
    assert.equal(status, 1)
    assert.match(stdout, /^services\/other\.ts:1:\d+: error TYPESCRIPT_SYNTAX/m)
    assert.equal(await readFile(join(remote.clone, otherFile), 'utf8'), otherOf(1))
  })

  test('writes over no file that was edited there, unless it is forced', async () => {
    await writeFile(join(remote.clone, otherFile), otherOf(77))
    await until(async () => (await live({ server }))[1] === 77, 'what was edited there')
    for (const [path, text] of Object.entries(pair(3))) await writeFile(join(copy, path), text)
    const { stdout } = await deploy()
    assert.match(stdout, /^services\/other\.ts:1:1: error DEPLOY_CONFLICT: /m)
    assert.equal(await readFile(join(remote.clone, otherFile), 'utf8'), otherOf(77))
    assert.equal((await deploy('--force')).status, 0)
    assert.deepEqual(await live({ server }), [3, 3])
  })
})
