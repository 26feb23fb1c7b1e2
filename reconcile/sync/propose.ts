// The one choke point: whatever wants to change the live registry is judged here, by the policy in force, and either goes ahead with an
// exact delta, or waits as a stored plan, or is refused. A stored plan is applied from its stored delta, byte for byte.

import { randomBytes } from 'node:crypto'
import { failpoint } from '#failpoint'
import type { Clock } from '../../adapters/port.ts'
import type { ApplyRequest, LiveState } from '../../engine/generation/engine.ts'
import type { Delta, Origin } from '../../engine/generation/manifest.ts'
import type { PlanRow, Store } from '../../engine/store/port.ts'
import { hasErrors, type Issue, issue } from '../../schema/issue.ts'
import type { JsonObject } from '../../schema/json.ts'
import type { Kind } from '../../schema/kind.ts'
import type { KindName } from '../../schema/ref.ts'
import type { Compiled, Desired } from '../compile/desired.ts'
import { diff } from '../plan/diff.ts'
import { type MadePlan, makePlan, pairsOf, type SealSecret } from '../plan/make.ts'
import { type Plan, storedPlan } from '../plan/plan.ts'
import { type EntryPoint, holdsOf } from './judge.ts'
import { type Judge, loosenedRules, policyInForce } from './policy.ts'

export interface ProposeOptions {
  readonly store: Store
  readonly live: () => LiveState
  readonly kinds: ReadonlyMap<KindName, Kind>
  readonly judge: Judge
  /** The environment this server serves. */
  readonly environment: string
  /** The full ref of the git repository that is followed; null where none is. */
  readonly ref: string | null
  readonly seal: SealSecret
  readonly clock: Clock
}

export interface Proposed {
  readonly compiled: Compiled
  readonly entry: Exclude<EntryPoint, 'apply-plan' | 'rollback'>
  readonly actor: string
  readonly reason: string
  /** The tree was handed over instead of being read from the source: what it declares has the origin `cli`. */
  readonly uploaded?: boolean
  readonly confirmDeletes?: number
}

export type Proposal =
  /** What is live is what is declared. */
  | { readonly kind: 'nothing'; readonly plan: Plan }
  | { readonly kind: 'go'; readonly plan: Plan; readonly request: ApplyRequest }
  /** The plan is stored and waits. */
  | { readonly kind: 'held'; readonly plan: Plan }
  | { readonly kind: 'refused'; readonly code: RefusalCode; readonly issues: readonly Issue[]; readonly reasons: readonly string[] }

export type RefusalCode = 'INPUT' | 'MODE_GIT' | 'STALE' | 'CLOSED' | 'EXPIRED' | 'UNKNOWN' | 'UNREADABLE'

export interface Choke {
  /** Judges a compiled tree. With entry `plan`, and wherever it is held, the plan is stored; nothing is ever applied here. */
  propose(proposed: Proposed): Promise<Proposal>
  /** Judges a stored plan; the request carries the stored delta. */
  proposeStored(stored: { readonly id: string; readonly actor: string; readonly confirmDeletes?: number }): Promise<Proposal>
}

/** A plan that waits longer is made anew. */
export const planLifeMs = 24 * 60 * 60 * 1000

export function createChoke(options: ProposeOptions): Choke {
  return {
    propose: proposed => propose(proposed, options),
    proposeStored: stored => proposeStored(stored, options),
  }
}

