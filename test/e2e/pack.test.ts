// The published package, as somebody installs it: packed, installed into a folder that has no node_modules above it, and run
// under the Nodes that people have.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, test } from 'vitest'
import { temporaryDirectory } from '../directory.ts'
import { until } from '../until.ts'
import { call, freePort } from './server.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const pinned = join(root, 'node_modules/node')
const folder = await mkdtemp(join(tmpdir(), 'plumb-pack-'))
const installed = join(folder, 'node_modules/plumb-server')
const plumb = join(folder, 'node_modules/.bin/plumb')
/** Kept between runs: forty megabytes each. */
const nodes = join(root, 'node_modules/.cache/plumb-nodes')

beforeAll(async () => {
  const archives = join(folder, 'archives')
  await mkdir(archives)
  await npm(root, 'pack', '--ignore-scripts=false', '--pack-destination', archives)
  const [archive = ''] = await readdir(archives)
  await writeFile(join(folder, 'package.json'), '{"private":true}')
  await Promise.all([npm(folder, 'install', '--ignore-scripts', join(archives, archive)), installOldNodes()])
}, 240_000)

afterAll(() => rm(folder, { recursive: true, force: true }))

test('the package holds what it runs from, and nothing else', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const packed = globSync('**/*', { cwd: installed, withFileTypes: true })
    .filter(entry => entry.isFile() && !entry.parentPath.slice(installed.length).includes('node_modules'))
    .map(entry => join(entry.parentPath, entry.name).slice(installed.length + 1))
  const strays = packed.filter(
    path =>
      !/^(dist\/.*\.(js|json)|dist\/engine\/service\/sdk\.d\.ts|dist\/cli\/kit\/test-api\.d\.ts|cli\/plumb\.cjs|[A-Z]+(\.md)?|package\.json)$/.test(
        path,
      ),
  )
  assert.deepEqual(strays, [])
  for (const path of ['LICENSE', 'README.md', 'CHANGELOG.md', 'dist/cli/main.js', 'dist/engine/process/supervisor-main.js'])
    assert(packed.includes(path), `${path} is missing`)
  assert.deepEqual(
    globSync('*.json', { cwd: join(installed, 'dist/schema/kinds') }).sort(),
    globSync('*.json', { cwd: join(root, 'schema/kinds') }).sort(),
  )
  assert.equal((await run(process.execPath, ['--version'])).stdout, `${version}\n`)
})

