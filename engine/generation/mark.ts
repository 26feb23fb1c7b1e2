// A change set that was judged bad, as the store keeps it. Whoever undoes a change marks it: the coordinator when probation fails, and a
// rollback. What is marked is the set as a whole, pair by pair, so a commit that changes or removes any one part of it is tried again.

import { createHash } from 'node:crypto'
import type { Mark } from '../store/port.ts'
import type { Manifest } from './manifest.ts'

export type Pairs = readonly (readonly [string, string])[]

export interface Judgement {
  readonly environment: string
  /** [ref, effective digest or "absent"] */
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
  return pairs
}

/** Whether every pair of the mark is in a state; `digestIn` gives the effective digest of a ref there. A mark of nothing holds nothing. */
export function isMarked({ pairs }: Pick<Mark, 'pairs'>, digestIn: (ref: string) => string | undefined): boolean {
  return pairs.length > 0 && pairs.every(([ref, digest]) => (digestIn(ref) ?? 'absent') === digest)
}
