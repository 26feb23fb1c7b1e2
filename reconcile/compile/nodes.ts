// Each declared resource, rendered and with its references resolved. What an earlier compilation made of the same items is taken over,
// so that the cost of a change is that of a look at each resource, and work only where something changed.

import type { Issue } from '../../schema/issue.ts'
import type { Ref } from '../../schema/ref.ts'
import type { DesiredResource } from './desired.ts'
import type { Item } from './items.ts'
import { type Known, resolveRefs } from './refs.ts'
import type { Rendered } from './render.ts'

export interface Node {
  readonly chain: readonly Item[]
  readonly rendered: Rendered
  /** With all its references. */
  readonly resource: DesiredResource
  /** Of the resource by itself, and of names that lead nowhere. */
  readonly issues: readonly Issue[]
}

export interface Nodes {
  readonly byRef: ReadonlyMap<Ref, Node>
  /** Refs that code declares. */
  readonly fromCode: ReadonlySet<Ref>
}

export interface NodesInput {
  readonly chains: ReadonlyMap<Ref, readonly Item[]>
  readonly fromCode: ReadonlySet<Ref>
  /** `chains`, `fromCode`, and what may exist besides. */
  readonly known: Known
  /** Nothing may exist besides, neither now nor when `before` was made. */
  readonly isWhole: boolean
  readonly render: (chain: readonly Item[]) => Rendered
  /** Whether the secrets it was rendered with are still those. */
  readonly isCurrent: (rendered: Rendered) => boolean
  /** Of an earlier compilation with the same inputs besides items and secrets. */
  readonly before: Nodes | undefined
}

/** In the order of `chains`. */
export function makeNodes({ chains, fromCode, known, isWhole, render, isCurrent, before }: NodesInput): Nodes {
  const byRef = new Map<Ref, Node>()
  let found = 0
  for (const [ref, chain] of chains) {
    const earlier = before?.byRef.get(ref)
    if (earlier) found++
    const isSame = earlier !== undefined && isSameChain(earlier.chain, chain) && isCurrent(earlier.rendered)
    byRef.set(ref, isSame ? earlier : nodeOf(chain, render(chain), known))
  }
  const isSameNames =
    isWhole && before !== undefined && found === chains.size && found === before.byRef.size && isSameSet(fromCode, before.fromCode)
  // Where a name came or went, any resource may refer to it.
  if (before && !isSameNames)
    for (const [ref, node] of byRef) if (before.byRef.get(ref) === node) byRef.set(ref, nodeOf(node.chain, node.rendered, known))
  return { byRef, fromCode }
}

function nodeOf(chain: readonly Item[], rendered: Rendered, known: Known): Node {
  const { resource, issues } = resolveRefs(rendered, chain, known)
  return { chain, rendered, resource, issues: issues.length === 0 ? rendered.issues : [...rendered.issues, ...issues] }
}

function isSameChain(before: readonly Item[], after: readonly Item[]): boolean {
  return before === after || (before.length === after.length && before.every((item, index) => item === after[index]))
}

function isSameSet(before: ReadonlySet<Ref>, after: ReadonlySet<Ref>): boolean {
  return before.size === after.size && before.isSubsetOf(after)
}
