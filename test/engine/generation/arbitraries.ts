// Manifests and the ways between them, for properties: digests are over what they stand for, as compilation makes them.

import fc from 'fast-check'
import { applied } from '../../../engine/generation/applied.ts'
import { type Delta, type Entry, emptyManifest, type Manifest, type Settings } from '../../../engine/generation/manifest.ts'
import { digestOf } from '../../../schema/digest.ts'
import type { Json, JsonObject } from '../../../schema/json.ts'
import { kindName, type Ref, refOf, revision } from '../../../schema/ref.ts'
import type { Module } from '../../../schema/resource.ts'

export const settings: Settings = {
  environment: 'dev',
  mode: 'git',
  requireSecurity: false,
  preflight: 'warn',
  probationMs: 0,
  auto: true,
  prune: true,
  maxDeletes: { percent: 100 },
  schedule: null,
  env: [],
}

const kind = kindName('channel_rest')

export function entryOf(name: string, spec: JsonObject, secrets: Json = null): Entry {
  const specDigest = digestOf(spec)
  const secretDigest = secrets === null ? null : digestOf(secrets)
  const effectiveDigest = digestOf([specDigest, secretDigest])
  return {
    resource: {
      ref: refOf(kind, name),
      kind,
      name,
      spec,
      tainted: [],
      refs: [],
      specDigest,
      secretDigest,
      effectiveDigest,
      instanceKey: effectiveDigest,
      closed: null,
    },
    origin: { from: 'git', revision: revision('a'.repeat(40)) },
    sealed: secrets === null ? {} : { '/password': JSON.stringify(secrets) },
    declaredAt: 'environments/dev/channels.yaml:1:1',
  }
}

export function moduleOf(path: string, js: string): Module {
  return { digest: digestOf([path, js]), path, js, map: '{}', imports: {} }
}

/** A channel for each number, changed by `edit`. */
export function manyEntries(count: number, edit = ''): Entry[] {
  return Array.from({ length: count }, (_, at) =>
    entryOf(`channel-${at}`, {
      name: `channel-${at}`,
      url_path: `/api/v1/channel/${at}/{id}`,
      method: 'POST',
      service: `service.${at % 100}`,
      data_format: 'json',
      content_type: `application/json${edit}`,
      is_active: true,
      security: 'basic',
      description: 'What the channel is for, in a sentence of the usual length',
    }),
  )
}

export function manifestOf(entries: readonly Entry[], modules: readonly Module[] = []): Manifest {
  return applied(emptyManifest, { revision: revision('a'.repeat(40)), set: entries, unset: [], modules, settings, lockfile: null })
}

type Edit =
  | { readonly op: 'set'; readonly name: string; readonly value: Json; readonly secret: Json; readonly code: string | null }
  | { readonly op: 'unset'; readonly name: string }

const name = fc.constantFrom('a', 'b', 'c', 'größe/ß', 'line\nbreak', '__proto__')
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({
    op: fc.constant('set' as const),
    name,
    value: fc.jsonValue().map(value => JSON.parse(JSON.stringify(value)) as Json), // -0 does not survive JSON
    secret: fc.option(fc.string(), { nil: null }),
    code: fc.option(fc.constantFrom('1', '2', '3'), { nil: null }),
  }),
  fc.record({ op: fc.constant('unset' as const), name }),
)

/** A sequence of deltas, each against what the ones before it gave. */
export const deltas: fc.Arbitrary<Delta[]> = fc
  .array(fc.tuple(fc.array(edit, { maxLength: 5 }), fc.nat(9)), { maxLength: 6 })
  .map(steps => steps.map(([edits, at]) => deltaOf(edits, at)))

function deltaOf(edits: readonly Edit[], at: number): Delta {
  const set = new Map<Ref, Entry>()
  const unset = new Set<Ref>()
  const modules: Module[] = []
  for (const step of edits) {
    const ref = refOf(kind, step.name)
    set.delete(ref)
    unset.delete(ref)
    if (step.op === 'unset') unset.add(ref)
    else {
      const module = step.code === null ? null : moduleOf('services/a.ts', step.code)
      if (module) modules.push(module)
      const spec: JsonObject = module ? { value: step.value, modules: { [module.path]: module.digest } } : { value: step.value }
      set.set(ref, entryOf(step.name, spec, step.secret))
    }
  }
  return { revision: revision(String(at).repeat(40)), set: [...set.values()], unset: [...unset], modules, settings, lockfile: null }
}

/** As it compares: a persistent map keeps what it holds to itself. */
export function plain(manifest: Manifest): Manifest {
  return { ...manifest, entries: new Map(manifest.entries), modules: new Map(manifest.modules) }
}
