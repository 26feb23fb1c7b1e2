// What compilation gives: the desired state of one environment at one revision, what is wrong with it, and where each value came from.

import type { Settings } from '../../engine/generation/manifest.ts'
import type { Layer } from '../../engine/store/layers.ts'
import type { Digest } from '../../schema/digest.ts'
import type { Issue, Position } from '../../schema/issue.ts'
import type { Json, JsonObject } from '../../schema/json.ts'
import type { Ref, Revision } from '../../schema/ref.ts'
import type { Module, Resource } from '../../schema/resource.ts'
import type { Secret } from '../../schema/secret.ts'

export interface DesiredResource extends Resource {
  /** JSON pointer → whole value after templating. */
  readonly secrets: ReadonlyMap<string, Secret>
  /** JSON pointers of leaves that a variable would decide which is not there: what they hold is not judged. Default: none. */
  readonly unknown?: readonly string[]
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
  /** `sync.ref` of environment.yaml: checked against the ref the server follows, never followed. */
  readonly ref?: string | null
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

/** What the files of deploys make of a tree, resource by resource. */
export interface Deployed {
  /** What the tree below does not declare. */
  readonly added: ReadonlySet<Ref>
  /** What they add or change, each with the layer that does. */
  readonly layered: ReadonlyMap<Ref, Layer>
}

export interface Compiled {
  /** Null where an error keeps the revision from being built. */
  readonly desired: Desired | null
  readonly issues: readonly Issue[]
  /** Present where files of deploys lie over the tree. */
  readonly deployed?: Deployed
  /** Per leaf, in document order; computed when asked. */
  explain(ref: Ref): readonly Leaf[] | undefined
}

/** One place where service code names something declared: `ctx.sql('Billing')`, `ctx.invoke('client.get')`. */
export interface ServiceUse {
  /** `sql`, `rest`, `invoke` …: the method of `ctx` that was called. */
  readonly method: string
  readonly name: string
  readonly at: Position
}

export interface CompiledService {
  readonly name: string
  /** Path in the tree. */
  readonly path: string
  readonly exportName: string
  readonly at: Position
  readonly description: string | null
  /** JSON Schema of the request; null where the service takes anything. */
  readonly input: JsonObject | null
  readonly output: JsonObject | null
  readonly uses: readonly ServiceUse[]
  /** path → digest of its module, for the file itself and all it imports. */
  readonly modules: Readonly<Record<string, Digest>>
}

export interface CompiledServices {
  readonly services: readonly CompiledService[]
  readonly modules: ReadonlyMap<Digest, Module>
  readonly issues: readonly Issue[]
  readonly lockfile: Digest | null
  /** Some files could not be read, so there may be more services than these. */
  readonly isPartial?: boolean
}
