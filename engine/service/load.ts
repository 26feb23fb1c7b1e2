// Loads compiled service code so that it can be let go again. `import` keeps every version of a file for ever; a script in a
// function wrapper is collected with its last closure.
//
// A *module instance* is one evaluation of one file. Files whose import closures hash equal are the same instance, whichever
// service or generation asks: it is counted by its users and released with the last of them.

import { dirname } from 'node:path'
import { Script } from 'node:vm'
import { messageOf } from '../../adapters/redact.ts'
import { digestOf } from '../../schema/digest.ts'
import type { Module } from '../../schema/resource.ts'
import { type Builtins, createBuiltins, globalNames } from './builtins.ts'
import type { OnPrint } from './console.ts'
import { type Held, Holdings, type OnStray } from './holdings.ts'
import { type Leak, LeakWatch } from './leak-watch.ts'
import { loadErrorOf } from './load-error.ts'
import { AsyncPackageError, createPackages, type Packages } from './packages.ts'
import * as sdk from './sdk.ts'
import { MappedModule, SourceMaps } from './source-map.ts'
import { type ServiceTime, systemTime } from './timers.ts'

export interface LoaderOptions {
  /** The name V8 knows a file of the tree under; a debugger binds breakpoints by it. */
  fileName(path: string): string
  /** Appends each source map to its code, for debuggers; costs memory. */
  inlineMaps?: boolean
  /** Told what a released module instance had left behind; each line names the thing and the place that made it. */
  onLeft(path: string, left: readonly string[]): void
  /** Told what a timer's callback threw. */
  onStray: OnStray
  onPrint: OnPrint
  /** Default: the system's. */
  time?: ServiceTime
}

/** A file with all it imports. */
export interface Closure {
  readonly path: string
  /** path in the tree → module. */
  readonly modules: ReadonlyMap<string, Module>
  /** Directory whose `node_modules` holds its npm libraries; null where it has none. */
  readonly dependencies: string | null
}

export interface LoadedModule {
  readonly exports: Readonly<Record<string, unknown>>
  readonly holdings: Holdings
  /** Of its own version of every file; made at each call. */
  maps(): SourceMaps
  /** Gives up this use; a second call does nothing. */
  release(): void
}

interface Instance {
  readonly key: string
  readonly module: Module
  readonly mapped: MappedModule
  readonly file: string
  readonly packages: Packages | null
  /** import specifier → instance, for imports inside the estate. */
  readonly imports: Map<string, Instance>
  users: number
  evaluation: Evaluation | null
}

interface Evaluation {
  readonly module: { exports: Record<string, unknown>; loaded: boolean }
  readonly holdings: Holdings
  readonly forget: (holders: readonly string[]) => void
}

export class Loader {
  readonly maps = new SourceMaps()
  readonly #options: LoaderOptions
  readonly #instances = new Map<string, Instance>()
  readonly #packages = new Map<string, Packages>()
  readonly #watch = new LeakWatch()

  constructor(options: LoaderOptions) {
    this.#options = options
  }

  /**
   * Evaluates what is not loaded yet; synchronous unless an npm package awaits at its top level.
   * Throws, or rejects with, `LoadError`; then nothing of it is kept.
   */
  load(closure: Closure): LoadedModule | Promise<LoadedModule> {
    const keys = this.#retain(closure)
    const root = this.#instances.get(keys.get(closure.path) ?? '')
    if (root === undefined) throw new Error(`Cannot load "${closure.path}" as its closure does not hold it`)
    const failed = (error: unknown) => {
      const described = loadErrorOf(error, closure.path, this.maps)
      this.#release(keys.values())
      return described
    }
    try {
      return this.#loaded(root, keys)
    } catch (error) {
      if (!(error instanceof AsyncPackageError)) throw failed(error)
      return this.#loadAhead(root, keys, error).catch(reason => Promise.reject(failed(reason)))
    }
  }

