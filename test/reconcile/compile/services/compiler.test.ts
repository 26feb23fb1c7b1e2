import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import vm from 'node:vm'
import { afterAll, describe, test, vi } from 'vitest'
import type { CompiledServices } from '../../../../reconcile/compile/desired.ts'
import { createServiceCompiler } from '../../../../reconcile/compile/services/compiler.ts'
import { TypeScript } from '../../../../reconcile/compile/services/typescript.ts'
import { digestOfBytes } from '../../../../schema/digest.ts'
import type { Issue } from '../../../../schema/issue.ts'
import { builtinVocabulary } from '../../../../schema/vocabulary.ts'
import { memoryTree } from '../../../tree.ts'

const compiler = createServiceCompiler({ cacheDirectory: null })
const vocabulary = builtinVocabulary()
afterAll(() => compiler[Symbol.asyncDispose]())

const head = "import { service } from 'plumb-server'\n"
const compile = (files: Record<string, string>, directory = 'services') =>
  compiler.compileServices(memoryTree(files), directory, vocabulary)
const compileOne = (code: string, others: Record<string, string> = {}) => compile({ 'services/s.ts': code, ...others })
const shown = (issues: readonly Issue[]) => issues.map(({ code, at }) => `${code} ${at?.path}:${at?.line}:${at?.column}`)
const names = ({ services }: CompiledServices) => services.map(({ name, exportName }) => `${name} ${exportName}`)

describe('a service is found', () => {
  for (const [what, code, exportName] of [
    ['as an exported constant', `${head}export const s = service({ name: 'a', handle: () => 1 })`, 's'],
    ['as a constant exported below', `${head}const s = service({ name: 'a', handle: () => 1 })\nexport { s as t }`, 't'],
    ['as the default export', `${head}export default service({ name: 'a', handle: () => 1 })`, 'default'],
    ['as a constant that is the default export', `${head}const s = service({ name: 'a', handle: () => 1 })\nexport default s`, 'default'],
    [
      'under another local name',
      "import { service as declare } from 'plumb-server'\nexport const s = declare({ name: 'a', handle: () => 1 })",
      's',
    ],
    [
      'through a namespace import',
      "import * as plumb from 'plumb-server'\nexport const s = plumb.service({ name: 'a', handle: () => 1 })",
      's',
    ],
    ['with `satisfies`', `${head}export const s = service({ name: 'a', handle: () => 1 }) satisfies object`, 's'],
  ] as const)
    test(what, async () => {
      const compiled = await compileOne(code)
      assert.deepEqual({ names: names(compiled), issues: compiled.issues }, { names: [`a ${exportName}`], issues: [] })
    })

  test('with its place, JSDoc and several in one file, in order of name', async () => {
    const { services } = await compileOne(
      `${head}\n/** The second. */\nexport const b = service({ name: 'b', handle: () => 1 })\nexport const a = service({ name: 'a', description: 'The first', handle: () => 1 })`,
    )
    assert.deepEqual(
      services.map(({ name, description, at }) => [name, description, at.line, at.column]),
      [
        ['a', 'The first', 5, 34],
        ['b', 'The second.', 4, 34],
      ],
    )
  })

  test('only in service code: not in tests, declarations, libraries, or another folder', async () => {
    const code = `${head}export const s = service({ name: 'a', handle: () => 1 })`
    const paths = ['services/a.test.ts', 'services/a.d.ts', 'services/node_modules/a/a.ts', 'other/a.ts', 'servicesx/a.ts']
    assert.deepEqual(names(await compile(Object.fromEntries(paths.map(path => [path, code])))), [])
  })

  test('not in a call of something else that is called service', async () => {
    assert.deepEqual(
      names(
        await compileOne("import { service } from './other.ts'\nexport const s = service({ name: 'a' })", {
          'services/other.ts': 'export const service = (o: object) => o',
        }),
      ),
      [],
    )
  })

  test('never by running the code', async () => {
    assert.deepEqual(names(await compileOne(`${head}while (true) {}\nexport const s = service({ name: 'a', handle: () => 1 })`)), ['a s'])
  })
})

