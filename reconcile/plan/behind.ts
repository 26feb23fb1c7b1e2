// What stands behind a change: the resources that use the changed one, and those that use them. Computed from the live and the desired
// references together, so that a user of something deleted is found as well as a user of something new.

import type { Manifest } from '../../engine/generation/manifest.ts'
import type { Kind } from '../../schema/kind.ts'
import { type KindName, partsOf, type Ref } from '../../schema/ref.ts'
import type { Resource } from '../../schema/resource.ts'
import type { Desired } from '../compile/desired.ts'
import type { Change } from './plan.ts'

/** `changes` with `behind` filled in, nearest first, for updates and deletes. Nothing that runs depends on what is only created. */
export function standsBehind(
  changes: readonly Change[],
  desired: Desired,
  live: Manifest,
  kinds: ReadonlyMap<KindName, Kind>,
): readonly Change[] {
  const before = changes.filter(isOfLive)
  if (before.length === 0) return changes
  // The same resource refers to the same ones, so of the live ones only those that change may refer to others than the desired.
  const changed = before.flatMap(({ ref }) => live.entries.get(ref)?.resource ?? [])
  const users = usersOf(new Set(before.map(({ ref }) => ref)), [desired.resources, changed], usableKinds(kinds))
  return changes.map(change => (isOfLive(change) ? { ...change, behind: closure(change.ref, users) } : change))
}

function isOfLive({ op }: Change): boolean {
  return op === 'update' || op === 'delete'
}

/** Kinds that a field of another refers to, that code connects to, or that are code themselves. */
function usableKinds(kinds: ReadonlyMap<KindName, Kind>): ReadonlySet<KindName> {
  const usable = new Set<KindName>()
  for (const { name, section, client, refFields } of kinds.values()) {
    if (client || section === null) usable.add(name)
    for (const field of refFields) for (const kind of field.kinds) usable.add(kind)
  }
  return usable
}

/** Who uses these, who uses those, and so on. Ring by ring, as to note the users of everything costs more than to look at all of it twice. */
function usersOf(
  start: ReadonlySet<Ref>,
  [resources, changed]: readonly [Desired['resources'], readonly Resource[]],
  usable: ReadonlySet<KindName>,
): ReadonlyMap<Ref, ReadonlySet<Ref>> {
  const users = new Map<Ref, Set<Ref>>()
  const ringOf = (refs: ReadonlySet<Ref>) => new Set([...refs].filter(ref => !users.has(ref) && usable.has(partsOf(ref).kind)))
  for (let ring = ringOf(start); ring.size > 0; ) {
    for (const ref of ring) users.set(ref, new Set())
    const reached = new Set<Ref>()
    const note = ({ ref, refs }: Resource) => {
      for (const used of refs)
        if (ring.has(used)) {
          users.get(used)?.add(ref)
          reached.add(ref)
        }
    }
    for (const resource of resources.values()) note(resource)
    for (const resource of changed) note(resource)
    ring = ringOf(reached)
  }
  return users
}

function closure(ref: Ref, users: ReadonlyMap<Ref, ReadonlySet<Ref>>): readonly Ref[] {
  const seen = new Set([ref])
  // A set may grow while it is walked and is walked in the order of insertion: breadth first.
  for (const next of seen) for (const user of [...(users.get(next) ?? [])].sort()) seen.add(user)
  seen.delete(ref)
  return [...seen]
}
