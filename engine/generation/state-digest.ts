// The digest of a state, desired or live: over the refs and effective digests of all resources, in whatever order they come.
// Lines are digested in buckets, by the first byte of the effective digest, and the buckets' digests once more, so that of an estate
// that was digested before only the buckets of what changed are sorted and hashed.

import { type Digest, digestOfBytes } from '../../schema/digest.ts'
import type { Ref } from '../../schema/ref.ts'
import type { Resource } from '../../schema/resource.ts'
import type { Delta, Manifest } from './manifest.ts'

type Digestible = Pick<Resource, 'ref' | 'effectiveDigest'>

interface Resources {
  get(ref: Ref): Digestible | undefined
}

interface Bucket {
  readonly members: ReadonlyMap<Ref, Digest>
  readonly digest: Digest
}

export interface Digested {
  readonly digest: Digest
  readonly buckets: ReadonlyMap<string, Bucket>
}

export function digestResources(resources: { values(): Iterable<Digestible> }): Digested {
  const members = new Map<string, Map<Ref, Digest>>()
  for (const resource of resources.values()) membersOf(resource, members).set(resource.ref, resource.effectiveDigest)
  return digestBuckets(new Map(), members)
}

/** As a compilation gives it of what it desires. */
export function digestManifest({ entries }: Manifest): Digested {
  return digestResources({ values: () => entries.values().map(({ resource }) => resource) })
}

/** The digest of `applied(before, delta)`, of which `digested` is that of `before`. */
export function digestApplied(digested: Digested, [before, after]: readonly [Manifest, Manifest], delta: Delta): Digested {
  const refs = [...delta.set.map(({ resource }) => resource.ref), ...delta.unset]
  return digestAgain(digested, resourcesOf(before), resourcesOf(after), refs)
}

function resourcesOf({ entries }: Manifest): Resources {
  return { get: ref => entries.get(ref)?.resource }
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
function membersOf({ effectiveDigest }: Digestible, changed: Map<string, Map<Ref, Digest>>, known?: Digested['buckets']): Map<Ref, Digest> {
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