describe('an issue tells', () => {
  for (const [what, code, expected] of [
    [
      'a name that is not a literal',
      `${head}const n = 'a'\nexport const s = service({ name: n, handle: () => 1 })`,
      ['SERVICE_NAME services/s.ts:3:34'],
    ],
    ['a name that is no name', `${head}export const s = service({ name: '', handle: () => 1 })`, ['SERVICE_NAME services/s.ts:2:34']],
    [
      'a definition that is not written there',
      `${head}const d = { name: 'a', handle: () => 1 }\nexport const s = service(d)`,
      ['SERVICE_NAME services/s.ts:3:18'],
    ],
    [
      'a service that is not exported',
      `${head}const s = service({ name: 'a', handle: () => 1 })`,
      ['SERVICE_NOT_EXPORTED services/s.ts:2:11'],
    ],
    [
      'a service made in a function',
      `${head}export function make() { return service({ name: 'a', handle: () => 1 }) }`,
      ['SERVICE_NOT_EXPORTED services/s.ts:2:33'],
    ],
    ['a syntax error', `${head}export const s = service({ name: 'a' handle: () => 1 })`, ['TYPESCRIPT_SYNTAX services/s.ts:2:38']],
    ['an error that only esbuild sees', 'const a = 1\nconst a = 2', ['TYPESCRIPT_SYNTAX services/s.ts:2:7']],
    ['a top-level await', 'export const x = await fetch("x")', ['TOP_LEVEL_AWAIT services/s.ts:1:18']],
    ['a top-level for await', 'for await (const x of []) console.log(x)', ['TOP_LEVEL_AWAIT services/s.ts:1:1']],
    ['an import that is not there', "import { x } from './y'\nconsole.log(x)", ['MODULE_NOT_FOUND services/s.ts:1:19']],
    ['an import out of the estate', "import { x } from '../../y'\nconsole.log(x)", ['IMPORT_OUTSIDE services/s.ts:1:19']],
    ['an absolute import', "import '/etc/x.js'", ['IMPORT_OUTSIDE services/s.ts:1:8']],
    ['a library without a package file', "import x from 'x'\nconsole.log(x)", ['MISSING_LIBRARY services/s.ts:1:15']],
  ] as const)
    test(what, async () => assert.deepEqual(shown((await compileOne(code)).issues), expected))

  test('that there may be more services than could be read', async () => {
    const code = `${head}export const s = service({ name: 'a', handle: () => 1 })`
    assert.equal((await compileOne(code)).isPartial, false)
    assert.equal((await compileOne(code, { 'services/broken.ts': '{' })).isPartial, true)
  })

  test('both places of a name that stands twice', async () => {
    const code = `${head}export const s = service({ name: 'a', handle: () => 1 })`
    const { issues } = await compile({ 'services/a.ts': code, 'services/b.ts': code })
    assert.deepEqual(shown(issues), ['SERVICE_DUPLICATE services/b.ts:2:34'])
    assert.deepEqual(issues[0]?.related?.[0]?.at, { path: 'services/a.ts', line: 2, column: 34 })
  })

  test('the file that was probably meant', async () => {
    const { issues } = await compileOne("import { x } from './totals.ts'\nconsole.log(x)", { 'services/total.ts': 'export const x = 1' })
    assert.match(issues[0]?.message ?? '', /did you mean services\/total\.ts\?/)
  })
})

