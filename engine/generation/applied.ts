// The algebra of manifests: applied(a, deltaBetween(a, b)) is b. Pure; what did not change is shared, not copied.

import assert from 'node:assert'
import type { Digest } from '../../schema/digest.ts'
import type { Ref } from '../../schema/ref.ts'
import type { Module } from '../../schema/resource.ts'
import { type Delta, type Entry, type Manifest, originText } from './manifest.ts'
import { NamedModules } from './named-modules.ts'
import { PersistentMap } from './persistent-map.ts'

/** The manifest that `delta` leads to. Modules that no entry names in `spec.modules` are dropped. */
export function applied(manifest: Manifest, delta: Delta): Manifest {
  let entries = PersistentMap.of(manifest.entries)
  const former: Entry[] = []
  const replace = (ref: Ref, entry: Entry | null) => {
    const before = entries.get(ref)
    if (before) former.push(before)
    entries = entry ? entries.with(ref, entry) : entries.without(ref)
  }
  for (const ref of delta.unset) replace(ref, null)
  for (const entry of delta.set) replace(entry.resource.ref, entry)
  const touchesCode = delta.modules.length > 0 || former.some(namesModules) || delta.set.some(namesModules)
  const modules = () => NamedModules.of(manifest.entries.values(), manifest.modules).after(former, delta.set, byDigest(delta.modules))
  return {
    revision: delta.revision,
    entries,
    modules: touchesCode ? modules() : manifest.modules,
    settings: delta.settings,
    lockfile: delta.lockfile,
  }
}

/**
 * The way from one manifest to another, for a rollback or a worker that has `from`.
 * `to` must have settings: only the manifest before the first apply has none, and nothing leads back to it.
 */
export function deltaBetween(from: Manifest, to: Manifest): Delta {
  assert(to.settings, 'Cannot lead back to the manifest before the first apply as it has no settings')
  return {
    revision: to.revision,
    set: [...to.entries.values()].filter(entry => !isSameEntry(from.entries.get(entry.resource.ref), entry)),
    unset: [...from.entries.keys()].filter(ref => !to.entries.has(ref)),
    modules: [...to.modules.values()].filter(module => !from.modules.has(module.digest)),
    settings: to.settings,
    lockfile: to.lockfile,
  }
}

function namesModules(entry: Entry): boolean {
  return entry.resource.spec.modules !== undefined
}

function byDigest(modules: readonly Module[]): ReadonlyMap<Digest, Module> {
  return new Map(modules.map(module => [module.digest, module]))
}

/** Digests stand for what they are over, so that 50,000 entries compare without being walked. */
function isSameEntry(a: Entry | undefined, b: Entry): boolean {
  if (a === b) return true
  if (a === undefined) return false
  return (
    a.resource.effectiveDigest === b.resource.effectiveDigest &&
    a.resource.specDigest === b.resource.specDigest &&
    a.resource.secretDigest === b.resource.secretDigest &&
    a.resource.instanceKey === b.resource.instanceKey &&
    a.resource.closed === b.resource.closed &&
    a.declaredAt === b.declaredAt &&
    isSameList(a.resource.tainted, b.resource.tainted) &&
    isSameList(a.resource.refs, b.resource.refs) &&
    originText(a.origin) === originText(b.origin) &&
    isSameRecord(a.sealed, b.sealed)
  )
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, at) => item === b[at])
}

function isSameRecord(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every(key => a[key] === b[key])
}
