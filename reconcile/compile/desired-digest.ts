// The digest of a desired state: over the refs and effective digests of all resources, independent of the order of files and items.
// Lines are digested in groups, by the first byte of the effective digest, and the groups' digests once more, so that of an estate
// that was digested before only the groups of what changed are sorted and hashed.

import { type Digest, digestOfBytes } from '../../schema/digest.ts'
import type { Ref } from '../../schema/ref.ts'
import type { DesiredResource } from './desired.ts'

type Resources = ReadonlyMap<Ref, DesiredResource>

interface Group {
  readonly members: ReadonlyMap<Ref, Digest>
  readonly digest: Digest
}

export interface Digested {
  readonly digest: Digest
  readonly groups: ReadonlyMap<string, Group>
}

export function digestResources(resources: Resources): Digested {
  const members = new Map<string, Map<Ref, Digest>>()
  for (const resource of resources.values()) membersOf(resource, members).set(resource.ref, resource.effectiveDigest)
  return digestGroups(new Map(), members)
}

/** @param refs those whose resources differ between `before`, which gave `digested`, and `resources` */
export function digestAgain(digested: Digested, before: Resources, resources: Resources, refs: Iterable<Ref>): Digested {
  const members = new Map<string, Map<Ref, Digest>>()
  for (const ref of refs) {
    const earlier = before.get(ref)
    const now = resources.get(ref)
    if (earlier?.effectiveDigest === now?.effectiveDigest) continue
    if (earlier) membersOf(earlier, members, digested.groups).delete(ref)
    if (now) membersOf(now, members, digested.groups).set(ref, now.effectiveDigest)
  }
  return members.size === 0 ? digested : digestGroups(digested.groups, members)
}

/** The members of a resource's group in `changed`, which begin as those in `known`. */
function membersOf(
  { effectiveDigest }: DesiredResource,
  changed: Map<string, Map<Ref, Digest>>,
  known?: Digested['groups'],
): Map<Ref, Digest> {
  const name = effectiveDigest.slice(0, 2)
  const members = changed.get(name) ?? new Map(known?.get(name)?.members)
  changed.set(name, members)
  return members
}

function digestGroups(known: Digested['groups'], changed: ReadonlyMap<string, ReadonlyMap<Ref, Digest>>): Digested {
  const groups = new Map(known)
  for (const [name, members] of changed) {
    const lines = Array.from(members, ([ref, digest]) => `${ref} ${digest}`)
    if (lines.length === 0) groups.delete(name)
    else groups.set(name, { members, digest: digestOfBytes(lines.sort().join('\n')) })
  }
  const sorted = Array.from(groups, ([name, { digest }]) => `${name} ${digest}`).sort()
  return { digest: digestOfBytes(sorted.join('\n')), groups }
}
