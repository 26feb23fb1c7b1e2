// Which rules stop which entry. Pure: everything a rule needs is handed in, and what comes back is why it waits. A rule is a row of the
// table, so that no entry can be added without saying what it answers for.

import type { LiveState } from '../../engine/generation/engine.ts'
import type { Settings } from '../../engine/generation/manifest.ts'
import { digestsIn, type Frame, framePairsBetween, isMarked } from '../../engine/generation/mark.ts'
import type { Mark } from '../../engine/store/port.ts'
import { allowedDeletes } from '../../schema/environment.ts'
import type { Kind } from '../../schema/kind.ts'
import type { KindName } from '../../schema/ref.ts'
import { partsOf } from '../../schema/ref.ts'
import type { Change, Hold } from '../plan/plan.ts'

/** The ways into the live registry; `plan` goes no further than the store. */
export type EntryPoint = 'sync' | 'plan' | 'apply-plan' | 'apply-tree' | 'rollback'

export interface Case {
  readonly entry: EntryPoint
  readonly planId: string
  readonly origin: 'git' | 'cli'
  readonly policy: Settings
  readonly changes: readonly Change[]
  /** What holds for the whole environment after it: its settings, among them the rules themselves, and its libraries. */
  readonly next: Frame
  readonly live: LiveState
  readonly kinds: ReadonlyMap<KindName, Kind>
  readonly marks: readonly Mark[]
  readonly confirmDeletes: number | null
}

/** Empty where it may go ahead. */
export function holdsOf(judged: Case): readonly Hold[] {
  const isReframed = framePairsBetween(judged.live.manifest, judged.next).length > 0
  if (!isReframed && judged.changes.every(change => change.op === 'keep')) return []
  return (Object.keys(rules) as Hold['kind'][]) // the keys of a literal
    .filter(kind => answersFor[judged.entry].includes(kind))
    .map(kind => rules[kind](judged))
    .filter(hold => hold !== null)
}

const rules: Readonly<Record<Hold['kind'], (judged: Case) => Hold | null>> = {
  approval: ({ policy, planId }) => (policy.auto ? null : { kind: 'approval', next: `plumb apply ${planId}` }),
  deletes: judged => {
    const deletes = judged.changes.filter(
      change => change.op === 'delete' && isDeclared(change.ref, judged) && !isDeployed(change.ref, judged),
    ).length
    if (deletes === 0) return null
    const owned = [...judged.live.manifest.entries.values()].filter(entry => entry.origin.from === judged.origin)
    const allowed = allowedDeletes(judged.policy.maxDeletes, owned.filter(entry => isDeclared(entry.resource.ref, judged)).length)
    if (deletes <= allowed || judged.confirmDeletes === deletes) return null
    const target = judged.entry === 'apply-tree' ? 'DIR' : judged.planId
    return { kind: 'deletes', deletes, allowed, next: `plumb apply ${target} --confirm-deletes ${deletes}` }
  },
  marked: ({ marks, live, changes, next, policy }) => {
    if (marks.length === 0) return null
    const changed = new Map<string, string | null>(changes.map(({ ref, digests }) => [ref, digests[1]]))
    const staying = digestsIn({ ...next, entries: live.manifest.entries })
    const after = (part: string) => (changed.has(part) ? (changed.get(part) ?? undefined) : staying(part))
    const found = marks.find(mark => mark.environment === policy.environment && isMarked(mark, after))
    return found ? { kind: 'marked', mark: found.id, reason: found.reason, by: found.actor, next: 'plumb sync --retry' } : null
  },
}

// Who asks for a plan to be applied approves it. A rollback goes to a state that was live, so its deletes were asked for once.
const answersFor = {
  sync: ['approval', 'deletes', 'marked'],
  plan: ['approval', 'deletes', 'marked'],
  'apply-plan': ['deletes', 'marked'],
  'apply-tree': ['deletes', 'marked'],
  rollback: ['marked'],
} as const satisfies Record<EntryPoint, readonly Hold['kind'][]> as Readonly<Record<EntryPoint, readonly Hold['kind'][]>> // widened for `includes`

/** What a deploy brought goes with its file, and counts as little. */
function isDeployed(ref: Change['ref'], { live }: Case): boolean {
  const origin = live.manifest.entries.get(ref)?.origin
  return origin?.from === 'cli' && origin.deployed === true
}

/** Declared in YAML; services come and go with their files and do not count. */
function isDeclared(ref: Change['ref'], { kinds }: Case): boolean {
  return kinds.get(partsOf(ref).kind)?.section !== null
}