describe('uses', () => {
  const usesIn = async (body: string, others: Record<string, string> = {}) => {
    const { services } = await compileOne(`${head}import type { Context } from 'plumb-server'\n${body}`, others)
    return services.find(({ name }) => name === 'a')?.uses.map(({ method, name, at }) => `${method} ${name} ${at.path}:${at.line}`)
  }
  for (const [what, body, expected] of [
    [
      'calls of ctx',
      "export const s = service({ name: 'a', handle(r, ctx) { ctx.sql('x'); return ctx.invoke('b', r) } })",
      ['invoke b services/s.ts:3', 'sql x services/s.ts:3'],
    ],
    [
      'calls of the second parameter, whatever it is called',
      "export const s = service({ name: 'a', handle: async (r, c) => c.sql('x') })",
      ['sql x services/s.ts:3'],
    ],
    [
      'what is taken out of the context',
      "export const s = service({ name: 'a', handle(r, { sql, invoke: call }) { sql('x'); return call('b') } })",
      ['invoke b services/s.ts:3', 'sql x services/s.ts:3'],
    ],
    [
      'calls that are made later, of a member or what is taken out of it',
      "export const s = service({ name: 'a', handle(r, ctx) { ctx.invokeAsync('x'); ctx.schedule.once('y', 1, { after: '1s' }); const { schedule } = ctx; schedule.once('z'); const { once } = ctx.schedule; once('w'); ctx.schedule.never('v'); once.call('u') } })",
      [
        'invokeAsync x services/s.ts:3',
        'schedule.once w services/s.ts:3',
        'schedule.once y services/s.ts:3',
        'schedule.once z services/s.ts:3',
      ],
    ],
    [
      'what is taken out of it later',
      "export const s = service({ name: 'a', handle(r, ctx) { const { redis } = ctx; const q = ctx.sql; redis('x'); q('y') } })",
      ['redis x services/s.ts:3', 'sql y services/s.ts:3'],
    ],
    [
      'a helper of the file whose parameter is a Context',
      "const h = (c: Context) => c.rest('x')\nexport const s = service({ name: 'a', handle: (r, ctx) => h(ctx) })",
      ['rest x services/s.ts:3'],
    ],
    [
      'a function of the file',
      "function handle(r: unknown, c: unknown) { return c.sql('x') }\nexport const s = service({ name: 'a', handle })",
      ['sql x services/s.ts:3'],
    ],
    [
      'none of what another service of the file uses',
      "export const s = service({ name: 'a', handle: () => 1 })\nexport const t = service({ name: 't', handle: (r, ctx) => ctx.sql('x') })",
      [],
    ],
    [
      'none of computed names, other methods, or names that are something else',
      "export const s = service({ name: 'a', handle(r, ctx) { const n = 'x'; ctx.sql(n); ctx.other('x'); const sql = (t: string) => t; sql('y'); { const ctx = { sql }; ctx.sql('z') } } })",
      [],
    ],
  ] as const)
    test(`are ${what}`, async () => assert.deepEqual(await usesIn(body), expected))

  test('are those of imported helpers, and not of what is imported for its types', async () => {
    const others = {
      'services/h.ts': "export const h = (ctx: any) => ctx.sql('x')",
      'services/t.ts': "export interface T { a: string }\nexport const g = (ctx: any) => ctx.sql('y')",
    }
    const body =
      "import { h } from './h.ts'\nimport { T } from './t.ts'\nexport const s = service<T, unknown>({ name: 'a', handle: (r, ctx) => h(ctx) })"
    assert.deepEqual(await usesIn(body, others), ['sql x services/h.ts:1'])
  })
})

