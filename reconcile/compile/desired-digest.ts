// The digest of a desired state: over the refs and effective digests of all resources, independent of the order of files and items.
// Lines are digested in buckets, by the first byte of the effective digest, and the buckets' digests once more, so that of an estate
// that was digested before only the buckets of what changed are sorted and hashed.

import { type Digest, digestOfBytes } from '../../schema/digest.ts'
import type { Ref } from '../../schema/ref.ts'
import type { DesiredResource } from './desired.ts'

type Resources = ReadonlyMap<Ref, DesiredResource>

interface Bucket {
  readonly members: ReadonlyMap<Ref, Digest>
  readonly digest: Digest
}

export interface Digested {
  readonly digest: Digest
  readonly buckets: ReadonlyMap<string, Bucket>
}

export function digestResources(resources: Resources): Digested {
  const members = new Map<string, Map<Ref, Digest>>()
  for (const resource of resources.values()) membersOf(resource, members).set(resource.ref, resource.effectiveDigest)
  return digestBuckets(new Map(), members)
}

/** @param refs those whose resources differ between `before`, which gave `digested`, and `resources` */
export function digestAgain(digested: Digested, before: Resources, resources: Resources, refs: Iterable<Ref>): Digested {
  const members = new Map<string, Map<Ref, Digest>>()
  for (const ref of refs) {
    const earlier = before.get(ref)
    const now = resources.get(ref)
    if (earlier?.effectiveDigest === now?.effectiveDigest) continue
    if (earlier) membersOf(earlier, members, digested.buckets).delete(ref)
    if (now) membersOf(now, members, digested.buckets).set(ref, now.effectiveDigest)
  }
  return members.size === 0 ? digested : digestBuckets(digested.buckets, members)
}

/** The members of a resource's bucket in `changed`, which begin as those in `known`. */
function membersOf(
  { effectiveDigest }: DesiredResource,
  changed: Map<string, Map<Ref, Digest>>,
  known?: Digested['buckets'],
): Map<Ref, Digest> {
  const name = effectiveDigest.slice(0, 2)
  const members = changed.get(name) ?? new Map(known?.get(name)?.members)
  changed.set(name, members)
  return members
}

function digestBuckets(known: Digested['buckets'], changed: ReadonlyMap<string, ReadonlyMap<Ref, Digest>>): Digested {
  const buckets = new Map(known)
  for (const [name, members] of changed) {
    const lines = Array.from(members, ([ref, digest]) => `${ref} ${digest}`)
    if (lines.length === 0) buckets.delete(name)
    else buckets.set(name, { members, digest: digestOfBytes(lines.sort().join('\n')) })
  }
  const sorted = Array.from(buckets, ([name, { digest }]) => `${name} ${digest}`).sort()
  return { digest: digestOfBytes(sorted.join('\n')), buckets }
}
