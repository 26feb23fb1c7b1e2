// What compilation gives: the desired state of one environment at one revision, what is wrong with it, and where each value came from.

import type { Settings } from '../../engine/generation/manifest.ts'
import type { Digest } from '../../schema/digest.ts'
import type { Issue, Position } from '../../schema/issue.ts'
import type { Json } from '../../schema/json.ts'
import type { Ref, Revision } from '../../schema/ref.ts'
import type { Module, Resource } from '../../schema/resource.ts'
import type { Secret } from '../../schema/secret.ts'

export interface DesiredResource extends Resource {
  /** JSON pointer → whole value after templating. */
  readonly secrets: ReadonlyMap<string, Secret>
  readonly at: Position
}

export interface Desired {
  readonly environment: string
  readonly revision: Revision
  readonly resources: ReadonlyMap<Ref, DesiredResource>
  readonly modules: ReadonlyMap<Digest, Module>
  /** The revision's own environment.yaml; it judges the *next* revision. */
  readonly settings: Settings
  readonly lockfile: Digest | null
  /** Over the effective digests of all resources. */
  readonly digest: Digest
}

/** Where one leaf of a resource came from. */
export interface Leaf {
  readonly pointer: string
  /** Printable: `***` where it is a secret or tainted. */
  readonly value: Json
  readonly from:
    | { readonly kind: 'file'; readonly at: Position; readonly layer: string; readonly variables: readonly string[] }
    | { readonly kind: 'default' }
}

export interface Compiled {
  /** Null where an error keeps the revision from being built. */
  readonly desired: Desired | null
  readonly issues: readonly Issue[]
  /** Per leaf, in document order; computed when asked. */
  explain(ref: Ref): readonly Leaf[] | undefined
}
