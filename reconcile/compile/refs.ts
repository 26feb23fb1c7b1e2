// Names to resources: every field that refers to another resource must find one, of a kind the field accepts.

import { type Issue, issue } from '../../schema/issue.ts'
import { pointerOf, stepsOf } from '../../schema/json.ts'
import { didYouMean, nearest } from '../../schema/nearest.ts'
import { type KindName, partsOf, type Ref, refOf } from '../../schema/ref.ts'
import { declaredPath } from './aliases.ts'
import type { DesiredResource } from './desired.ts'
import type { Item } from './items.ts'
import { locate } from './locate.ts'
import type { NamedRef } from './names.ts'
import { mergeChain } from './overlay.ts'
import type { Rendered } from './render.ts'

/** Every ref there is in the environment, services included. */
export type Known = { has(ref: Ref): boolean; keys(): Iterable<Ref> }

/**
 * The resource with all its refs, and an issue for each name that leads nowhere.
 * The resource is the one that was rendered, unless a name could be of several kinds.
 */
export function resolveRefs(
  rendered: Rendered,
  chain: readonly Item[],
  known: Known,
): { resource: DesiredResource; issues: readonly Issue[] } {
  if (rendered.names.length === 0) return { resource: rendered.resource, issues: none }
  let issues: Issue[] | undefined
  let chosen: Ref[] | undefined
  for (const named of rendered.names) {
    const ref = refAmong(named, known)
    if (ref === undefined) {
      issues ??= []
      issues.push(unresolved(named, rendered, chain, known))
    } else if (named.kinds.length > 1) {
      chosen ??= []
      chosen.push(ref)
    }
  }
  const resource = chosen ? { ...rendered.resource, refs: [...new Set([...rendered.resource.refs, ...chosen])].sort() } : rendered.resource
  return { resource, issues: issues ?? none }
}

const none: readonly Issue[] = Object.freeze([])

function refAmong({ kinds, name }: NamedRef, known: Known): Ref | undefined {
  for (const kind of kinds) {
    const ref = refOf(kind, name)
    if (known.has(ref)) return ref
  }
  return undefined
}

function unresolved(named: NamedRef, rendered: Rendered, chain: readonly Item[], known: Known): Issue {
  const path = declaredPath(rendered.kind, stepsOf(named.pointer), mergeChain(chain))
  const { at, related } = locate(chain, pointerOf(path), 'value')
  const where = { at, ref: rendered.resource.ref, pointer: named.pointer, ...(related.length > 0 ? { related } : {}) }
  if (!rendered.resource.tainted.includes(named.pointer))
    return issue('UNRESOLVED_REF', unresolvedMessage(named.kinds, named.name, known), where)
  const message = `Cannot resolve the name in "${path.join('.')}" as no such ${named.kinds.join(' or ')} exists; it comes from a process variable: correct it there`
  return issue('UNRESOLVED_REF', message, where)
}

/** `Cannot resolve "service/bilings" as no such service exists: did you mean "service/billing"?` */
export function unresolvedMessage(kinds: readonly KindName[], name: string, known: Known): string {
  const names: string[] = []
  const refs = new Map<string, Ref>()
  for (const ref of known.keys()) {
    const parts = partsOf(ref)
    if (!kinds.includes(parts.kind)) continue
    names.push(parts.name)
    refs.set(parts.name, ref)
  }
  const near = nearest(name, names)
  const wanted = kinds.map(kind => `"${refOf(kind, name)}"`).join(' or ')
  const end =
    near !== undefined
      ? `: did you mean "${refs.get(near)}"?`
      : names.length === 0
        ? '; none is declared'
        : didYouMean(name, names.slice(0, 10))
  return `Cannot resolve ${wanted} as no such ${kinds.join(' or ')} exists${end}`
}
