// Desired states and manifests made of a few lines, for tests of plans and of what is done with them.

import type { Entry, Manifest, Settings } from '../../../engine/generation/manifest.ts'
import type { Desired, DesiredResource } from '../../../reconcile/compile/desired.ts'
import { type Digest, digestOf } from '../../../schema/digest.ts'
import type { JsonObject } from '../../../schema/json.ts'
import type { Kind } from '../../../schema/kind.ts'
import { type KindName, kindName, parseRef, partsOf, type Revision, revision } from '../../../schema/ref.ts'
import { Secret } from '../../../schema/secret.ts'

export interface Declared {
  readonly spec?: JsonObject
  readonly refs?: readonly string[]
  /** JSON pointer → value */
  readonly secrets?: Readonly<Record<string, string>>
  readonly tainted?: readonly string[]
  readonly closed?: string | null
  /** Stands for code that is not in the spec. */
  readonly built?: string
}

export const settings: Settings = {
  environment: 'dev',
  mode: 'git',
  requireSecurity: true,
  preflight: 'require',
  probationMs: 0,
  auto: true,
  prune: true,
  maxDeletes: { percent: 100 },
  schedule: null,
  env: [],
}

export const firstRevision = revision('1'.repeat(40))

/** `sql` connects and may change `pool_size` in place; `service` is not declared in YAML. */
export const kinds: ReadonlyMap<KindName, Kind> = new Map(
  [
    kindOf('sql', 'sql', true),
    kindOf('channel_rest', 'channel_rest', false),
    kindOf('security', 'security', false),
    kindOf('service', null, false),
  ].map(kind => [kind.name, kind]),
)

export function desiredOf(
  declared: Readonly<Record<string, Declared>>,
  rest: { revision?: Revision; settings?: Partial<Settings>; ref?: string | null } = {},
): Desired {
  const resources = new Map(Object.entries(declared).map(([ref, one]) => [parseRef(ref), resourceOf(ref, one)]))
  return {
    environment: rest.settings?.environment ?? 'dev',
    revision: rest.revision ?? firstRevision,
    resources,
    modules: new Map(),
    settings: { ...settings, ...rest.settings },
    lockfile: null,
    digest: digestOf([...resources.values()].map(resource => resource.effectiveDigest)),
    ...(rest.ref === undefined ? {} : { ref: rest.ref }),
  }
}

/** The manifest after `desired` was applied to nothing. */
export function manifestOf(desired: Desired, origin: Entry['origin'] = { from: 'git', revision: desired.revision }): Manifest {
  const entries = [...desired.resources.values()].map(({ secrets, at, ...resource }): Entry => {
    const sealed = Object.fromEntries([...secrets].map(([pointer, secret]) => [pointer, Buffer.from(secret.reveal()).toString('hex')]))
    return { resource, origin, sealed, declaredAt: `${at.path}:${at.line}:${at.column}` }
  })
  return {
    revision: desired.revision,
    entries: new Map(entries.map(entry => [entry.resource.ref, entry])),
    modules: desired.modules,
    settings: desired.settings,
    lockfile: desired.lockfile,
  }
}

function resourceOf(
  text: string,
  { spec = {}, refs = [], secrets = {}, tainted = [], closed = null, built = '' }: Declared,
): DesiredResource {
  const ref = parseRef(text)
  const { kind, name } = partsOf(ref)
  const specDigest = digestOf(spec)
  const secretDigest = Object.keys(secrets).length > 0 ? digestOf(secrets) : null
  const { pool_size: _, ...connecting } = spec
  return {
    ref,
    kind,
    name,
    spec,
    tainted,
    refs: refs.map(parseRef),
    specDigest,
    secretDigest,
    effectiveDigest: digestOf([specDigest, secretDigest, built]),
    instanceKey: digestOf([connecting, secretDigest]) as Digest,
    closed,
    secrets: new Map(Object.entries(secrets).map(([pointer, value]) => [pointer, new Secret(value)])),
    at: { path: 'environments/dev/all.yaml', line: 3, column: 5 },
  }
}

function kindOf(name: string, section: string | null, connects: boolean): Kind {
  return {
    name: kindName(name),
    section,
    sectionAliases: [],
    identity: 'name',
    schema: {},
    refFields: [],
    secretPaths: [],
    spellings: [],
    deciders: new Set(),
    openers: new Map(),
    inPlace: new Set(['pool_size']),
    mergeKeys: new Map(),
    plumb: false,
    client: connects ? { method: name, import: name, type: 'Client' } : null,
  }
}
