// A change set that was judged bad, as the store keeps it. Whoever undoes a change marks it: the coordinator when probation fails, and a
// rollback. What is marked is the set as a whole, pair by pair, so a commit that changes or removes any one part of it is tried again.
// A part is a resource, named by its ref, or what a manifest holds besides: `settings` and `lockfile`, which no ref can be as it has a slash.

import { createHash } from 'node:crypto'
import { digestOf } from '../../schema/digest.ts'
import type { Ref } from '../../schema/ref.ts'
import type { Mark } from '../store/port.ts'
import type { Manifest } from './manifest.ts'

export type Pairs = readonly (readonly [string, string])[]

export interface Judgement {
  readonly environment: string
  /** [part, digest or "absent"]; of a resource its ref and effective digest */
  readonly pairs: Pairs
  readonly actor: string
  readonly reason: string
  /** ISO time */
  readonly at: string
}

/** Equal sets in one environment get an equal id, so that a set that fails twice is one mark. */
export function markOf(judgement: Judgement): Mark {
  const pairs = [...judgement.pairs].sort(([a], [b]) => (a < b ? -1 : 1))
  const id = createHash('sha256')
    .update(JSON.stringify([judgement.environment, pairs]))
    .digest('hex')
    .slice(0, 16)
  return { ...judgement, pairs, id }
}

/** What `later` has otherwise than `earlier`: the change set that a return to `earlier` undoes. */
export function pairsBetween(earlier: Manifest, later: Manifest): Pairs {
  const pairs: (readonly [string, string])[] = []
  for (const [ref, { resource }] of later.entries) {
    if (earlier.entries.get(ref)?.resource.effectiveDigest !== resource.effectiveDigest) pairs.push([ref, resource.effectiveDigest])
  }
  for (const ref of earlier.entries.keys()) if (!later.entries.has(ref)) pairs.push([ref, 'absent'])
  return [...pairs, ...framePairsBetween(earlier, later)]
}

/** What a manifest holds besides its resources and their code. */
export type Frame = Pick<Manifest, 'settings' | 'lockfile'>

/** The pairs of `later` that no ref names. */
export function framePairsBetween(earlier: Frame, later: Frame): Pairs {
  const before = new Map(frameOf(earlier))
  return frameOf(later).filter(([part, digest]) => before.get(part) !== digest)
}

function frameOf({ settings, lockfile }: Frame): Pairs {
  return [
    ['settings', settings ? digestOf({ ...settings }) : 'absent'],
    ['lockfile', lockfile ?? 'absent'],
  ]
}

/** The digest that a state has of a part; undefined where it has none of that name. */
export function digestsIn(state: Frame & Pick<Manifest, 'entries'>): (part: string) => string | undefined {
  const frame = new Map(frameOf(state))
  // What is no ref is not among them.
  return part => frame.get(part) ?? state.entries.get(part as Ref)?.resource.effectiveDigest
}

/** Whether every pair of the mark is in a state; `digestIn` gives the digest of a part there. A mark of nothing holds nothing. */
export function isMarked({ pairs }: Pick<Mark, 'pairs'>, digestIn: (part: string) => string | undefined): boolean {
  return pairs.length > 0 && pairs.every(([part, digest]) => (digestIn(part) ?? 'absent') === digest)
}
