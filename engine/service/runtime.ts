// Services as a kind of resource: prepare loads the code, views run it, close lets it go.

import type { Adapter, Log } from '../../adapters/port.ts'
import type { Digest } from '../../schema/digest.ts'
import type { JsonObject } from '../../schema/json.ts'
import { compileModel, type Model, topLevelTypes } from '../../schema/model.ts'
import { type KindName, kindName, type Ref } from '../../schema/ref.ts'
import type { Module } from '../../schema/resource.ts'
import type { PausedMs } from '../debug/paused-time.ts'
import { createContexts } from './context.ts'
import { requireService } from './exported.ts'
import { ServiceInstance } from './instance.ts'
import { noQueue, type Submit } from './later.ts'
import type { Leak } from './leak-watch.ts'
import { type Closure, type LoadedModule, Loader } from './load.ts'
import { type ErrorFields, errorFields } from './service-log.ts'
import { type ServiceSpec, serviceSpecOf } from './spec.ts'
import type { ServiceTime } from './timers.ts'
import type { ServiceView } from './unit.ts'

export interface ServiceRuntimeOptions {
  /** Compiled code by digest; undefined where the worker does not have it. */
  moduleOf(digest: Digest): Module | undefined
  /** Directory whose `node_modules` holds the npm libraries of a lockfile; null where there are none. */
  dependencies(lockfile: Digest | null): string | null
  /** The name V8 knows a file of the tree under: in development its absolute path in the working tree. */
  fileName(path: string): string
  /** Client method of `ctx` → the kinds whose connections it hands out. */
  readonly clients: ReadonlyMap<string, readonly KindName[]>
  /** Where calls go that are made later; absent: none is accepted. */
  readonly submit?: Submit
  /** Where services write; `debug` lines are dropped where it has none. */
  readonly log: Log & { debug?(fields: Record<string, unknown>, message: string): void }
  /** Appends source maps to the code for debuggers, at the cost of memory. Default false. */
  readonly inlineMaps?: boolean
  /** What the timers and dates of service code run on. Default: the system's. */
  readonly time?: ServiceTime
  /** Time in which a debugger held the process: no deadline counts it. Never where absent. */
  readonly pausedMs?: PausedMs
}

export interface ServiceRuntime {
  readonly kind: KindName
  readonly adapter: Adapter<ServiceInstance, ServiceView>
  /** Module instances that were released and are still reachable after a full collection. */
  leaks(): readonly Leak[]
  /** How many those are: a worker is recycled after 200. */
  uncollected(): number
  /** Module instances in use. */
  readonly moduleCount: number
  /** An error as the log has it, in places of the authors' files. */
  errorFields(error: unknown): ErrorFields
  /** What the log has of an error outside of any call: its fields, and the service whose code it came through, where that is known. */
  strayFields(error: unknown): { readonly err: ErrorFields; readonly service?: string; readonly path?: string }
}

export function createServiceRuntime(options: ServiceRuntimeOptions): ServiceRuntime {
  const { log, clients } = options
  const loader = new Loader({
    fileName: options.fileName,
    inlineMaps: options.inlineMaps ?? false,
    ...(options.time ? { time: options.time } : {}),
    onLeft: (path, left) =>
      log.warn({ ...placeOf(path), left }, `Code of "${path}" was released and had left behind ${left.join(', ')}; all of it was ended`),
    onStray(path, what, error) {
      const err = errorFields(error, loader.maps)
      log.error({ ...placeOf(path), err }, `Code of "${path}" threw in a ${what}: ${err.message}`)
    },
    onPrint: (path, level, text) => log[level](placeOf(path), text),
  })
  const makeContext = createContexts({ log, clients, submit: options.submit ?? noQueue, now: () => (options.time?.Date ?? Date).now() })
  const models = createModels()
  const byPath = new Map<string, Set<ServiceInstance>>()

  /** A file, and the services it declares. */
  function placeOf(path: string): { readonly service?: string; readonly path: string } {
    const names = new Set([...(byPath.get(path) ?? [])].map(({ name }) => name))
    return names.size === 0 ? { path } : { service: [...names].join(', '), path }
  }

  function made(name: string, spec: ServiceSpec, loaded: LoadedModule): ServiceInstance {
    try {
      const service = requireService(loaded.exports, { name, path: spec.path, exportName: spec.exportName })
      const { input, inputTypes } = models(spec.input)
      const { path } = spec
      const instance = new ServiceInstance({ name, path, loaded, service, input, inputTypes, makeContext, log, pausedMs: options.pausedMs })
      byPath.set(path, (byPath.get(path) ?? new Set()).add(instance))
      return instance
    } catch (error) {
      loaded.release()
      throw error
    }
  }

  return {
    kind: kindName('service'),
    adapter: {
      prepare({ resource }) {
        const spec = serviceSpecOf(resource.spec)
        const loaded = loader.load(closureOf(resource.ref, spec, options))
        return loaded instanceof Promise ? loaded.then(late => made(resource.name, spec, late)) : made(resource.name, spec, loaded)
      },
      drain: instance => instance.whenIdle(),
      close(instance) {
        const { path } = instance
        byPath.get(path)?.delete(instance)
        if (byPath.get(path)?.size === 0) byPath.delete(path)
        instance.close()
      },
    },
    leaks: () => loader.leaks(),
    uncollected: () => loader.leaks().reduce((total, leak) => total + leak.count, 0),
    get moduleCount() {
      return loader.instanceCount
    },
    errorFields: error => errorFields(error, loader.maps),
    strayFields(error) {
      const places = loader.maps.placesOf(error)
      const place = places.find(({ path }) => byPath.has(path)) ?? places[0]
      return { ...(place && placeOf(place.path)), err: errorFields(error, loader.maps) }
    },
  }
}

function closureOf(ref: Ref, spec: ServiceSpec, { moduleOf, dependencies }: ServiceRuntimeOptions): Closure {
  const modules = new Map<string, Module>()
  for (const [path, digest] of Object.entries(spec.modules)) {
    const module = moduleOf(digest)
    if (module === undefined) throw new Error(`this worker lacks the compiled code of ${path} (${digest}), which "${ref}" imports`)
    modules.set(path, module)
  }
  return { path: spec.path, modules, dependencies: dependencies(spec.lockfile) }
}

/** Validators by the text of their schema, as long as a service uses them: a reload that leaves the model alone compiles none. */
function createModels() {
  const none = { input: null, inputTypes: {} }
  const known = new Map<string, WeakRef<Model>>()
  const gone = new FinalizationRegistry<string>(text => {
    if (known.get(text)?.deref() === undefined) known.delete(text)
  })
  return (schema: JsonObject | null): { input: Model | null; inputTypes: Readonly<Record<string, string>> } => {
    if (schema === null) return none
    const text = JSON.stringify(schema)
    let input = known.get(text)?.deref()
    if (input === undefined) {
      input = compileModel(schema)
      known.set(text, new WeakRef(input))
      gone.register(input, text)
    }
    return { input, inputTypes: topLevelTypes(schema) }
  }
}
