// How a pass ends, and what that is called in the journal and among the conditions.

import { createHash } from 'node:crypto'
import type { ApplyRequest, Phases } from '../../engine/generation/engine.ts'
import { type Issue, issue } from '../../schema/issue.ts'
import type { JsonObject } from '../../schema/json.ts'
import type { Revision } from '../../schema/ref.ts'
import type { Hold } from '../plan/plan.ts'
import { SourceError, type SourceFault } from '../source/source-error.ts'

export type SyncOutcome = { readonly revision: Revision | null; readonly phases: Phases } /** `issues` are warnings. */ & (
  | {
      readonly kind: 'live'
      readonly serial: number
      readonly generation: number
      readonly summary: ApplyRequest['summary']
      readonly issues: readonly Issue[]
    }
  /** `isUnchanged`: there was nothing new to look at, and so no warning either. */
  | { readonly kind: 'nothing'; readonly isUnchanged: boolean; readonly issues: readonly Issue[] }
  | { readonly kind: 'held'; readonly plan: string; readonly holds: readonly Hold[] }
  /** The revision cannot go live. `isFinal`: not before it changes. */
  | {
      readonly kind: 'refused'
      readonly code: string
      readonly reasons: readonly string[]
      readonly issues: readonly Issue[]
      readonly isFinal: boolean
    }
  /** The source, or the world, failed. */
  | { readonly kind: 'failed'; readonly fault: SourceFault | 'internal'; readonly reasons: readonly string[]; readonly retryable: boolean }
)

/** What went wrong in the world, or with the tree itself, as the end of a pass. */
export function failureOf(error: unknown, { revision, phases }: Pick<SyncOutcome, 'revision' | 'phases'>): SyncOutcome {
  if (error instanceof SourceError && error.kind === 'refused') {
    const at = error.path === null ? {} : { at: { path: error.path, line: 1, column: 1 } }
    return {
      kind: 'refused',
      code: 'INPUT',
      reasons: [error.message],
      issues: [issue('TREE_REFUSED', error.message, at)],
      isFinal: true,
      revision,
      phases,
    }
  }
  if (error instanceof SourceError)
    return { kind: 'failed', fault: error.kind, reasons: [error.message], retryable: error.retryable, revision, phases }
  const message = error instanceof Error ? error.message : String(error)
  return { kind: 'failed', fault: 'internal', reasons: [`Cannot finish the pass: ${message}`], retryable: true, revision, phases }
}

/** Why nothing goes forward, in one word; null where it does. */
export function stallOf(outcome: SyncOutcome): string | null {
  switch (outcome.kind) {
    case 'live':
    case 'nothing':
      return null
    case 'held':
      return outcome.holds[0] ? heldReasons[outcome.holds[0].kind] : 'Held'
    case 'refused':
      return refusedReasons.get(outcome.code) ?? 'Refused'
    case 'failed':
      return failedReasons[outcome.fault]
  }
}

export function eventOf(outcome: SyncOutcome): string {
  switch (outcome.kind) {
    case 'live':
      return 'sync.applied'
    case 'nothing':
      return 'sync.nothing'
    case 'held':
      return 'sync.held'
    case 'refused':
    case 'failed':
      return 'sync.failed'
  }
}

/** The outcome as the journal and the API carry it. */
export function describe(outcome: SyncOutcome): JsonObject {
  // Outcomes are plain data; the way through JSON drops what is undefined.
  return JSON.parse(JSON.stringify(outcome)) as JsonObject
}

/** The same with no more issues than a page shows; the journal is no place for thousands. */
export function describeBriefly(outcome: SyncOutcome): JsonObject {
  if (!('issues' in outcome)) return describe(outcome)
  const issues = outcome.issues.slice(0, maxTold)
  const brief = outcome.kind === 'refused' ? { ...outcome, issues, reasons: outcome.reasons.slice(0, maxTold) } : { ...outcome, issues }
  return { ...describe(brief), issueCount: outcome.issues.length }
}

const maxTold = 50

/** What an outcome says, apart from how long it took and which plan stands for it. */
export function digestOfOutcome(outcome: SyncOutcome): string {
  const { phases: _, ...said } = outcome
  const text = JSON.stringify(said.kind === 'held' ? { ...said, plan: '', holds: said.holds.map(hold => hold.kind) } : said)
  return createHash('sha256').update(text).digest('hex')
}

const heldReasons = { approval: 'AwaitingApproval', deletes: 'DeleteBudget', marked: 'MarkedBad' } as const satisfies Record<
  Hold['kind'],
  string
>

const refusedReasons = new Map([
  ['INPUT', 'InvalidRevision'],
  ['PREPARE_FAILED', 'PrepareFailed'],
])

const failedReasons = {
  unreachable: 'SourceUnreachable',
  timeout: 'SourceUnreachable',
  auth: 'SourceRefusedLogin',
  'ref-missing': 'RefMissing',
  garbage: 'SourceGarbage',
  corrupt: 'CloneDamaged',
  refused: 'TreeRefused',
  internal: 'InternalError',
} as const satisfies Record<SourceFault | 'internal', string>
