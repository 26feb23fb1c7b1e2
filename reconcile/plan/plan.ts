// A plan as data: what would change, field by field, and what that means. Printed by print.ts; carried out by the engine.

import type { Digest } from '../../schema/digest.ts'
import type { Issue, Position } from '../../schema/issue.ts'
import type { Json, JsonObject } from '../../schema/json.ts'
import type { Ref, Revision } from '../../schema/ref.ts'

/** One field that differs. Secrets and tainted values stand as digests (`#a1b2c3d4`) or `***`, never as themselves. */
export interface FieldChange {
  readonly pointer: string
  readonly before: Json | undefined
  readonly after: Json | undefined
  readonly sensitive: boolean
  /** The field forces a new connection. */
  readonly reconnects: boolean
}

export interface Change {
  readonly op: 'create' | 'update' | 'delete' | 'keep'
  readonly ref: Ref
  readonly fields: readonly FieldChange[]
  /** The instance is replaced: a pool reconnects, a listener is handed over. */
  readonly reconnects: boolean
  /** Sentences: why this op. */
  readonly reasons: readonly string[]
  /** Where it is declared; where it was, for a delete. */
  readonly at: Position | null
  /** Resources that use this one, nearest first: what stands behind the change. */
  readonly behind: readonly Ref[]
  /** [effective digest before, after]; null where it is not there. */
  readonly digests: readonly [Digest | null, Digest | null]
}

export interface Step {
  readonly order: number
  readonly op: 'create' | 'update' | 'delete'
  readonly ref: Ref
}

export interface Plan {
  readonly id: string
  readonly environment: string
  readonly revision: Revision
  readonly base: { readonly serial: number; readonly generation: number; readonly revision: Revision | null }
  /** Sorted by ref; a `keep` only where it has a reason, the others are counted in `summary`. */
  readonly changes: readonly Change[]
  readonly steps: readonly Step[]
  /** What changes for the environment as a whole: its rules by the names of environment.yaml, and the lockfile of its services. */
  readonly settings: readonly FieldChange[]
  readonly summary: {
    readonly create: number
    readonly update: number
    readonly delete: number
    readonly keep: number
    readonly settings: number
    readonly reconnects: number
  }
  /** Warnings of the compilation, and what the revision loosens. */
  readonly issues: readonly Issue[]
  /** Why it waits instead of being applied; empty where it may go ahead. */
  readonly holds: readonly Hold[]
  readonly desiredDigest: Digest
  readonly createdAt: string
  readonly expiresAt: string
  readonly actor: string
  /** An upload where git decides: it shows what a commit of the tree would change, and cannot be applied. */
  readonly isPreview?: true
}

/** False where applying it would leave everything as it is. */
export function hasChanges({ steps, settings }: Pick<Plan, 'steps' | 'settings'>): boolean {
  return steps.length > 0 || settings.length > 0
}

/** The plan of a stored row. One that was stored before a plan told of settings tells of none. */
export function storedPlan(body: JsonObject): Plan {
  const plan = body as unknown as Plan // the body of a row is a plan
  return { ...plan, settings: plan.settings ?? [], summary: { ...plan.summary, settings: plan.summary.settings ?? 0 } }
}

export type Hold =
  | { readonly kind: 'approval'; readonly next: string }
  | { readonly kind: 'deletes'; readonly deletes: number; readonly allowed: number; readonly next: string }
  | { readonly kind: 'marked'; readonly mark: string; readonly reason: string; readonly by: string; readonly next: string }