async function propose(proposed: Proposed, options: ProposeOptions): Promise<Proposal> {
  const { compiled, entry, actor, uploaded = false } = proposed
  const { desired } = compiled
  const live = options.live()
  if (entry === 'apply-tree' && !acceptsUploads(live, options)) return modeGit()
  if (desired === null || hasErrors(compiled.issues)) return refused(compiled.issues)
  // Where git decides, a plan of an upload is a look at what a commit of it would change.
  const origin = uploaded && acceptsUploads(live, options) ? 'cli' : 'git'
  const policy = policyInForce(options.judge, live.manifest.settings, desired.settings)
  const {
    changes,
    kept,
    issues: conflicts,
  } = diff(desired, live.manifest, {
    origin,
    kinds: options.kinds,
    prune: policy.prune,
    ...(compiled.deployed ? { deployed: compiled.deployed.added } : {}),
  })
  failpoint('diff.done')
  const issues = [...compiled.issues, ...conflicts, ...mismatches(desired, options), ...loosenings(desired, live, options)]
  if (hasErrors(issues)) return refused(issues)
  const id = randomBytes(5).toString('hex')
  const marks = await options.store.listMarks()
  const confirmDeletes = proposed.confirmDeletes ?? null
  const holds = holdsOf({
    entry,
    planId: id,
    origin,
    policy,
    changes,
    next: desired,
    live,
    kinds: options.kinds,
    marks,
    confirmDeletes,
  })
  const now = options.clock.now()
  const made = makePlan({
    id,
    desired,
    live,
    changes,
    kept,
    issues,
    holds,
    origin: originOf(origin, desired, actor),
    deployedBy: ref => (compiled.deployed?.added.has(ref) ? (compiled.deployed.layered.get(ref)?.by ?? actor) : undefined),
    actor,
    createdAt: new Date(now).toISOString(),
    expiresAt: new Date(now + planLifeMs).toISOString(),
    seal: options.seal,
    isPreview: uploaded && origin === 'git',
  })
  if (entry === 'plan' || (made.changesAnything && holds.length > 0)) await storePlan({ ...made, origin, uploaded }, options.store)
  if (!made.changesAnything) return { kind: 'nothing', plan: made.plan }
  if (holds.length > 0) return { kind: 'held', plan: made.plan }
  return { kind: 'go', plan: made.plan, request: requestOf(made, { live, actor, reason: proposed.reason, policy }) }
}

async function proposeStored(stored: { id: string; actor: string; confirmDeletes?: number }, options: ProposeOptions): Promise<Proposal> {
  const row = await options.store.getPlan(stored.id)
  const no = (code: RefusalCode, reason: string): Proposal => ({ kind: 'refused', code, issues: [], reasons: [reason] })
  if (row === undefined || row.environment !== options.environment)
    return no('UNKNOWN', `Cannot apply plan "${stored.id}" as there is no such plan; plumb plan makes one`)
  if (row.state !== 'open') return no('CLOSED', `Cannot apply plan "${row.id}" as it is ${row.state}; plumb plan makes a new one`)
  if (Date.parse(row.expiresAt) <= options.clock.now()) {
    await options.store.closePlan(row.id, 'expired')
    return no('EXPIRED', `Cannot apply plan "${row.id}" as it expired at ${row.expiresAt}; plumb plan makes a new one`)
  }
  const live = options.live()
  if (row.baseSerial !== live.serial) {
    return no(
      'STALE',
      `Cannot apply plan "${row.id}" as it was made for serial ${row.baseSerial} and serial ${live.serial} is live; plumb plan makes a new one`,
    )
  }
  const made = await loadPlan(row, options.store)
  if (made === null)
    return no('UNREADABLE', `Cannot apply plan "${row.id}" as its stored change is gone or damaged; plumb plan makes a new one`)
  const { plan, delta, origin } = made
  if (made.uploaded && !acceptsUploads(live, options)) return modeGit()
  if (made.uploaded && origin === 'git')
    return no('STALE', `Cannot apply plan "${row.id}" as it shows what a commit of the tree would change; plumb plan DIR makes a new one`)
  const policy = policyInForce(options.judge, live.manifest.settings, delta.settings)
  const holds = holdsOf({
    entry: 'apply-plan',
    planId: row.id,
    origin,
    policy,
    changes: plan.changes,
    next: delta,
    live,
    kinds: options.kinds,
    marks: await options.store.listMarks(),
    confirmDeletes: stored.confirmDeletes ?? null,
  })
  if (holds.length > 0) return { kind: 'held', plan: { ...plan, holds } }
  if (!made.changesAnything) return { kind: 'nothing', plan }
  return { kind: 'go', plan, request: requestOf(made, { live, actor: stored.actor, reason: `apply ${row.id}`, policy }) }
}

