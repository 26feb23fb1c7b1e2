// What a worker needs to build a generation: resources with sealed secrets, and compiled code, all by content.
// A manifest is a value: `applied(manifest, delta)` gives the next one and shares what did not change.

import type { Digest } from '../../schema/digest.ts'
import type { EnvironmentSettings } from '../../schema/environment.ts'
import type { Ref, Revision } from '../../schema/ref.ts'
import type { Module, Resource } from '../../schema/resource.ts'

/** Where a live resource came from. */
export type Origin =
  | { readonly from: 'git'; readonly revision: Revision }
  /** `deployed`: a file of a deploy declares it, and it goes with that file. */
  | { readonly from: 'cli'; readonly by: string; readonly deployed?: true }
  | { readonly from: 'builtin' }

/** A resource as a manifest carries it. */
export interface Entry {
  readonly resource: Resource
  readonly origin: Origin
  /** JSON pointer → sealed value (AES-256-GCM under the seal key, base64). */
  readonly sealed: Readonly<Record<string, string>>
  /** Where it was declared, for messages: `environments/dev/channels.yaml:3:5`. */
  readonly declaredAt: string
}

/** What the environment decides about the running of a generation; policy that is judged later is kept with it. */
export type Settings = EnvironmentSettings

export interface Manifest {
  /** What was compiled; null before the first apply. */
  readonly revision: Revision | null
  readonly entries: ReadonlyMap<Ref, Entry>
  /** Compiled code by digest. */
  readonly modules: ReadonlyMap<Digest, Module>
  readonly settings: Settings | null
  /** Digest of the npm lockfile the services were built with; null where there is none. */
  readonly lockfile: Digest | null
}

/** The way from one manifest to the next. `set` holds whole entries; modules that no service uses any more are dropped by `applied`. */
export interface Delta {
  readonly revision: Revision | null
  readonly set: readonly Entry[]
  readonly unset: readonly Ref[]
  readonly modules: readonly Module[]
  readonly settings: Settings
  readonly lockfile: Digest | null
}

export const emptyManifest: Manifest = { revision: null, entries: new Map(), modules: new Map(), settings: null, lockfile: null }

/** What a sealed value is bound to: it opens in the field it was sealed for and nowhere else. */
export function sealContext(ref: Ref, pointer: string): string {
  return `${ref}${pointer}`
}

/** `git <revision>`, `cli <who>` or `builtin`. */
export function originText(origin: Origin): string {
  switch (origin.from) {
    case 'git':
      return `git ${origin.revision}`
    case 'cli':
      return `cli ${origin.by}`
    case 'builtin':
      return 'builtin'
  }
}
