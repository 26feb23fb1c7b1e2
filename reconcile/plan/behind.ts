// What stands behind a change: the resources that use the changed one, and those that use them. Computed from the live and the desired
// references together, so that a user of something deleted is found as well as a user of something new.

import type { Manifest } from '../../engine/generation/manifest.ts'
import type { Ref } from '../../schema/ref.ts'
import type { Desired } from '../compile/desired.ts'
import type { Change } from './plan.ts'

/** `changes` with `behind` filled in, nearest first, for updates and deletes. Nothing that runs depends on what is only created. */
export function standsBehind(changes: readonly Change[], desired: Desired, live: Manifest): readonly Change[] {
  if (!changes.some(change => change.op === 'update' || change.op === 'delete')) return changes
  const users = usersOf(desired, live)
  return changes.map(change =>
    change.op === 'update' || change.op === 'delete' ? { ...change, behind: closure(change.ref, users) } : change,
  )
}

function usersOf(desired: Desired, live: Manifest): ReadonlyMap<Ref, readonly Ref[]> {
  const users = new Map<Ref, Ref[]>()
  const add = (user: Ref, refs: readonly Ref[]) => {
    for (const ref of refs) {
      const known = users.get(ref)
      if (known) known.push(user)
      else users.set(ref, [user])
    }
  }
  for (const resource of desired.resources.values()) add(resource.ref, resource.refs)
  for (const { resource } of live.entries.values()) {
    // The same resource refers to the same ones; of an estate almost all are the same.
    if (desired.resources.get(resource.ref)?.specDigest !== resource.specDigest) add(resource.ref, resource.refs)
  }
  return users
}

function closure(ref: Ref, users: ReadonlyMap<Ref, readonly Ref[]>): readonly Ref[] {
  const seen = new Set([ref])
  // A set may grow while it is walked and is walked in the order of insertion: breadth first.
  for (const next of seen) for (const user of (users.get(next) ?? []).toSorted()) seen.add(user)
  seen.delete(ref)
  return [...seen]
}
