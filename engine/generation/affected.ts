// Which resources a change reaches, and the order they are built in: referents before their referrers.

import type { Ref } from '../../schema/ref.ts'
import type { Manifest } from './manifest.ts'
import { PersistentMap } from './persistent-map.ts'
import type { Slices } from './slice.ts'

export type Referrers = ReadonlyMap<Ref, ReadonlySet<Ref>>

/** The referrers of every resource after a change; sets of resources the change does not name are shared with `base`. */
export async function referrersAfter(
  base: { readonly manifest: Manifest; readonly referrers: Referrers } | null,
  manifest: Manifest,
  { touched, slices }: { readonly touched: Iterable<Ref>; readonly slices: Slices },
): Promise<Referrers> {
  if (base && (await hasSameRefs(base.manifest, manifest, { touched, slices }))) return base.referrers
  const former = PersistentMap.of(base?.referrers)
  const own = new Map<Ref, Set<Ref>>()
  const setOf = (referent: Ref) => {
    let set = own.get(referent)
    if (!set) {
      set = new Set(former.get(referent))
      own.set(referent, set)
    }
    return set
  }
  for (const ref of touched) {
    for (const referent of base?.manifest.entries.get(ref)?.resource.refs ?? []) setOf(referent).delete(ref)
    for (const referent of manifest.entries.get(ref)?.resource.refs ?? []) setOf(referent).add(ref)
    if (slices.isSpent()) await slices.rest()
  }
  let referrers = former
  for (const [referent, set] of own) {
    referrers = set.size === 0 ? referrers.without(referent) : referrers.with(referent, set)
    if (slices.isSpent()) await slices.rest()
  }
  return referrers
}

/** Most changes leave alone what a resource refers to. */
async function hasSameRefs(
  before: Manifest,
  after: Manifest,
  { touched, slices }: { readonly touched: Iterable<Ref>; readonly slices: Slices },
): Promise<boolean> {
  for (const ref of touched) {
    const [former, latter] = [before.entries.get(ref)?.resource.refs ?? none, after.entries.get(ref)?.resource.refs ?? none]
    if (former.length !== latter.length || former.some((referent, at) => referent !== latter[at])) return false
    if (slices.isSpent()) await slices.rest()
  }
  return true
}

const none: readonly Ref[] = []

/** `touched` and whatever refers to it in a way that `binds`, at any distance. */
export async function reachedFrom(
  touched: Iterable<Ref>,
  referrers: Referrers,
  { binds, slices }: { readonly binds: (referrer: Ref, referent: Ref) => boolean; readonly slices: Slices },
): Promise<Set<Ref>> {
  const reached = new Set(touched)
  for (const ref of reached) {
    for (const referrer of referrers.get(ref) ?? []) if (binds(referrer, ref)) reached.add(referrer)
    if (slices.isSpent()) await slices.rest()
  }
  return reached
}

/**
 * The members of `reached` that `manifest` has, referents first. Resources that refer to each other in a circle (services may)
 * come in the order they are met.
 */
export async function inOrder(reached: ReadonlySet<Ref>, manifest: Manifest, slices: Slices): Promise<Ref[]> {
  const ordered: Ref[] = []
  const seen = new Set<Ref>()
  for (const root of reached) {
    const path: { ref: Ref; refs: readonly Ref[]; next: number }[] = []
    const open = (ref: Ref) => {
      if (seen.has(ref) || !reached.has(ref)) return
      seen.add(ref)
      const entry = manifest.entries.get(ref)
      if (entry) path.push({ ref, refs: entry.resource.refs, next: 0 })
    }
    open(root)
    for (let step = path.at(-1); step; step = path.at(-1)) {
      const referent = step.refs[step.next++]
      if (referent !== undefined) open(referent)
      else ordered.push(path.pop()!.ref) // the loop runs while the path has a step
      if (slices.isSpent()) await slices.rest()
    }
  }
  return ordered
}
