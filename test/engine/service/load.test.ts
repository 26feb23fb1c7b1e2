import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Session } from 'node:inspector'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, test } from 'vitest'
import { until } from '../../until.ts'
import { createTestRuntime, echo, unitOf } from './estate.ts'

const path = 'services/echo.ts'

test('load() gives files of one import closure one instance, whoever imports them', async () => {
  const runtime = createTestRuntime()
  const counter = { 'services/counter.ts': 'let n = 0\nexport const next = () => ++n' }
  const a = await runtime.load({ 'services/a.ts': echo('return next()', "import { next } from './counter.ts'"), ...counter })
  const b = await runtime.load({ 'services/b.ts': echo('return next()', "import { next } from './counter.ts'"), ...counter })
  assert.deepEqual([await a.run(unitOf(), {}), await b.run(unitOf(), {}), await a.run(unitOf(), {})], [1, 2, 3])
  assert.equal(runtime.moduleCount, 3)
  a.close()
  assert.equal(await b.run(unitOf(), {}), 4)
  b.close()
  assert.equal(runtime.moduleCount, 0)
})

test('load() gives a file whose import changed a new instance, and leaves what did not change', async () => {
  const runtime = createTestRuntime()
  const files = (text: string) => ({
    [path]: echo('return [word, next()]', "import { word } from './word.ts'\nimport { next } from './counter.ts'"),
    'services/word.ts': `export const word = '${text}'`,
    'services/counter.ts': 'let n = 0\nexport const next = () => ++n',
  })
  const before = await runtime.load(files('before'))
  assert.deepEqual(await before.run(unitOf(), {}), ['before', 1])
  const after = await runtime.load(files('after'))
  assert.deepEqual(await after.run(unitOf(), {}), ['after', 2])
  assert.deepEqual(await before.run(unitOf(), {}), ['before', 3])
  before.close()
  after.close()
})

test('load() resolves files that import each other as CommonJS does', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({
    [path]: echo('return [even(4), odd(4)]', "import { even } from './even.ts'\nimport { odd } from './odd.ts'"),
    'services/even.ts': "import { odd } from './odd.ts'\nexport const even = (n: number): boolean => n === 0 || odd(n - 1)",
    'services/odd.ts': "import { even } from './even.ts'\nexport const odd = (n: number): boolean => n !== 0 && even(n - 1)",
  })
  assert.deepEqual(await service.run(unitOf(), {}), [true, false])
  service.close()
  assert.equal(runtime.moduleCount, 0)
})

test('load() gives JSON files, builtins with and without prefix, and dynamic imports', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({
    [path]: echo(
      "const { late } = await import('./late.ts'); return [rates.eur, posix.join('a', 'b'), typeof createHash, late, __filename]",
      "import rates from './rates.json'\nimport { posix } from 'path'\nimport { createHash } from 'node:crypto'",
    ),
    'services/rates.json': '{ "eur": 4.3 }',
    'services/late.ts': "export const late = 'late'",
  })
  assert.deepEqual(await service.run(unitOf(), {}), [4.3, 'a/b', 'function', 'late', '/estate/services/echo.ts'])
  service.close()
})

test('load() keeps nothing of code that throws, and names its place', async () => {
  const runtime = createTestRuntime()
  const failing = runtime.load({
    [path]: echo('return 1', "import { rate } from './rates.ts'\nif (rate) throw new Error('unreached')"),
    'services/rates.ts': "setInterval(() => null, 1000)\n\nexport const rate: number = JSON.parse('{')",
  })
  await assert.rejects(failing, { code: 'SERVICE_LOAD_FAILED', at: { path: 'services/rates.ts', line: 3, column: 34 } })
  assert.equal(runtime.moduleCount, 0)
  assert.match(runtime.lines[0]?.message ?? '', /left behind setInterval of 1000 ms \(services\/rates\.ts:1:1\)/)
})

test('release ends what was forgotten and names it', async () => {
  const runtime = createTestRuntime()
  const before = process.listenerCount('SIGUSR2')
  const service = await runtime.load({
    [path]: echo(
      'return ticks',
      `import { setInterval as every } from 'node:timers'
import { setTimeout as delay } from 'node:timers/promises'
import own from 'node:process'
import { subscribe } from 'node:diagnostics_channel'
export let ticks = 0
every(() => ticks++, 100_000)
setTimeout(() => ticks++, 100_000)
void (async () => { for (;;) await delay(100_000) })()
own.on('SIGUSR2', () => null)
process.once('SIGUSR2', () => null)
subscribe('test:channel', () => null)`,
    ),
  })
  assert.equal(process.listenerCount('SIGUSR2'), before + 2)
  service.close()
  assert.equal(process.listenerCount('SIGUSR2'), before)
  assert.deepEqual(runtime.lines[0]?.fields.left, [
    'setInterval of 100000 ms (services/echo.ts:7:1)',
    'listener for "SIGUSR2" on process (services/echo.ts:10:5)',
    'listener for "SIGUSR2" on process (services/echo.ts:11:9)',
    'subscription to diagnostics channel "test:channel" (services/echo.ts:12:1)',
  ])
})

