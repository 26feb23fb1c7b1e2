// A declared thing, as every phase after compilation knows it.

import type { Digest } from './digest.ts'
import type { JsonObject } from './json.ts'
import type { KindName, Ref } from './ref.ts'

export interface Resource {
  readonly ref: Ref
  readonly kind: KindName
  readonly name: string
  /**
   * The canonical declared form: variables and environment substituted, aliases renamed, defaults filled in.
   * A leaf that holds a secret keeps its reference (`Bearer ${{ secrets.crm }}`); a literal secret stands as `${{ literal }}`.
   */
  readonly spec: JsonObject
  /** JSON pointers of leaves that came from a process variable; printed as `***` like secrets. */
  readonly tainted: readonly string[]
  /** What it refers to, sorted, without duplicates. */
  readonly refs: readonly Ref[]
  /** Over `spec`; equal on every machine. */
  readonly specDigest: Digest
  /** Keyed, over the values of its secrets; null where it has none. */
  readonly secretDigest: Digest | null
  /** Over (specDigest, secretDigest); for a service also its import closure and lockfile. */
  readonly effectiveDigest: Digest
  /** The same without `x-in-place` fields: generations that agree on it share one instance. */
  readonly instanceKey: Digest
  /** Why this resource answers 503 instead of working; null where it works. */
  readonly closed: string | null
}

/** One compiled file of service code, addressed by the digest of its JavaScript and its name. */
export interface Module {
  readonly digest: Digest
  /** Path in the tree, such as `services/client/get-client.ts`. */
  readonly path: string
  /** CommonJS. */
  readonly js: string
  /** Source map (JSON) from `js` to the TypeScript file. */
  readonly map: string
  /** import specifier → path in the tree, for the imports that stay inside the estate. */
  readonly imports: Readonly<Record<string, string>>
}
