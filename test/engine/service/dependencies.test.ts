import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, test } from 'vitest'
import { installDependencies } from '../../../engine/service/dependencies.ts'
import { createLines } from './estate.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'plumb-deps-'))
})
afterAll(() => rm(root, { recursive: true }))

/** A stand-in for npm: what npm does with a registry is npm's own matter, how it is run is ours. */
async function fakeNpm(script: string): Promise<string> {
  const path = join(await mkdtemp(join(root, 'npm-')), 'npm')
  await writeFile(path, `#!/bin/sh\n${script}\n`)
  await chmod(path, 0o755)
  return path
}

async function install(npm: string, given: { signal?: AbortSignal; deadlineMs?: number; name?: string } = {}) {
  const data = await mkdtemp(join(root, 'data-'))
  const directory = join(data, 'deps', given.name ?? 'digest')
  const { log, lines } = createLines()
  const { signal = new AbortController().signal, ...rest } = given
  const run = () =>
    installDependencies({ packageJson: '{"name":"estate"}', lockfile: '{"lockfileVersion":3}', directory, log, npm, signal, ...rest })
  return { directory, lines, run, leftovers: () => readdir(join(data, 'deps')) }
}

test('installDependencies() runs npm ci without scripts and without development libraries, once', async () => {
  const npm = await fakeNpm('echo "$@" > arguments; echo run >> ../runs; mkdir node_modules')
  const { directory, run, leftovers } = await install(npm)
  await run()
  await run()
  const given = await readFile(join(directory, 'arguments'), 'utf8')
  for (const argument of ['ci', '--omit=dev', '--ignore-scripts']) assert.ok(given.split(/\s/).includes(argument), given)
  assert.equal(await readFile(join(directory, 'package-lock.json'), 'utf8'), '{"lockfileVersion":3}')
  assert.deepEqual(await leftovers(), ['digest', 'runs'])
  assert.equal(await readFile(join(directory, '..', 'runs'), 'utf8'), 'run\n')
})

test('installDependencies() of one lockfile twice at once gives one directory', async () => {
  const { run, leftovers } = await install(await fakeNpm('mkdir node_modules'))
  await Promise.all([run(), run()])
  assert.deepEqual(await leftovers(), ['digest'])
})

test("installDependencies() passes none of the server's secrets on", async () => {
  process.env.PLUMB_SECRET_TEST = 'hunter22'
  const { directory, run } = await install(await fakeNpm('env > environment'))
  await run()
  assert.doesNotMatch(await readFile(join(directory, 'environment'), 'utf8'), /hunter22/)
})

for (const [what, script, said, retryable] of [
  [
    'says why',
    'echo "npm error code EUSAGE" >&2; echo "npm error The lockfile does not fit package.json" >&2; exit 1',
    /npm ci failed: The lockfile does not fit/,
    false,
  ],
  [
    'cannot reach the registry',
    'echo "npm error request to https://user:pass@registry failed ECONNREFUSED" >&2; exit 1',
    /https:\/\/\*\*\*@registry failed/,
    true,
  ],
] as const)
  test(`installDependencies() leaves nothing where npm fails and ${what}`, async () => {
    const { run, leftovers } = await install(await fakeNpm(script))
    await assert.rejects(run(), (error: Error & { retryable?: boolean }) => said.test(error.message) && error.retryable === retryable)
    assert.deepEqual(await leftovers(), [])
  })

test('installDependencies() kills npm and what it started at the deadline', async () => {
  const { run, leftovers } = await install(await fakeNpm('sleep 60'), { deadlineMs: 50 })
  await assert.rejects(run(), /did not end within 0\.05 s/)
  assert.deepEqual(await leftovers(), [])
})

test('installDependencies() stops when its signal is aborted', async () => {
  const abort = new AbortController()
  const { run, leftovers } = await install(await fakeNpm('sleep 60'), { signal: abort.signal })
  const running = run()
  setImmediate(() => abort.abort(new Error('stopped')))
  await assert.rejects(running, /stopped/)
  assert.deepEqual(await leftovers(), [])
})

test('installDependencies() says where npm is not installed', async () => {
  const { run } = await install(join(root, 'no-such-npm'))
  await assert.rejects(run(), /is not found: npm has to be on the server's PATH/)
})
