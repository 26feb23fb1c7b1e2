import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'vitest'
import { type Checker, defaultExports, emptyCatches, hubs, kindNames, machinePaths, moduleState, parse } from './conventions.ts'
import { repositoryFiles, root } from './repository.ts'

const floors = /^(schema|adapters|engine|reconcile|cli)\//
const isSource = (path: string): boolean => /\.[cm]?ts$/.test(path) && !path.startsWith('test/cases/')
const sources = new Map([...repositoryFiles(isSource)].map(([path, text]) => [path, parse(path, text)] as const))
const product = new Map([...sources].filter(([path]) => floors.test(path) && !path.startsWith('schema/generated/')))
/** The entry of a process or thread is the lifetime itself. */
const lived = new Map([...sources].filter(([path]) => !path.startsWith('test/') && !/-(main|thread|child|watch)\.ts$/.test(path)))
const kinds = readdirSync(join(root, 'schema/kinds')).map(file => file.replace('.json', ''))

for (const [check, files, good, bad] of [
  [moduleState, lived, 'const a = 1\nfunction f() { let b = 2; b += a; return b }', 'export let count = 0'],
  [emptyCatches, sources, 'try { f() } catch {\n  // Gone already: nothing to close.\n}', 'try { f() } catch {}'],
  [emptyCatches, sources, 'f().catch(error => tell(error))', 'f().catch(() => {})'],
  [defaultExports, product, 'export const a = 1', 'export default 1'],
  [defaultExports, product, 'export function a() {}', 'export default function a() {}'],
] as const) {
  test(`no file breaks the convention ${check.name}, and \`${bad}\` would`, () => {
    assert.deepEqual(check(parse('a.ts', good)), [])
    assert.equal(check(parse('a.ts', bad)).length, 1)
    assert.deepEqual(breaches(check, files), [])
  })
}

test('no file is a hub', () => {
  assert.deepEqual(hubs(parse('engine/index.ts', '')).length, 1)
  assert.deepEqual(hubs(parse('engine/types.ts', '')).length, 1)
  assert.deepEqual(hubs(parse('engine/swap.ts', '')), [])
  assert.deepEqual(breaches(hubs, sources), ['cli/types.ts:1: a file named types']) // the command `plumb types`
})

test('only the adapter of a kind names it', () => {
  const check = kindNames(kinds)
  assert.deepEqual(check(parse('a.ts', "if (kind === 'sql') return")), ['1: sql'])
  assert.deepEqual(check(parse('a.ts', 'find(`channel_rest/$' + '{name}`)')), ['1: channel_rest'])
  assert.deepEqual(check(parse('a.ts', "import { sql } from './sql'\nconst channel = sql")), [])

  const found = new Map<string, Set<string>>()
  for (const [path, file] of product) {
    if (path.startsWith('schema/')) continue
    for (const breach of check(file)) found.set(path, (found.get(path) ?? new Set()).add(breach.replace(/^\d+: /, '')))
  }
  const named = Object.fromEntries([...found].map(([path, names]) => [path, [...names].sort()]))
  assert.deepEqual(named, namesItsKind)
})

/** Files that may name kinds, and which: an adapter its own, and those it is guarded or fed by. */
const namesItsKind: Readonly<Record<string, readonly string[]>> = {
  'adapters/rest.ts': ['security'],
  'adapters/table.ts': ['groups', 'outgoing_rest', 'redis', 'security', 'sql'],
  // Client methods of `ctx`, some of which bear the name of their kind.
  'cli/kit/app.ts': ['redis', 'sql'],
  'cli/kit/test-api.ts': ['redis', 'sql'],
  // A field of an event.
  'cli/tell.ts': ['service'],
  // A field of a request.
  'engine/admin/routes.ts': ['service'],
  // A field of a line, and a label.
  'engine/log/access.ts': ['service'],
  'engine/metrics/worker-metrics.ts': ['service'],
  'engine/plane/channel.ts': ['channel_rest', 'groups', 'security', 'service'],
  'engine/process/guard.ts': ['service'],
  // A service that a job calls, as a field too.
  'engine/scheduler/adapter.ts': ['scheduler', 'service'],
  'engine/service/callee.ts': ['service'],
  'engine/service/runtime.ts': ['service'],
  // A field of a task.
  'engine/admin/work-routes.ts': ['service'],
  'engine/store/tasks.ts': ['service'],
  'engine/work/queue.ts': ['service'],
  'reconcile/compile/service-resources.ts': ['service'],
  // The function `service` of the SDK.
  'reconcile/compile/services/find-services.ts': ['service'],
}

test('no text holds a path of somebody’s machine', () => {
  assert.equal(machinePaths(`see /${'home'}/jane/plumb`).length, 1)
  assert.deepEqual(machinePaths('see https://example.com/home/jane and /var/lib/plumb'), [])
  const texts = repositoryFiles(path => !/\.(png|ico|gz|tgz)$/.test(path) && path !== 'package-lock.json')
  assert(texts.size > 100)
  assert.deepEqual(
    [...texts].flatMap(([path, text]) => machinePaths(text).map(found => `${path}:${found}`)),
    [],
  )
})

function breaches(check: Checker, files: ReadonlyMap<string, Parameters<Checker>[0]>): string[] {
  assert(files.size > 50, `only ${files.size} files were read`)
  return [...files].flatMap(([path, file]) => check(file).map(breach => `${path}:${breach}`))
}
