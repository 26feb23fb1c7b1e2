// A plan and the delta that carries it out, made together from one diff, so that what is shown is what is applied.
// The plan is for people: secrets are digests. The delta is for the engine: secrets are sealed, each bound to its ref and field.

import type { LiveState } from '../../engine/generation/engine.ts'
import { type Delta, type Entry, type Origin, sealContext } from '../../engine/generation/manifest.ts'
import { framePairsBetween, type Pairs } from '../../engine/generation/mark.ts'
import type { Issue } from '../../schema/issue.ts'
import type { Ref } from '../../schema/ref.ts'
import type { Desired, DesiredResource } from '../compile/desired.ts'
import { orderSteps } from './order.ts'
import { type Change, type Hold, hasChanges, type Plan } from './plan.ts'
import { changedSettings } from './settings.ts'

/** Seals a secret so that it opens only in the same place. `context` is the ref and the JSON pointer. */
export type SealSecret = (plain: string, context: string) => string

export interface PlanInput {
  readonly id: string
  readonly desired: Desired
  readonly live: LiveState
  readonly changes: readonly Change[]
  /** How many resources stay. */
  readonly kept: number
  readonly issues: readonly Issue[]
  readonly holds: readonly Hold[]
  readonly origin: Origin
  /** Who deployed what the tree below the files of deploys does not declare. Default: there is none of it. */
  readonly deployedBy?: (ref: Ref) => string | undefined
  readonly actor: string
  /** ISO times. */
  readonly createdAt: string
  readonly expiresAt: string
  readonly seal: SealSecret
  /** Default false. */
  readonly isPreview?: boolean
}

export interface MadePlan {
  readonly plan: Plan
  readonly delta: Delta
  /** False where applying it would leave everything as it is. */
  readonly changesAnything: boolean
}

export function makePlan(input: PlanInput): MadePlan {
  const { desired, live, changes } = input
  const steps = orderSteps(changes, desired, live.manifest)
  const settings = changedSettings(live.manifest, desired)
  const plan: Plan = {
    id: input.id,
    environment: desired.environment,
    revision: desired.revision,
    base: { serial: live.serial, generation: live.generation, revision: live.manifest.revision },
    changes,
    steps,
    settings,
    summary: { ...summaryOf(changes, input.kept), settings: settings.length },
    issues: input.issues,
    holds: input.holds,
    desiredDigest: desired.digest,
    createdAt: input.createdAt,
    expiresAt: input.expiresAt,
    actor: input.actor,
    ...(input.isPreview ? { isPreview: true } : {}),
  }
  return { plan, delta: deltaOf(input, steps), changesAnything: hasChanges(plan) }
}

function summaryOf(changes: readonly Change[], keep: number): Omit<Plan['summary'], 'settings'> {
  const count = (op: Change['op']) => changes.filter(change => change.op === op).length
  return {
    create: count('create'),
    update: count('update'),
    delete: count('delete'),
    keep,
    reconnects: changes.filter(change => change.reconnects).length,
  }
}

/** Every part that the plan changes, with its digest after it or "absent": what is marked when it turns out bad. */
export function pairsOf({ plan, delta }: Pick<MadePlan, 'plan' | 'delta'>, live: LiveState): Pairs {
  const changes = plan.changes.filter(change => change.op !== 'keep')
  return [...changes.map(change => [change.ref, change.digests[1] ?? 'absent'] as const), ...framePairsBetween(live.manifest, delta)]
}

function deltaOf({ desired, live, origin, deployedBy, seal }: PlanInput, steps: Plan['steps']): Delta {
  const set = steps
    .filter(step => step.op !== 'delete')
    .map(step => desired.resources.get(step.ref))
    .filter(resource => resource !== undefined)
  return {
    revision: desired.revision,
    set: set.map(resource => {
      const by = deployedBy?.(resource.ref)
      return entryOf(resource, by === undefined ? origin : { from: 'cli', by, deployed: true }, seal)
    }),
    unset: steps.filter(step => step.op === 'delete').map(step => step.ref),
    modules: [...desired.modules.values()].filter(module => !live.manifest.modules.has(module.digest)),
    settings: desired.settings,
    lockfile: desired.lockfile,
  }
}

function entryOf({ secrets, at, ...resource }: DesiredResource, origin: Origin, seal: SealSecret): Entry {
  const sealed = [...secrets].map(([pointer, secret]) => [pointer, seal(secret.reveal(), sealContext(resource.ref, pointer))] as const)
  return { resource, origin, sealed: Object.fromEntries(sealed), declaredAt: `${at.path}:${at.line}:${at.column}` }
}
