// Each declared resource, rendered and with its references resolved. Of the next commit only those are made again that are declared
// otherwise, whose secrets changed, or that name something that came or went.

import { derivedMap } from '../../schema/derived-map.ts'
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
  /** Those that have issues. */
  readonly noted: ReadonlySet<Ref>
  /** Those that ask for secrets. */
  readonly asking: ReadonlySet<Ref>
}

export interface NodesInput {
  readonly chains: ReadonlyMap<Ref, readonly Item[]>
  readonly known: Known
  readonly render: (chain: readonly Item[]) => Rendered
}

/** In the order of `chains`. */
export function makeNodes({ chains, known, render }: NodesInput): Nodes {
  const byRef = new Map<Ref, Node>()
  const noted = new Set<Ref>()
  const asking = new Set<Ref>()
  for (const [ref, chain] of chains) {
    const node = nodeOf(chain, render(chain), known)
    byRef.set(ref, node)
    if (node.issues.length > 0) noted.add(ref)
    if (node.rendered.asked.size > 0) asking.add(ref)
  }
  return { byRef, noted, asking }
}

export interface NodesAgainInput extends NodesInput {
  /** Whether the secrets it was rendered with are still those. */
  readonly isCurrent: (rendered: Rendered) => boolean
  /** Refs whose chain is another one, or gone. */
  readonly touched: ReadonlySet<Ref>
  /** Refs that code declares and did not, and the other way round. */
  readonly come: readonly Ref[]
  readonly gone: readonly Ref[]
}

export interface NodesAgain {
  readonly nodes: Nodes
  readonly changed: ReadonlyMap<Ref, Node>
  readonly removed: ReadonlySet<Ref>
}

/** The same from the nodes of an earlier commit. @param before without an error, and rendered with the same inputs besides secrets */
export function makeNodesAgain(before: Nodes, { chains, known, render, isCurrent, touched, ...code }: NodesAgainInput): NodesAgain {
  const changed = new Map<Ref, Node>()
  const removed = new Set<Ref>()
  const come = new Set(code.come)
  for (const ref of touched) {
    const chain = chains.get(ref)
    if (chain) changed.set(ref, nodeOf(chain, render(chain), known))
    else if (before.byRef.has(ref)) removed.add(ref)
    if (chain && !before.byRef.has(ref)) come.add(ref)
  }
  for (const ref of before.asking) {
    const node = touched.has(ref) ? undefined : before.byRef.get(ref)
    if (node && !isCurrent(node.rendered)) changed.set(ref, nodeOf(node.chain, render(node.chain), known))
  }
  const gone = new Set([...code.gone, ...removed])
  if (come.size + gone.size > 0)
    for (const [ref, { chain, rendered, resource }] of before.byRef) {
      if (changed.has(ref) || removed.has(ref)) continue
      const mayMove = come.size > 0 && rendered.names.some(({ kinds }) => kinds.length > 1)
      if (mayMove || resource.refs.some(used => gone.has(used))) changed.set(ref, nodeOf(chain, rendered, known))
    }
  const touchedNow = new Set([...changed.keys(), ...removed])
  const among = (refs: ReadonlySet<Ref>, isOne: (node: Node) => boolean): ReadonlySet<Ref> => {
    const now = [...changed].flatMap(([ref, node]) => (isOne(node) ? [ref] : []))
    return now.length === 0 && refs.isDisjointFrom(touchedNow) ? refs : refs.difference(touchedNow).union(new Set(now))
  }
  const nodes: Nodes = {
    byRef: derivedMap(before.byRef, { set: changed, unset: removed }),
    noted: among(before.noted, node => node.issues.length > 0),
    asking: among(before.asking, node => node.rendered.asked.size > 0),
  }
  return { nodes, changed, removed }
}

function nodeOf(chain: readonly Item[], rendered: Rendered, known: Known): Node {
  const { resource, issues } = resolveRefs(rendered, chain, known)
  return { chain, rendered, resource, issues: issues.length === 0 ? rendered.issues : [...rendered.issues, ...issues] }
}
