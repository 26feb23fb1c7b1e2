// Small estates for tests of a worker's generations: entries without a compiler, and an adapter that lives in memory and
// writes down what happens to it.

import { systemClock } from '../../../adapters/clock.ts'
import type { Adapter, Surroundings, Traits } from '../../../adapters/port.ts'
import type { AdapterRow } from '../../../adapters/table.ts'
import { type BuildRequest, buildGeneration } from '../../../engine/generation/build.ts'
import type { BuiltGeneration } from '../../../engine/generation/built.ts'
import type { Instances } from '../../../engine/generation/instances.ts'
import { type Entry, emptyManifest, type Manifest } from '../../../engine/generation/manifest.ts'
import type { Match, Route, Router } from '../../../engine/plane/route.ts'
import { digestOf } from '../../../schema/digest.ts'
import type { JsonObject } from '../../../schema/json.ts'
import { kindName, parseRef, partsOf, type Ref } from '../../../schema/ref.ts'
import { Secret } from '../../../schema/secret.ts'

export interface EntryOptions {
  readonly refs?: readonly string[]
  readonly inPlace?: readonly string[]
  readonly closed?: string
  readonly secrets?: Readonly<Record<string, string>>
}

/** An entry whose secrets are "sealed" as themselves. */
export function entryOf(ref: string, spec: JsonObject = {}, options: EntryOptions = {}): Entry {
  const parsed = parseRef(ref)
  const { kind, name } = partsOf(parsed)
  const { refs = [], inPlace = [], closed = null, secrets = {} } = options
  const fixed = Object.fromEntries(Object.entries(spec).filter(([field]) => !inPlace.includes(field)))
  const secretDigest = Object.keys(secrets).length > 0 ? digestOf(secrets) : null
  return {
    resource: {
      ref: parsed,
      kind,
      name,
      spec,
      tainted: [],
      refs: refs.map(parseRef).toSorted(),
      specDigest: digestOf(spec),
      secretDigest,
      effectiveDigest: digestOf([spec, secretDigest]),
      instanceKey: digestOf([fixed, secretDigest]),
      closed,
    },
    origin: { from: 'builtin' },
    sealed: secrets,
    declaredAt: `environments/dev/${kind}.yaml:1:1`,
  }
}

export function manifestOf(...entries: readonly Entry[]): Manifest {
  return { ...emptyManifest, entries: new Map(entries.map(entry => [entry.resource.ref, entry])) }
}

export const unsealed: BuildRequest['unseal'] = entry =>
  new Map(Object.entries(entry.sealed).map(([pointer, value]) => [pointer, new Secret(value)]))

export const quietSurroundings: Surroundings = {
  clock: systemClock,
  workers: 1,
  log: { info: () => undefined, warn: () => undefined, error: () => undefined },
}

/** An instance of the memory adapter. */
export interface MemoryInstance {
  readonly id: number
  readonly ref: Ref
  isOpen: boolean
  isStarted: boolean
  pings: number
}

export interface MemoryAdapter extends Adapter<MemoryInstance, unknown> {
  readonly opened: MemoryInstance[]
  /** What happened, in order: `prepare 1`, `start 1`, `close 1` … */
  readonly events: string[]
  /** Ref → reason of what fails. */
  readonly failPrepare: Map<string, string>
  readonly failPing: Map<string, string>
}

export interface MemoryOptions {
  readonly traits?: Partial<Traits>
  readonly hasPing?: boolean
  readonly hasIntake?: boolean
  readonly hasView?: boolean
  readonly isAsync?: boolean
}

export function memoryAdapter({ traits = {}, hasPing, hasIntake, hasView, isAsync }: MemoryOptions = {}): MemoryAdapter {
  const opened: MemoryInstance[] = []
  const events: string[] = []
  const failPrepare = new Map<string, string>()
  const failPing = new Map<string, string>()
  const open = (ref: Ref): MemoryInstance => {
    const reason = failPrepare.get(ref)
    if (reason) throw new Error(reason)
    const instance = { id: opened.length + 1, ref, isOpen: true, isStarted: false, pings: 0 }
    opened.push(instance)
    events.push(`prepare ${instance.id}`)
    return instance
  }
  return {
    opened,
    events,
    failPrepare,
    failPing,
    traits,
    prepare: ({ resource }) => (isAsync ? Promise.resolve().then(() => open(resource.ref)) : open(resource.ref)),
    close(instance) {
      if (!instance.isOpen) throw new Error(`instance ${instance.id} is closed twice`)
      instance.isOpen = false
      events.push(`close ${instance.id}`)
    },
    ...(hasPing && {
      async ping(instance: MemoryInstance) {
        instance.pings += 1
        const reason = failPing.get(instance.ref)
        if (reason) throw new Error(reason)
      },
    }),
    ...(hasIntake && {
      start(instance: MemoryInstance) {
        instance.isStarted = true
        events.push(`start ${instance.id}`)
      },
      stop(instance: MemoryInstance) {
        instance.isStarted = false
        events.push(`stop ${instance.id}`)
      },
    }),
    ...(hasView && {
      view: (instance: MemoryInstance, { resource }, resolve) => ({
        id: instance.id,
        spec: resource.spec,
        sees: resource.refs.map(ref => resolve(ref)),
      }),
    }),
  } as MemoryAdapter // the optional methods are there as the options say
}

export function rowOf(kind: string, adapter: Adapter, index?: 'routes'): AdapterRow {
  return { kind: kindName(kind), adapter, ...(index && { index }) }
}

export function tableOf(...rows: readonly AdapterRow[]): BuildRequest['table'] {
  return new Map(rows.map(row => [row.kind, row]))
}

/** A router that only keeps its routes. */
export function listRouter(routes: ReadonlySet<Route> = new Set()): Router & { readonly routes: ReadonlySet<Route> } {
  return {
    routes,
    size: routes.size,
    match: (_method, path): Match => {
      const route = [...routes].find(({ pattern }) => pattern === path)
      return route ? { kind: 'found', route, params: {} } : { kind: 'none' }
    },
    async replace(removed, added) {
      return listRouter(routes.difference(new Set(removed)).union(new Set(added)))
    },
  }
}

export interface BuildIn {
  readonly table: BuildRequest['table']
  readonly instances: Instances
}

/** Builds with the defaults of these tests. */
export function buildIn({ table, instances }: BuildIn, manifest: Manifest, rest: Partial<BuildRequest> = {}): Promise<BuiltGeneration> {
  return buildGeneration({
    number: (rest.base?.number ?? 0) + 1,
    base: null,
    manifest,
    delta: null,
    table,
    instances,
    surroundings: quietSurroundings,
    router: listRouter(),
    preflight: 'require',
    unseal: unsealed,
    ...rest,
  })
}