  async #loadAhead(root: Instance, keys: ReadonlyMap<string, string>, first: AsyncPackageError): Promise<LoadedModule> {
    for (let awaited = first; ; ) {
      await root.packages?.importAhead(awaited.specifier)
      try {
        return this.#loaded(root, keys)
      } catch (error) {
        if (!(error instanceof AsyncPackageError)) throw error
        awaited = error
      }
    }
  }

  #loaded(root: Instance, keys: ReadonlyMap<string, string>): LoadedModule {
    const { module, holdings } = withLongStacks(() => this.#evaluate(root))
    let isReleased = false
    return {
      exports: module.exports,
      holdings,
      maps: () => new SourceMaps(this.#filesOf(keys.values())),
      release: () => {
        if (!isReleased) this.#release(keys.values())
        isReleased = true
      },
    }
  }

  *#filesOf(keys: Iterable<string>): Iterable<[string, MappedModule]> {
    for (const key of keys) {
      const instance = this.#instances.get(key)
      if (instance !== undefined) yield [instance.file, instance.mapped]
    }
  }

  /** Module instances that were released and are still reachable after a full collection. */
  leaks(): readonly Leak[] {
    return this.#watch.leaks()
  }

  get instanceCount(): number {
    return this.#instances.size
  }

  /** Counts one user more for every file of the closure. Returns path → key of its instance. */
  #retain(closure: Closure): Map<string, string> {
    const reached = reach(closure.path, closure.modules)
    const keys = new Map([...reached].map(path => [path, keyOf(path, closure)]))
    const packages = closure.dependencies === null ? null : this.#packagesIn(closure.dependencies)
    const added: Instance[] = []
    for (const [path, key] of keys) {
      let instance = this.#instances.get(key)
      if (instance === undefined) {
        const module = moduleAt(path, closure)
        const mapped = new MappedModule(module)
        instance = { key, module, mapped, file: this.#options.fileName(path), packages, imports: new Map(), users: 0, evaluation: null }
        this.#instances.set(key, instance)
        this.maps.add(instance.file, mapped)
        added.push(instance)
      }
      instance.users++
    }
    for (const instance of added)
      for (const [specifier, path] of Object.entries(instance.module.imports)) {
        const imported = this.#instances.get(keys.get(path) ?? '')
        if (imported !== undefined) instance.imports.set(specifier, imported)
      }
    return keys
  }

  #packagesIn(directory: string): Packages {
    const known = this.#packages.get(directory)
    if (known !== undefined) return known
    const packages = createPackages(directory)
    this.#packages.set(directory, packages)
    return packages
  }

  #release(keys: Iterable<string>): void {
    for (const key of keys) {
      const instance = this.#instances.get(key)
      if (instance === undefined || --instance.users > 0) continue
      this.#instances.delete(key)
      this.#end(instance)
      this.maps.delete(instance.file, instance.mapped)
      instance.imports.clear()
    }
  }

  #end(instance: Instance): void {
    const { evaluation } = instance
    if (evaluation === null) return
    instance.evaluation = null
    const left = evaluation.holdings.release().map(({ held, failure }) => this.#describe(held, failure))
    if (left.length > 0) this.#options.onLeft(instance.module.path, left)
    evaluation.forget(left)
  }

  #describe({ what, origin }: Held, failure: unknown): string {
    const at = origin === null ? undefined : this.maps.originOf(origin)
    const place = at === undefined ? '' : ` (${at.path}:${at.line}:${at.column})`
    return `${what}${place}${failure === null ? '' : `, which could not be ended: ${messageOf(failure)}`}`
  }

  /** As CommonJS does it: a file that is being evaluated already gives what it has exported so far. */
  #evaluate(instance: Instance): Evaluation {
    if (instance.evaluation !== null) return instance.evaluation
    const { module: compiled, file } = instance
    const module = { exports: {} as Record<string, unknown>, loaded: false, id: compiled.path, filename: file } // filled by the code itself
    const holdings = new Holdings(compiled.path, this.#options.onStray)
    const { time = systemTime, onPrint } = this.#options
    const builtins = createBuiltins(holdings, { onPrint, time })
    const { alive, forget } = this.#watch.watch(compiled.path)
    instance.evaluation = { module, holdings, forget }
    try {
      const run = compile(compiled, file, this.#options.inlineMaps === true)(alive, time.Date)
      const require = this.#requireOf(instance, builtins)
      const globals = globalNames.map(name => builtins.globals[name])
      Reflect.apply(run, module.exports, [module.exports, require, module, file, dirname(file), ...globals])
      module.loaded = true
      return instance.evaluation
    } catch (error) {
      this.#end(instance)
      throw error
    }
  }

  #requireOf(instance: Instance, builtins: Builtins) {
    const require = (specifier: string): unknown => {
      if (specifier === 'plumb-server') return sdk
      const imported = instance.imports.get(specifier)
      if (imported !== undefined) return this.#evaluate(imported).module.exports
      const builtin = builtins.require(specifier)
      if (builtin !== undefined) return builtin
      if (/^\.{0,2}\//.test(specifier) || instance.packages === null) throw missing(specifier, instance.packages === null)
      return instance.packages.require(specifier)
    }
    const resolve = (specifier: string): string =>
      instance.imports.get(specifier)?.file ?? instance.packages?.resolve(specifier) ?? specifier
    return Object.assign(require, { resolve })
  }
}

