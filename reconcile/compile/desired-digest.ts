// The digest of a desired state: over the refs and effective digests of all resources, independent of the order of files and items.
// Lines are digested in groups, by the first byte of the effective digest, and the groups' digests once more, so that of an estate
// that was digested before only the groups of what changed are sorted and hashed.

import { type Digest, digestOfBytes } from '../../schema/digest.ts'
import type { Ref } from '../../schema/ref.ts'
import type { DesiredResource } from './desired.ts'

export interface Digested {
  readonly digest: Digest
  readonly resources: ReadonlyMap<Ref, DesiredResource>
  readonly groups: ReadonlyMap<string, Digest>
}

/** @param before what an earlier call gave for other resources */
export function digestResources(resources: ReadonlyMap<Ref, DesiredResource>, before?: Digested): Digested {
  const stale = before && staleGroups(resources, before)
  if (before && stale?.size === 0) return { ...before, resources }
  const lines = new Map<string, string[]>()
  for (const resource of resources.values()) {
    const group = groupOf(resource)
    if (stale && !stale.has(group)) continue
    const line = `${resource.ref} ${resource.effectiveDigest}`
    const known = lines.get(group)
    if (known) known.push(line)
    else lines.set(group, [line])
  }
  const groups = new Map(before?.groups)
  for (const group of stale ?? []) groups.delete(group)
  for (const [group, found] of lines) groups.set(group, digestOfBytes(found.sort().join('\n')))
  const sorted = [...groups].map(([group, digest]) => `${group} ${digest}`).sort()
  return { digest: digestOfBytes(sorted.join('\n')), resources, groups }
}

function staleGroups(resources: ReadonlyMap<Ref, DesiredResource>, before: Digested): ReadonlySet<string> {
  const stale = new Set<string>()
  let found = 0
  for (const [ref, resource] of resources) {
    const earlier = before.resources.get(ref)
    if (earlier) found++
    if (earlier === resource) continue
    stale.add(groupOf(resource))
    if (earlier) stale.add(groupOf(earlier))
  }
  if (found < before.resources.size) for (const [ref, earlier] of before.resources) if (!resources.has(ref)) stale.add(groupOf(earlier))
  return stale
}

function groupOf({ effectiveDigest }: DesiredResource): string {
  return effectiveDigest.slice(0, 2)
}