test('no failpoint can be armed in the package', async () => {
  for (const file of globSync('dist/**/*.js', { cwd: installed })) {
    const text = await readFile(join(installed, file), 'utf8')
    assert(!/['"]#failpoint['"]/.test(text), `${file} asks for the package import`)
  }
  await using directory = await temporaryDirectory()
  const code = `
    const { writeCurrent, readCurrent } = await import(${JSON.stringify(join(installed, 'dist/engine/generation/current.js'))})
    await writeCurrent(${JSON.stringify(directory.path)}, { serial: 1, generation: 1, manifest: 'm', fallback: null, probationUntil: null, crashes: 0, history: {} })
    process.stdout.write('written')`
  const armed = { ...process.env, FAILPOINTS: 'snapshot.tmp=kill;snapshot.fsynced=kill;snapshot.renamed=kill' }
  const flags = ['--conditions=failpoints', '--input-type=module', '-e', code]
  assert.equal((await execute(process.execPath, flags, { env: armed })).stdout, 'written')
})

for (const major of [18, 20]) {
  test(`under Node ${major} alone, plumb says in one line what to install`, async () => {
    const { status, stdout, stderr } = await run(oldNode(major), ['--version'])
    assert.deepEqual([status, stdout], [1, ''])
    assert.match(stderr, new RegExp(`^Cannot run plumb as Node ${major}\\.\\d+\\.\\d+ is too old: .*npm install node@24\\n$`))
  })
}

for (const [major, besides] of [
  [18, 'with'],
  [20, 'with'],
  [24, 'without'],
  [24, 'with'],
] as const)
  test(`under Node ${major} ${besides} the package "node" beside it, plumb makes, checks and serves an estate, and hands on its exit status`, async () => {
    await using _ = besides === 'with' ? await withPinnedNode() : null
    await using directory = await temporaryDirectory()
    assert.match((await run(nodeOf(major), ['--version'])).stdout, /^\d+\.\d+\.\d+\n$/)
    assert.equal((await run(nodeOf(major), ['init', directory.path])).status, 0)
    assert.equal((await run(nodeOf(major), ['validate', directory.path])).status, 0)
    assert.equal((await run(nodeOf(major), ['validate', '--no-such-option'])).status, 64)
    assert.deepEqual(await served(nodeOf(major), directory.path), { greeting: 'Hello, Ada' })
  })

test('an estate that init wrote validates, types included, and its tests pass', async () => {
  await using directory = await temporaryDirectory()
  assert.equal((await run(process.execPath, ['init', directory.path])).status, 0)
  const validated = await run(process.execPath, ['validate', '--types', directory.path])
  assert.equal(validated.status, 0, validated.stdout + validated.stderr)
  const tested = await run(process.execPath, ['test', directory.path])
  assert.equal(tested.status, 0, tested.stdout + tested.stderr)
})

test('the package runs where no node_modules is above it', () => {
  for (let above = dirname(folder); above !== dirname(above); above = dirname(above))
    assert(!existsSync(join(above, 'node_modules')), `${above} has a node_modules`)
})

/** What the greeting of a fresh estate answers under `plumb dev`. */
async function served(node: string, directory: string): Promise<unknown> {
  const channels = await freePort()
  const flags = ['--workers', '1', '--channels-port', String(channels), '--admin-port', String(await freePort())]
  const server = spawn(node, [plumb, 'dev', directory, ...flags], { cwd: folder, env: environment(), stdio: ['ignore', 'pipe', 'pipe'] })
  const written: string[] = []
  for (const stream of [server.stdout, server.stderr]) stream.on('data', chunk => written.push(String(chunk)))
  const ended = new Promise(resolve => server.on('exit', resolve))
  try {
    const ask = () => call(`http://127.0.0.1:${channels}/api/v1/greeting`, { name: 'Ada' }).catch(() => null)
    await until(async () => (await ask())?.status === 200, 'an answer', 60_000)
    return (await ask())?.body
  } catch (error) {
    throw new Error(written.join('').slice(-4_000), { cause: error })
  } finally {
    server.kill('SIGTERM')
    await ended
  }
}

/** The layout that `npm install node` gives, without the download. */
async function withPinnedNode(): Promise<AsyncDisposable> {
  const link = join(folder, 'node_modules/node')
  await symlink(pinned, link)
  return { [Symbol.asyncDispose]: () => rm(link) }
}

async function installOldNodes(): Promise<void> {
  if ([18, 20].every(major => existsSync(oldNode(major)))) return
  await mkdir(nodes, { recursive: true })
  await writeFile(join(nodes, 'package.json'), '{"private":true}')
  const platform = `node-${process.platform}-${process.arch}`
  await npm(nodes, 'install', '--ignore-scripts', ...[18, 20].map(major => `node-${major}@npm:${platform}@${major}`))
}

function nodeOf(major: number): string {
  return major === 24 ? process.execPath : oldNode(major)
}

function oldNode(major: number): string {
  return join(nodes, `node_modules/node-${major}/bin/node`)
}

async function npm(cwd: string, ...args: string[]): Promise<void> {
  const { status, stdout, stderr } = await execute('npm', [...args, '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
  })
  assert.equal(status, 0, `npm ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`)
}

function run(node: string, args: readonly string[]): ReturnType<typeof execute> {
  return execute(node, [plumb, ...args], { cwd: folder, env: environment() })
}

function environment(): NodeJS.ProcessEnv {
  const { NODE_PATH: _, ...env } = process.env
  return env
}

interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

function execute(file: string, args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Ended> {
  return new Promise(resolve =>
    execFile(file, [...args], { ...options, encoding: 'utf8' }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr }),
    ),
  )
}