/** In an environment that git decides, every change is a commit. */
function acceptsUploads(live: LiveState, { ref }: ProposeOptions): boolean {
  return ref === null || live.manifest.settings?.mode === 'live'
}

function modeGit(): Proposal {
  const message =
    'Cannot apply an uploaded tree as this server follows git and its environment has "mode: git"; push the change and run plumb sync'
  return { kind: 'refused', code: 'MODE_GIT', issues: [issue('MODE_GIT', message)], reasons: [message] }
}

function refused(issues: readonly Issue[]): Proposal {
  const errors = issues.filter(found => found.severity === 'error')
  return { kind: 'refused', code: 'INPUT', issues, reasons: errors.map(found => found.message) }
}

function mismatches(desired: Desired, options: ProposeOptions): Issue[] {
  const found: Issue[] = []
  if (desired.environment !== options.environment) {
    const message = `Cannot use the revision as it declares the environment "${desired.environment}": this server serves "${options.environment}"`
    found.push(issue('ENVIRONMENT_MISMATCH', message))
  }
  const wanted = desired.ref ?? null
  if (wanted !== null && options.ref !== null && wanted !== options.ref && `refs/heads/${wanted}` !== options.ref) {
    const message = `Cannot use the revision as its "sync.ref" is "${wanted}": this server follows "${options.ref}"`
    found.push(issue('REF_MISMATCH', message))
  }
  return found
}

function loosenings(desired: Desired, live: LiveState, { judge }: ProposeOptions): Issue[] {
  return loosenedRules(judge, live.manifest.settings, desired.settings).map(rule =>
    issue('RULE_LOOSENED', `The revision loosens a rule of the environment for the revisions after it: ${rule}`),
  )
}

function originOf(origin: 'git' | 'cli', desired: Desired, actor: string): Origin {
  return origin === 'git' ? { from: 'git', revision: desired.revision } : { from: 'cli', by: actor }
}

function requestOf(
  made: MadePlan,
  { live, actor, reason, policy }: { live: LiveState; actor: string; reason: string; policy: Delta['settings'] },
): ApplyRequest {
  const { plan, delta } = made
  const { create, update, delete: deletes } = plan.summary
  return {
    baseSerial: plan.base.serial,
    delta,
    actor,
    reason,
    summary: { create, update, delete: deletes },
    pairs: pairsOf(made, live),
    preflight: policy.preflight,
    probationMs: policy.probationMs,
  }
}

/** What a stored plan needs besides its row. */
interface StoredPlan extends MadePlan {
  readonly origin: 'git' | 'cli'
  readonly uploaded: boolean
}

async function storePlan({ plan, ...rest }: StoredPlan, store: Store): Promise<void> {
  const { id, environment, revision, createdAt, expiresAt, actor } = plan
  // Plans and deltas are plain data; the way through JSON drops what is undefined.
  const body = JSON.parse(JSON.stringify(plan)) as JsonObject
  const blob = await store.putBlob(Buffer.from(JSON.stringify(rest)))
  await store.putPlan({ id, environment, revision, baseSerial: plan.base.serial, createdAt, expiresAt, actor, state: 'open', body, blob })
  failpoint('plan.persisted')
}

/** Null where the blob is gone, or is not what was stored. */
async function loadPlan(row: PlanRow, store: Store): Promise<StoredPlan | null> {
  const bytes = await store.getBlob(row.blob)
  if (bytes === undefined) return null
  try {
    const rest = JSON.parse(Buffer.from(bytes).toString()) as Omit<StoredPlan, 'plan'> // written by storePlan
    return { ...rest, plan: storedPlan(row.body) }
  } catch {
    return null // said by the caller, with the id
  }
}
