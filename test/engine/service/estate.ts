// Service code for tests: TypeScript text compiled as compilation does it, and a runtime that loads it.

import { posix } from 'node:path'
import { transformSync } from 'esbuild'
import { systemClock } from '../../../adapters/clock.ts'
import type { Declared, Log, Surroundings } from '../../../adapters/port.ts'
import type { ServiceInstance } from '../../../engine/service/instance.ts'
import { createServiceRuntime, type ServiceRuntime, type ServiceRuntimeOptions } from '../../../engine/service/runtime.ts'
import type { Unit } from '../../../engine/service/unit.ts'
import { type Digest, digestOf } from '../../../schema/digest.ts'
import type { Json, JsonObject } from '../../../schema/json.ts'
import { kindName, refOf } from '../../../schema/ref.ts'
import type { Module } from '../../../schema/resource.ts'

/** Compiles files, path → TypeScript. Imports that name another of the files stay inside. */
export function compiled(files: Readonly<Record<string, string>>): Map<string, Module> {
  const modules = new Map<string, Module>()
  for (const [path, text] of Object.entries(files)) {
    const { code, map } = transformSync(text, {
      loader: path.endsWith('.json') ? 'json' : 'ts',
      format: 'cjs',
      platform: 'node',
      target: 'node24',
      sourcemap: true,
      sourcefile: path,
      supported: { 'dynamic-import': false },
    })
    const imports: Record<string, string> = {}
    for (const [, specifier = ''] of code.matchAll(/require\("(\.[^"]+)"\)/g)) {
      const target = posix.join(posix.dirname(path), specifier)
      if (target in files) imports[specifier] = target
    }
    modules.set(path, { path, js: code, map, imports, digest: digestOf([path, code]) })
  }
  return modules
}

export interface Line {
  readonly level: string
  readonly fields: Record<string, unknown>
  readonly message: string
}

export function createLines(): { lines: Line[]; log: Log & { debug(fields: Record<string, unknown>, message: string): void } } {
  const lines: Line[] = []
  const write = (level: string) => (fields: Record<string, unknown>, message: string) => void lines.push({ level, fields, message })
  return { lines, log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') } }
}

export interface TestRuntime extends ServiceRuntime {
  readonly lines: Line[]
  /** Prepares the service that `files` export as `exported`, under the name `name`. */
  load(files: Readonly<Record<string, string>>, wanted?: Partial<Wanted>): Promise<ServiceInstance>
}

interface Wanted {
  readonly path: string
  readonly name: string
  readonly exportName: string
  readonly input: JsonObject | null
  readonly lockfile: Digest | null
}

const serviceKind = kindName('service')

export function createTestRuntime(options: Partial<ServiceRuntimeOptions> = {}): TestRuntime {
  const { lines, log } = createLines()
  const byDigest = new Map<Digest, Module>()
  const runtime = createServiceRuntime({
    moduleOf: digest => byDigest.get(digest),
    dependencies: () => null,
    fileName: path => `/estate/${path}`,
    clients: new Map([['sql', [kindName('sql')]]]),
    log,
    ...options,
  })
  const surroundings: Surroundings = { clock: systemClock, workers: 1, log }
  return Object.assign(runtime, {
    lines,
    async load(files: Readonly<Record<string, string>>, wanted: Partial<Wanted> = {}) {
      const { path = Object.keys(files)[0] ?? '', name = 'test.echo', exportName = 'echo', input = null, lockfile = null } = wanted
      const modules = compiled(files)
      for (const module of modules.values()) byDigest.set(module.digest, module)
      const digests = Object.fromEntries([...modules].map(([of, { digest }]) => [of, digest]))
      const instance = await runtime.adapter.prepare(
        declaredService(name, { module: path, export: exportName, modules: digests, input, lockfile }),
        surroundings,
      )
      for (const module of modules.values()) byDigest.delete(module.digest)
      return instance
    },
  })
}

function declaredService(name: string, spec: JsonObject): Declared {
  const digest = digestOf(spec as Json) // a JsonObject is Json
  const kind = serviceKind
  return {
    resource: {
      ref: refOf(kind, name),
      kind,
      name,
      spec,
      tainted: [],
      refs: [],
      specDigest: digest,
      secretDigest: null,
      effectiveDigest: digest,
      instanceKey: digest,
      closed: null,
    },
    secrets: new Map(),
  }
}

/** A unit of work that sees `views` by ref. */
export function unitOf(views: Readonly<Record<string, unknown>> = {}, given: Partial<Unit> = {}): Unit {
  const told = new Set<unknown>()
  return {
    cid: 'cid-1',
    generation: 1,
    signal: new AbortController().signal,
    deadlineAt: performance.now() + 60_000,
    resolve: ref => views[ref],
    request: null,
    delivery: null,
    depth: 0,
    channel: null,
    accept: () => undefined,
    isNews: failure => told.size < told.add(failure).size,
    ...given,
  }
}

/** Source of a service `test.echo` whose handler is `body`. */
export function echo(body: string, top = ''): string {
  return `import { service } from 'plumb-server'\n${top}\nexport const echo = service({ name: 'test.echo', async handle(request: any, ctx) { ${body} } })\n`
}