describe('modules', () => {
  /** Runs compiled modules as the loader does, with only what the estate gives. */
  const load = ({ modules }: CompiledServices, path: string): Record<string, unknown> => {
    const byPath = new Map([...modules.values()].map(module => [module.path, module]))
    const loaded = new Map<string, { exports: Record<string, unknown> }>()
    const nodeRequire = createRequire(import.meta.url)
    const run = (wanted: string): Record<string, unknown> => {
      const known = loaded.get(wanted)
      if (known) return known.exports
      const module = { exports: {} }
      loaded.set(wanted, module)
      const compiled = byPath.get(wanted)
      assert.ok(compiled, `${wanted} was compiled`)
      const body = vm.runInThisContext(`(function (exports, require, module, __filename, __dirname) {${compiled.js}\n})`)
      const require = (specifier: string) => {
        const target = compiled.imports[specifier]
        return target ? run(target) : nodeRequire(specifier)
      }
      body(module.exports, require, module, `/estate/${wanted}`, '/estate/services')
      return module.exports
    }
    return run(path)
  }

  test('run as CommonJS, with imports in every spelling', async () => {
    const compiled = await compileOne(
      `import { a } from './a'
import b from './b.js'
import { c } from './c/'
import * as d from '../shared/d.ts'
import e from './e.json'
import { basename } from 'node:path'
import { service } from 'plumb-server'
export const all = [a, b, c, d.d, e.e, basename('/x/f')]
export const late = async () => (await import('./late.ts')).late
export const where = [import.meta.url, import.meta.filename, import.meta.dirname]
export const s = service({ name: 'a', handle: () => 1 })`,
      {
        'services/a.ts': "export const a: string = 'a'",
        'services/b.ts': "export default 'b'",
        'services/c/index.ts': "export const c = 'c'",
        'shared/d.ts': "export const d = 'd'",
        'services/e.json': '{ "e": "e" }',
        'services/late.ts': "export const late = 'late'",
      },
    )
    assert.deepEqual(compiled.issues, [])
    const without = {
      ...compiled,
      modules: new Map(
        [...compiled.modules].map(([digest, module]) => [
          digest,
          { ...module, js: module.js.replace('require("plumb-server")', '{ service: x => x }') },
        ]),
      ),
    }
    const exports = load(without, 'services/s.ts')
    assert.deepEqual(exports.all, ['a', 'b', 'c', 'd', 'e', 'f'])
    assert.deepEqual(exports.where, ['file:///estate/services/s.ts', '/estate/services/s.ts', '/estate/services'])
    assert.equal(await (exports.late as () => Promise<string>)(), 'late') // as declared above
    assert.deepEqual(Object.keys(compiled.services[0]?.modules ?? {}), [
      'services/a.ts',
      'services/b.ts',
      'services/c/index.ts',
      'services/e.json',
      'services/late.ts',
      'services/s.ts',
      'shared/d.ts',
    ])
  })

  test('leave out what only types import, and what no service loads', async () => {
    const compiled = await compileOne(
      `${head}import type { A } from './a.ts'\nimport { B } from './b.ts'\nexport type { C } from './c.ts'\nexport const s = service<A, B>({ name: 'a', handle: r => r as never })`,
      {
        'services/a.ts': 'export interface A { a: 1 }',
        'services/b.ts': 'export interface B { b: 1 }',
        'services/c.ts': 'export interface C { c: 1 }',
        'services/unused.ts': 'export const u = 1',
      },
    )
    assert.deepEqual(
      [...compiled.modules.values()].map(({ path, imports }) => [path, imports]),
      [['services/s.ts', {}]],
    )
  })

  test('have a source map that names the file of the tree', async () => {
    const { modules } = await compileOne(`${head}export const s = service({ name: 'a', handle: () => 1 })`)
    const [module] = modules.values()
    assert.deepEqual(JSON.parse(module?.map ?? '').sources, ['services/s.ts'])
  })

  test('keep their digest when a comment changes, and change it with code or where an import leads', async () => {
    const code = `${head}import { a } from './a'\nexport const s = service({ name: 'a', handle: () => a })`
    const digest = async (text: string, others: Record<string, string>) =>
      (await compileOne(text, others)).services[0]?.modules['services/s.ts']
    const first = await digest(code, { 'services/a.ts': 'export const a = 1' })
    assert.equal(await digest(`// Hello\n${code}`, { 'services/a.ts': 'export const a = 1' }), first)
    assert.notEqual(await digest(code.replace('=> a', '=> a + 1'), { 'services/a.ts': 'export const a = 1' }), first)
    assert.notEqual(await digest(code, { 'services/a/index.ts': 'export const a = 1' }), first)
  })

  test('go round in circles', async () => {
    const compiled = await compileOne(
      `${head}import { b } from './b.ts'\nexport const a = () => b\nexport const s = service({ name: 'a', handle: () => 1 })`,
      { 'services/b.ts': "import { a } from './s.ts'\nexport const b = () => a" },
    )
    assert.deepEqual(Object.keys(compiled.services[0]?.modules ?? {}), ['services/b.ts', 'services/s.ts'])
  })
})