test('timers of service code behave as node says', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({
    [path]: echo(
      `
      const seen: unknown[] = []
      await new Promise<void>(done => setTimeout((a: number, b: number) => { seen.push(a + b); done() }, 1, 1, 2))
      const timer = setInterval(() => null, 1); clearInterval(timer)
      const cancelled = setTimeout(() => seen.push('never'), 1); clearTimeout(cancelled); clearTimeout(undefined)
      seen.push(await delay(1, 'value'), await promisify(setTimeout)(1, 'promisified'))
      const abort = new AbortController(); abort.abort(new Error('why'))
      seen.push(await delay(1, 'x', { signal: abort.signal }).catch((error: any) => [error.name, error.code, error.cause.message]))
      for await (const tick of interval(1, 'tick')) { seen.push(tick); break }
      const [first] = await once(request.emitter, 'later'); seen.push(first)
      return seen`,
      "import { setTimeout as delay, setInterval as interval } from 'node:timers/promises'\nimport { promisify } from 'node:util'\nimport { once } from 'node:events'",
    ),
  })
  const { EventEmitter } = await import('node:events')
  const emitter = new EventEmitter()
  emitter.on('newListener', () => setImmediate(() => emitter.emit('later', 'once')))
  assert.deepEqual(await service.run(unitOf(), { emitter }), [
    3,
    'value',
    'promisified',
    ['AbortError', 'ABORT_ERR', 'why'],
    'tick',
    'once',
  ])
  service.close()
  assert.deepEqual(runtime.lines, [])
})

test('what a callback throws after its call is logged with its place, and ends nothing', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({
    [path]: echo(`
      setTimeout(() => { throw new Error('thrown') })
      setImmediate(async () => { throw new Error('rejected') })`),
  })
  await service.run(unitOf(), {})
  await until(() => runtime.lines.length >= 2, 'two lines of log')
  assert.deepEqual(runtime.lines.map(({ message }) => message).toSorted(), [
    'Code of "services/echo.ts" threw in a setImmediate: rejected',
    'Code of "services/echo.ts" threw in a setTimeout of 1 ms: thrown',
  ])
  assert.match(JSON.stringify(runtime.lines), /services\/echo\.ts:5:/)
  service.close()
})

test('a debugger is given the name in the working tree and a source map that leads to it', async () => {
  const session = new Session()
  session.connect()
  try {
    const parsed: { url: string; sourceMapURL?: string }[] = []
    session.on('Debugger.scriptParsed', ({ params }) => parsed.push(params))
    session.post('Debugger.enable')
    const runtime = createTestRuntime({ inlineMaps: true })
    const service = await runtime.load({ [path]: echo('return 1', '// debugged') })
    assert.equal(await service.run(unitOf(), {}), 1)
    service.close()
    const script = parsed.findLast(({ url }) => url.endsWith('/estate/services/echo.ts'))
    const [, base64 = ''] = script?.sourceMapURL?.split('base64,') ?? []
    assert.deepEqual(JSON.parse(Buffer.from(base64, 'base64').toString()).sources, ['/estate/services/echo.ts'])
  } finally {
    session.disconnect()
  }
})

test('a handler can not end the process it shares', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({ [path]: echo('process.exit(1)') })
  await assert.rejects(service.run(unitOf(), {}), /Cannot call process.exit/)
  service.close()
})

let libraries = ''
beforeAll(async () => {
  libraries = await mkdtemp(join(tmpdir(), 'plumb-libraries-'))
  const files: Record<string, string> = {
    'package.json': '{}',
    'node_modules/common/index.js': 'exports.kind = "commonjs"; exports.url = require("node:path").sep',
    'node_modules/modern/package.json': '{ "type": "module", "exports": "./index.js" }',
    'node_modules/modern/index.js': 'export default "default"; export const kind = "esm"',
    'node_modules/only-import/package.json': '{ "type": "module", "exports": { ".": { "import": "./index.js" } } }',
    'node_modules/only-import/index.js': 'export const kind = "import condition"',
    'node_modules/awaiting/package.json': '{ "type": "module", "exports": "./index.js" }',
    'node_modules/awaiting/index.js': 'export const kind = await Promise.resolve("top-level await")\nexport default "awaited"',
  }
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(libraries, name)), { recursive: true })
    await writeFile(join(libraries, name), text)
  }
})
afterAll(() => rm(libraries, { recursive: true }))

test('load() requires npm packages of every form from the directory of the lockfile', async () => {
  const runtime = createTestRuntime({ dependencies: () => libraries })
  const service = await runtime.load({
    [path]: echo(
      'return [common.kind, modern, esm, importing, awaiting, awaited]',
      `import * as common from 'common'
import modern, { kind as esm } from 'modern'
import { kind as importing } from 'only-import'
import awaited, { kind as awaiting } from 'awaiting'`,
    ),
  })
  assert.deepEqual(await service.run(unitOf(), {}), ['commonjs', 'default', 'esm', 'import condition', 'top-level await', 'awaited'])
  service.close()
})

test('load() says which package is missing', async () => {
  const runtime = createTestRuntime({ dependencies: () => libraries })
  const missing = runtime.load({ [path]: echo('return gone', "import gone from 'gone'") })
  await assert.rejects(missing, { code: 'MODULE_NOT_FOUND', at: { path, line: 2, column: 18 } })
})
