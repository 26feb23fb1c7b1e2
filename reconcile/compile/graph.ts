// Who refers to whom. Edges lead from a resource to what it refers to; what is not there has no edge.

import type { Ref } from '../../schema/ref.ts'

interface Node {
  readonly refs: readonly Ref[]
}

export class Graph {
  readonly #nodes: ReadonlyMap<Ref, Node>
  #referrers: Map<Ref, Ref[]> | undefined

  constructor(nodes: ReadonlyMap<Ref, Node>) {
    this.#nodes = nodes
  }

  /** All refs, each after everything it refers to; by name where that leaves a choice. In a cycle the order is by name too. */
  order(): readonly Ref[] {
    const order: Ref[] = []
    for (const group of this.#components()) order.push(...[...group].sort())
    return order
  }

  /** Groups of refs that reach each other, or a ref that refers to itself. Each sorted by name. */
  cycles(): readonly (readonly Ref[])[] {
    return this.#components()
      .filter(([first, ...rest]) => rest.length > 0 || (first !== undefined && this.#edges(first).includes(first)))
      .map(group => [...group].sort())
  }

  /** A way round from `start` back to it, as printed: first and last are `start`. Undefined where there is none. */
  wayRound(start: Ref): readonly Ref[] | undefined {
    const from = new Map<Ref, Ref>()
    const queue: Ref[] = [start]
    for (const at of queue)
      for (const next of this.#edges(at)) {
        if (next === start) {
          const way: Ref[] = [start]
          for (let back: Ref | undefined = at; back !== undefined && back !== start; back = from.get(back)) way.unshift(back)
          return [start, ...way]
        }
        if (from.has(next)) continue
        from.set(next, at)
        queue.push(next)
      }
    return undefined
  }

  /** Everything that refers to `ref`, directly or through others: nearest first, by name among equals, without `ref` itself. */
  behind(ref: Ref): readonly Ref[] {
    this.#referrers ??= this.#reversed()
    const seen = new Set<Ref>([ref])
    const found: Ref[] = []
    let ring: Ref[] = [ref]
    while (ring.length > 0) {
      const next = new Set<Ref>()
      for (const at of ring) for (const referrer of this.#referrers.get(at) ?? []) if (!seen.has(referrer)) next.add(referrer)
      ring = [...next].sort()
      for (const at of ring) seen.add(at)
      found.push(...ring)
    }
    return found
  }

  #edges(ref: Ref): readonly Ref[] {
    return this.#nodes.get(ref)?.refs.filter(target => this.#nodes.has(target)) ?? []
  }

  #reversed(): Map<Ref, Ref[]> {
    const referrers = new Map<Ref, Ref[]>()
    for (const [ref, { refs }] of this.#nodes)
      for (const target of refs) {
        const known = referrers.get(target)
        if (known) known.push(ref)
        else referrers.set(target, [ref])
      }
    return referrers
  }

  /** Strongly connected components, referents first (Tarjan 1972), with a stack of our own: chains may be long. */
  #components(): Ref[][] {
    const state = new Map<Ref, { index: number; low: number; isOpen: boolean }>()
    const open: Ref[] = []
    const components: Ref[][] = []
    let index = 0
    const enter = (ref: Ref) => {
      const at = { index, low: index, isOpen: true }
      index++
      state.set(ref, at)
      open.push(ref)
      return { ref, at, edges: this.#edges(ref), next: 0 }
    }
    for (const root of [...this.#nodes.keys()].sort()) {
      if (state.has(root)) continue
      const path = [enter(root)]
      for (let frame = path.at(-1); frame; frame = path.at(-1)) {
        const target = frame.edges[frame.next++]
        if (target !== undefined) {
          const known = state.get(target)
          if (!known) path.push(enter(target))
          else if (known.isOpen) frame.at.low = Math.min(frame.at.low, known.index)
          continue
        }
        path.pop()
        const parent = path.at(-1)
        if (parent) parent.at.low = Math.min(parent.at.low, frame.at.low)
        if (frame.at.low !== frame.at.index) continue
        const component = open.splice(open.lastIndexOf(frame.ref))
        for (const ref of component) {
          const at = state.get(ref)
          if (at) at.isOpen = false
        }
        components.push(component)
      }
    }
    return components
  }
}