describe('libraries', () => {
  const code = "import x from 'x'\nimport { y } from '@o/y/sub'\nimport type { Z } from 'z'\nexport const v: Z = [x, y]"
  const manifest = (dependencies: object, rest: object = {}) => JSON.stringify({ dependencies, ...rest })

  test('are those of the package file beside the services, pinned by its lockfile', async () => {
    const { issues, lockfile } = await compileOne(code, {
      'services/package.json': manifest({ x: '1', '@o/y': '1' }),
      'services/package-lock.json': '{}',
      'package.json': manifest({}),
    })
    assert.deepEqual({ issues, lockfile }, { issues: [], lockfile: digestOfBytes('{}') })
  })

  test('are those of the root where the services have none', async () => {
    const { issues, lockfile } = await compileOne(code, { 'package.json': manifest({ x: '1', '@o/y': '1' }), 'package-lock.json': '[]' })
    assert.deepEqual({ issues, lockfile }, { issues: [], lockfile: digestOfBytes('[]') })
  })

  for (const [what, files, expected] of [
    [
      'the package file of the server itself',
      { 'package.json': manifest({ x: '1', '@o/y': '1' }, { name: 'plumb-server' }), 'package-lock.json': '{}' },
      ['MISSING_LIBRARY services/s.ts:1:15', 'MISSING_LIBRARY services/s.ts:2:19'],
    ],
    [
      'devDependencies',
      { 'package.json': JSON.stringify({ dependencies: { '@o/y': '1' }, devDependencies: { x: '1' } }), 'package-lock.json': '{}' },
      ['MISSING_LIBRARY services/s.ts:1:15'],
    ],
    ['dependencies without a lockfile', { 'package.json': manifest({ x: '1', '@o/y': '1' }) }, ['LOCKFILE_MISSING package.json:1:1']],
    [
      'a package file that is none',
      { 'package.json': '[' },
      ['PACKAGE_FILE package.json:1:1', 'MISSING_LIBRARY services/s.ts:1:15', 'MISSING_LIBRARY services/s.ts:2:19'],
    ],
  ] as const)
    test(`are not served by ${what}`, async () => assert.deepEqual(shown((await compileOne(code, files)).issues), expected))
})

describe('what was worked out is kept', () => {
  const service = (name: string, extra = '') =>
    `${head}export const ${name} = service<{ ${name}: string }, unknown>({ name: '${name}', handle: () => 1 })${extra}`
  const estate = { 'services/a.ts': service('a'), 'services/b.ts': service('b') }

  test('in memory: only a changed file is read', async () => {
    await using own = createServiceCompiler({ cacheDirectory: null })
    await own.compileServices(memoryTree(estate), 'services', vocabulary)
    const again = memoryTree(estate)
    await own.compileServices(again, 'services', vocabulary)
    assert.deepEqual(again.reads, [])
    const changed = memoryTree({ ...estate, 'services/b.ts': service('b', '\nexport const more = 1') })
    await own.compileServices(changed, 'services', vocabulary)
    assert.deepEqual([...new Set(changed.reads)], ['services/b.ts'])
  })

  test('on disk: another process reads nothing, and what is damaged is worked out anew', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'plumb-services-'))
    try {
      const compileIn = async () => {
        const tree = memoryTree(estate)
        await using own = createServiceCompiler({ cacheDirectory: directory })
        return { compiled: await own.compileServices(tree, 'services', vocabulary), reads: tree.reads }
      }
      const first = await compileIn()
      const second = await compileIn()
      assert.deepEqual(second.reads, [])
      assert.deepEqual(second.compiled, first.compiled)
      const version = (await readdir(directory)).find(name => name !== 'typescript') ?? ''
      for (const name of await readdir(join(directory, version))) await writeFile(join(directory, version, name), 'damaged')
      const third = await compileIn()
      assert.deepEqual(third.compiled, first.compiled)
      assert.deepEqual([...new Set(third.reads)].sort(), Object.keys(estate))
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  const typed = (body: string, type = 'number') =>
    `${head}export const s = service<{ a: ${type} }, { b: string }>({ name: 'a', async handle(request) { ${body} } })`
  const inferred = (body: string) => `${head}export const s = service({ name: 'a', handle: async (request: { a: number }) => ${body} })
export const t = service({ name: 'b', handle: async (request: Awaited<ReturnType<typeof s.handle>>): Promise<void> => {} })`

  for (const [what, before, after, isAsked] of [
    ['for another body of one line, as long', typed('return { b: "1" }'), typed('return { b: "2" }'), false],
    ['for another body of as many lines', typed('\n  return { b: "1" }\n'), typed('\n  return { b: "22" }\n'), false],
    ['where places move', typed('return { b: "1" }'), typed('\nreturn { b: "1" }'), true],
    ['for another type', typed('return { b: "1" }'), typed('return { b: "1" }', 'string'), true],
    ['where a type is inferred from the body', inferred('{ return { b: 1 } }'), inferred('{ return { c: 1 } }'), true],
  ] as const)
    test(`models are ${isAsked ? '' : 'not '}derived again ${what}, and are what they are from nothing`, async () => {
      const compileBy = (own: typeof compiler, code: string) =>
        own.compileServices(memoryTree({ 'services/s.ts': code }), 'services', vocabulary)
      await using remembering = createServiceCompiler({ cacheDirectory: null })
      await using fresh = createServiceCompiler({ cacheDirectory: null })
      await compileBy(remembering, before)
      const ask = vi.spyOn(TypeScript.prototype, 'ask')
      const again = await compileBy(remembering, after)
      const asked = ask.mock.calls.map(([kind]) => kind)
      ask.mockRestore()
      assert.deepEqual(again, await compileBy(fresh, after))
      assert.equal(asked.includes('models'), isAsked)
    })
})

