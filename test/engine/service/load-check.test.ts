import assert from 'node:assert/strict'
import { afterAll, test } from 'vitest'
import { createLoadChecker } from '../../../engine/service/load-check.ts'
import { compiled, echo } from './estate.ts'

const checker = createLoadChecker({ heapMb: 64 })
const impatient = createLoadChecker({ deadlineMs: 300 })
afterAll(async () => {
  await checker[Symbol.asyncDispose]()
  await impatient[Symbol.asyncDispose]()
})

const check = (files: Record<string, string>, by = checker) =>
  by.check({
    services: [{ name: 'test.echo', path: Object.keys(files)[0] ?? '', exportName: 'echo' }],
    modules: [...compiled(files).values()],
    dependencies: null,
  })

const ok = 'return request'
for (const [what, text, code, line] of [
  ['throws', echo(ok, '\nconst missing: any = undefined\nmissing.field()'), 'SERVICE_LOAD_FAILED', 4],
  ['loops', echo(ok, 'let n = 0\nwhile (true) n++'), 'SERVICE_LOAD_TIMEOUT', 1],
  ['backtracks without end', echo(ok, `/^(a+)+$/.test('${'a'.repeat(40)}b')`), 'SERVICE_LOAD_TIMEOUT', 1],
  ['calls process.exit', echo(ok, '\nprocess.exit(7)'), 'SERVICE_LOAD_FAILED', 3],
  ['calls process.exit through globalThis', echo(ok, '\nglobalThis.process.exit(7)'), 'SERVICE_LOAD_EXITED', 3],
  ['aborts', echo(ok, 'globalThis.process.abort()'), 'SERVICE_LOAD_EXITED', 1],
  ['kills its process', echo(ok, "process.kill(process.pid, 'SIGKILL')"), 'SERVICE_LOAD_EXITED', 1],
  ['fills the heap', echo(ok, 'const all: unknown[] = []; for (;;) all.push(new Array(1000).fill(all.length))'), 'SERVICE_LOAD_EXITED', 1],
  ['blocks in a child', echo(ok, "import { execSync } from 'node:child_process'\nexecSync('sleep 60')"), 'SERVICE_LOAD_TIMEOUT', 1],
  ['leaves a rejection', echo(ok, '\nPromise.reject(new Error("nobody"))'), 'SERVICE_LOAD_REJECTED', 3],
  ['throws in a callback', echo(ok, '\nsetImmediate(() => { throw new Error("later") })'), 'SERVICE_LOAD_REJECTED', 3],
  ['imports a file that is not there', echo(ok, "import { other } from './other.ts'\nother()"), 'MODULE_NOT_FOUND', 2],
  ['imports a package that is not there', echo(ok, "import { other } from 'no-such-package'\nother()"), 'MODULE_NOT_FOUND', 2],
  ['exports no service', 'export const echo = { name: "test.echo" }', 'SERVICE_EXPORT_WRONG', 1],
  ['exports nothing', 'const a = 1', 'SERVICE_EXPORT_WRONG', 1],
  ['bears another name', echo(ok).replace("name: 'test.echo'", "name: ['test', 'other'].join('.')"), 'SERVICE_NAME_DIFFERS', 1],
] as const)
  test(`check() of code that ${what} says ${code}`, async () => {
    const problems = await check({ 'services/echo.ts': text }, code === 'SERVICE_LOAD_TIMEOUT' ? impatient : checker)
    assert.deepEqual(
      problems.map(problem => ({ code: problem.code, path: problem.path, line: problem.line, service: problem.service })),
      [{ code, path: 'services/echo.ts', line, service: 'test.echo' }],
      JSON.stringify(problems),
    )
  })

test('check() of compiled code that awaits at its top level says TOP_LEVEL_AWAIT', async () => {
  const [module] = compiled({ 'services/echo.ts': echo(ok) }).values()
  assert(module)
  const problems = await checker.check({
    services: [{ name: 'test.echo', path: module.path, exportName: 'echo' }],
    modules: [{ ...module, js: `${module.js}\nawait 1` }],
    dependencies: null,
  })
  assert.deepEqual(
    problems.map(({ code }) => code),
    ['TOP_LEVEL_AWAIT'],
  )
})

test('check() finds nothing wrong with code that loads, and sees no variable of the server', async () => {
  process.env.LOAD_CHECK_SECRET = 'value'
  const top = 'if (process.env.LOAD_CHECK_SECRET) throw new Error("sees it")'
  assert.deepEqual(await check({ 'services/echo.ts': echo(ok, top) }), [])
})

test('check() names every service that fails', async () => {
  const files = {
    'services/a.ts': echo(ok, 'throw new Error("a")'),
    'services/b.ts': echo(ok),
    'services/c.ts': echo(ok, 'throw new Error("c")'),
  }
  const problems = await checker.check({
    services: Object.keys(files).map(path => ({ name: 'test.echo', path, exportName: 'echo' })),
    modules: [...compiled(files).values()],
    dependencies: null,
  })
  assert.deepEqual(
    problems.map(({ path }) => path),
    ['services/a.ts', 'services/c.ts'],
  )
})

test('check() ends when its signal is aborted', async () => {
  const abort = new AbortController()
  const checking = checker.check({
    services: [{ name: 'test.echo', path: 'services/echo.ts', exportName: 'echo' }],
    modules: [...compiled({ 'services/echo.ts': echo(ok, 'for (;;) {}') }).values()],
    dependencies: null,
    signal: abort.signal,
  })
  abort.abort(new Error('stopped'))
  await assert.rejects(checking, /stopped/)
})
