// `plumb test`, as a developer runs it: on the sample estate and on a fresh one, with tests that fail, hang, or are written wrongly.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, test } from 'vitest'
import type { JsonObject } from '../../schema/json.ts'
import { temporaryDirectory } from '../directory.ts'
import { until } from '../until.ts'
import { plumb } from './command.ts'
import { copySampleEstate } from './estate.ts'
import { launcher } from './server.ts'

let estate: Awaited<ReturnType<typeof fresh>>

beforeAll(async () => {
  estate = await fresh()
}, 60_000)
afterAll(() => estate[Symbol.asyncDispose]())

test('the tests of the sample estate pass', async () => {
  await using sample = await copySampleEstate()
  const run = await plumb(['test', '--json'], { cwd: sample.directory })
  assert.equal(run.status, 0, run.stdout + run.stderr)
  const { ok, passed, failed, tests } = run.json()
  assert.deepEqual([ok, passed, failed], [true, 6, 0])
  const [first] = tests as JsonObject[]
  assert.deepEqual([first?.file, first?.outcome], ['services/client/get-client.test.ts', 'passed'])
})

test('a fresh estate has tests that pass and type-check', async () => {
  const run = await plumb(['test'], { cwd: estate.path })
  assert.equal(run.status, 0, run.stdout + run.stderr)
  assert.match(run.stdout, /^ℹ pass 3$/m)
  const compiler = join(dirname(launcher), '../node_modules/typescript-7/bin/tsc')
  const checked = spawn(process.execPath, [compiler, '-p', estate.path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const said: string[] = []
  checked.stdout.on('data', chunk => said.push(String(chunk)))
  const [status] = await once(checked, 'close')
  assert.equal(status, 0, said.join(''))
})

test('tests that fail end it with 1, at the line of the TypeScript and of the YAML, and in the JUnit file', async () => {
  await using own = await fresh({
    'services/bad.test.ts': `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createApp } from 'plumb-server/test'

test('greets & <errs>', async () => {
  await using app = await createApp()
  const answer = await app.request('POST', '/api/v1/greeting', { json: { name: 'Ada' } })
  assert.equal(answer.json.greeting, 'Bye, Ada')
})
`,
    'services/bad.test.yaml': `- name: errs in YAML
  request: { method: POST, path: /api/v1/greeting, body: { name: Ada } }
  expect:
    status: 200
    body:
      greeting: Bye, Ada
`,
  })
  const run = await plumb(['test', 'services', '--junit', 'out/junit.xml'], { cwd: own.path })
  assert.equal(run.status, 1)
  assert.match(run.stdout, /services\/bad\.test\.ts:8:10/)
  assert.match(run.stdout, /test at services\/bad\.test\.yaml:1:3/)
  assert.match(run.stdout, /services\/bad\.test\.yaml:6:17/)
  assert.match(run.stdout, /expected is 'Bye, Ada'/)
  const xml = await readFile(join(own.path, 'out/junit.xml'), 'utf8')
  assert.deepEqual(unbalanced(xml), [])
  assert.equal(xml.match(/<testcase /g)?.length, 5)
  assert.equal(xml.match(/<failure /g)?.length, 2)

  const some = await plumb(['test', '--grep', 'says hello', '--json'], { cwd: own.path })
  assert.deepEqual([some.status, some.json().passed], [0, 2])
})

test('a test that hangs is ended after its time', async () => {
  await using own = await fresh({
    'services/hangs.test.ts':
      "import { test } from 'node:test'\ntest('hangs', () => new Promise(resolve => setTimeout(resolve, 3_600_000)))\n",
  })
  const run = await plumb(['test', 'services/hangs.test.ts', '--timeout', '3s', '--json'], { cwd: own.path })
  assert.equal(run.status, 1)
  assert.match(String((run.json().tests as JsonObject[])[0]?.error), /timed out after 3000ms/)
})

for (const [what, args, files, status, said] of [
  [
    'a mistake in a test in YAML',
    [],
    { 'services/a.test.yaml': '- name: a\n  requst: {}\n' },
    1,
    /^services\/a\.test\.yaml:2:3: error UNKNOWN_FIELD: .*"request"/m,
  ],
  [
    'an estate with errors',
    [],
    { 'environments/base/more.yaml': 'channel_rst: []\n' },
    1,
    /^environments\/base\/more\.yaml:1:1: error UNKNOWN_SECTION/m,
  ],
  ['a path that is not there', ['services/nowhere'], {}, 64, /Cannot test services\/nowhere as it does not exist/],
  ['a name that no test has', ['--grep', 'nothing of the kind'], {}, 64, /Cannot find a test whose name fits "nothing of the kind"/],
  ['an expression that is none', ['--grep', '('], {}, 64, /Cannot use --grep/],
  ['a time that is none', ['--timeout', 'soon'], {}, 64, /Cannot use --timeout as it is "soon"/],
] as const)
  test(`${what} ends it with ${status} and says what is wrong`, async () => {
    await using own = await fresh(files)
    const run = await plumb(['test', ...args], { cwd: own.path })
    assert.equal(run.status, status, run.stdout + run.stderr)
    assert.match(run.stderr, said)
  })

test('a watch runs the test file that is saved, and all of them when a service is', async () => {
  await using own = await fresh()
  const watch = spawn(process.execPath, [launcher, 'test', '--watch', '--json'], { cwd: own.path, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(watch, 'exit')
  let said = ''
  watch.stdout.on('data', chunk => {
    said += String(chunk)
  })
  const runs = () =>
    said
      .split(/^(?=\{$)/m)
      .filter(text => text.endsWith('}\n'))
      .map(text => JSON.parse(text) as JsonObject)
  const run = async (at: number) => {
    await until(() => runs().length > at, `run ${at + 1}`, 120_000)
    const { ok, passed, failed } = runs()[at] ?? {}
    return [ok, passed, failed]
  }
  try {
    assert.deepEqual(await run(0), [true, 3, 0])
    const file = join(own.path, 'services/greeting/say.test.ts')
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.replace('Hello', 'Bye'))
    assert.deepEqual(await run(1), [false, 0, 1])
    await writeFile(file, text)
    assert.deepEqual(await run(2), [true, 1, 0])
    const service = join(own.path, 'services/greeting/say.ts')
    await writeFile(service, (await readFile(service, 'utf8')).replace('Hello', 'Bye'))
    assert.deepEqual(await run(3), [false, 1, 2])
  } finally {
    watch.kill('SIGTERM')
  }
  assert.deepEqual(await ended, [1, null])
})

async function fresh(files: Readonly<Record<string, string>> = {}) {
  const directory = await temporaryDirectory()
  const made = await plumb(['init', directory.path])
  assert.equal(made.status, 0, made.stderr)
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory.path, path)), { recursive: true })
    await writeFile(join(directory.path, path), text)
  }
  return directory
}

/** Tags that are not closed, or not opened; what is no tag must hold no angle bracket. */
function unbalanced(xml: string): string[] {
  const open: string[] = []
  const wrong: string[] = []
  const rest = xml.replace(
    /<\?[^>]*\?>|<!--[\s\S]*?-->|<(\/?)([\w-]+)((?:\s[\w:-]+="[^"<]*")*)\s*(\/?)>/g,
    (_tag, closes, name, _attributes, isEmpty) => {
      if (closes && open.pop() !== name) wrong.push(name)
      if (!closes && !isEmpty && name) open.push(name)
      return ''
    },
  )
  return [...wrong, ...open, ...(/</.test(rest) ? [rest.slice(rest.indexOf('<'), rest.indexOf('<') + 40)] : [])]
}