describe('the TypeScript child', () => {
  test('outlives a file that is nested too deeply', async () => {
    for (const [what, code] of [
      ['list types', `type A = ${'['.repeat(20_000)}${']'.repeat(20_000)}`],
      ['parentheses', `const a = ${'('.repeat(20_000)}1${')'.repeat(20_000)}`],
      ['a sum', `const a = 1${'+1'.repeat(50_000)}`],
    ] as const)
      assert.deepEqual(shown((await compileOne(code)).issues), ['TYPESCRIPT_SYNTAX services/s.ts:1:1'], what)
  })

  test('that was killed is replaced by the next question', async () => {
    await using typescript = new TypeScript(10_000)
    const ask = () =>
      typescript.ask('facts', { files: [{ path: 'services/s.ts', blob: '1' }] }, async () => ({ 'services/s.ts': 'export const a = 1' }))
    const first = await ask()
    const { pid } = typescript
    assert.ok(pid)
    process.kill(pid, 'SIGKILL')
    assert.deepEqual(await ask(), first)
    assert.notEqual(typescript.pid, pid)
  })

  test('ends with its owner, and a question under way is rejected', async () => {
    const typescript = new TypeScript(10_000)
    await typescript.ask('facts', { files: [] }, async () => ({}))
    const underWay = assert.rejects(
      typescript.ask('facts', { files: [{ path: 'services/s.ts', blob: '1' }] }, () => new Promise(() => undefined)),
      /it is closed/,
    )
    await typescript[Symbol.asyncDispose]()
    await underWay
    await assert.rejects(
      typescript.ask('facts', { files: [] }, async () => ({})),
      /it is closed/,
    )
  })

  test('that misses its deadline over a type is killed, the type is an issue, and the next compilation works', async () => {
    await using own = createServiceCompiler({ cacheDirectory: null, deadlineMs: 1_000 })
    const endless = `${head}type Digit = '0' | '1' | '2' | '3' | '4' | '5' | '6' | '7' | '8' | '9'
type Bomb = { a: \`\${Digit}\${Digit}\${Digit}\${Digit}\${Digit}\${Digit}\${Digit}\${Digit}\` }
export const s = service<Bomb, unknown>({ name: 'a', handle: () => 1 })`
    const { issues } = await own.compileServices(memoryTree({ 'services/s.ts': endless }), 'services', vocabulary)
    assert.deepEqual(shown(issues), ['MODEL_TYPE services/s.ts:4:26'])
    const after = await own.compileServices(
      memoryTree({ 'services/s.ts': `${head}export const s = service({ name: 'a', handle: () => 1 })` }),
      'services',
      vocabulary,
    )
    assert.deepEqual({ names: names(after), issues: after.issues }, { names: ['a s'], issues: [] })
  })
})
