// What is wrong between resources that are right by themselves: they refer to each other in a circle, or claim the same.

import type { AdapterRow } from '../../adapters/table.ts'
import { type Issue, issue } from '../../schema/issue.ts'
import type { KindName, Ref } from '../../schema/ref.ts'
import type { Kind, Vocabulary } from '../../schema/vocabulary.ts'
import type { DesiredResource } from './desired.ts'
import { Graph } from './graph.ts'
import type { Item } from './items.ts'
import { locate } from './locate.ts'

type Resources = ReadonlyMap<Ref, DesiredResource>

/** What the adapters of the kinds find wrong between their resources, at the lines that declare it. */
export function judgeKinds(resources: Resources, chains: ReadonlyMap<Ref, readonly Item[]>, rows: readonly AdapterRow[]): Issue[] {
  return rows.flatMap(({ kind, judge }) => {
    if (!judge) return []
    const ofKind: DesiredResource[] = []
    for (const resource of resources.values()) if (resource.kind === kind) ofKind.push(resource)
    const isUnknown = (ref: Ref, pointer: string) => resources.get(ref)?.unknown?.includes(pointer) === true
    const flaws = judge(ofKind).filter(({ ref, pointer, other }) => !isUnknown(ref, pointer) && !(other && isUnknown(other, pointer)))
    return flaws.map(({ code, ref, pointer, message, other }) => {
      const { at, related } = locate(chains.get(ref) ?? [], pointer, 'value')
      const collides = other ? [{ message: 'the other one', at: locate(chains.get(other) ?? [], pointer, 'value').at }] : []
      return issue(code, message, { at, ref, pointer, related: [...related, ...collides] })
    })
  })
}

/**
 * Only resources of kinds that can refer back to themselves are looked at; services may call each other as they like.
 * @param changed the kinds in which something changed since there was no circle; default: all
 */
export function cyclesIn(resources: Resources, vocabulary: Vocabulary, changed?: ReadonlySet<KindName>): Issue[] {
  const looping = kindsThatLoop(vocabulary)
  if (looping.size === 0 || changed?.isDisjointFrom(looping)) return []
  const nodes = new Map<Ref, DesiredResource>()
  for (const [ref, resource] of resources) if (looping.has(resource.kind)) nodes.set(ref, resource)
  const graph = new Graph(nodes)
  return graph.cycles().map(([first]) => {
    const way = (first && graph.wayRound(first)) ?? []
    const at = first && resources.get(first)?.at
    const message = `Cannot order these resources as they refer to each other: ${way.join(' → ')}; remove one of the references`
    return issue('REF_CYCLE', message, { ...(at ? { at } : {}), ...(first ? { ref: first } : {}) })
  })
}

function kindsThatLoop(vocabulary: Vocabulary): ReadonlySet<KindName> {
  const targets = (kind: Kind): KindName[] => kind.refFields.flatMap(field => [...field.kinds])
  const loops = new Set<KindName>()
  for (const start of vocabulary.kinds.values()) {
    const reached = new Set<KindName>()
    const queue = targets(start)
    for (const name of queue) {
      if (reached.has(name)) continue
      reached.add(name)
      const kind = vocabulary.kinds.get(name)
      if (kind) queue.push(...targets(kind))
    }
    if (reached.has(start.name)) loops.add(start.name)
  }
  return loops
}