/** Node's own frames of a `require` fill the ten that a stack has by default, and hide the line that required. */
function withLongStacks<Result>(act: () => Result): Result {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 50
  try {
    return act()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** Paths that `path` imports inside the estate, itself first. */
function reach(path: string, modules: ReadonlyMap<string, Module>): Set<string> {
  const reached = new Set([path])
  // A Set gives what is added while it is walked.
  for (const next of reached)
    for (const imported of Object.values(modules.get(next)?.imports ?? {})) if (modules.has(imported)) reached.add(imported)
  return reached
}

function keyOf(path: string, closure: Closure): string {
  const parts = [...reach(path, closure.modules)].map(next => `${next} ${moduleAt(next, closure).digest}`)
  return digestOf([path, closure.dependencies, ...parts.sort()])
}

function moduleAt(path: string, closure: Closure): Module {
  const module = closure.modules.get(path)
  if (module === undefined) throw new Error(`Cannot load "${closure.path}" as its closure does not hold "${path}"`)
  return module
}

// Both functions stand on the first line, whose columns are shifted back by as much. Their parentheses make V8 compile them at
// once instead of parsing them twice. `alive` is held by the context of every closure the file makes, so it is collected when,
// and only when, none of them is left; `Date` stands out there too, so that a file may declare one of its own.
const prefix = `(function (alive, Date) { void (() => alive); return (function (exports, require, module, __filename, __dirname, ${globalNames.join(', ')}) {`

function compile(
  module: Module,
  file: string,
  inlineMaps: boolean,
): (alive: object, date: DateConstructor) => (...values: unknown[]) => void {
  const map = inlineMaps
    ? `\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(absoluteMap(module, file)).toString('base64')}`
    : ''
  const js = module.js.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '')
  return new Script(`${prefix}${js}\n})})${map}`, { filename: file, columnOffset: -prefix.length }).runInThisContext()
}

function absoluteMap(module: Module, file: string): string {
  return JSON.stringify({ ...JSON.parse(module.map), sources: [file], sourceRoot: undefined })
}

function missing(specifier: string, isWithoutPackages: boolean): Error {
  const relative = /^\.{0,2}\//.test(specifier)
  const next = relative
    ? 'no such file is in the estate'
    : isWithoutPackages
      ? 'the estate has no package.json with a lockfile'
      : 'it is not installed'
  return Object.assign(new Error(`"${specifier}" is not found: ${next}`), { code: 'MODULE_NOT_FOUND' })
}
