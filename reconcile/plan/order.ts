// The order of the steps: what is referred to comes before what refers to it, and is deleted after it. Everything that is created or
// updated comes before the deletes, so that no step ever removes what a later one still lets go of. References may form a cycle
// (two services that call each other); a cycle is cut where it closes.

import type { Manifest } from '../../engine/generation/manifest.ts'
import type { Ref } from '../../schema/ref.ts'
import type { Desired } from '../compile/desired.ts'
import type { Change, Step } from './plan.ts'

export function orderSteps(changes: readonly Change[], desired: Desired, live: Manifest): readonly Step[] {
  const ops = new Map(changes.filter(change => change.op !== 'keep').map(change => [change.ref, change.op as Step['op']])) // `keep` is filtered out
  const made = [...ops.keys()].filter(ref => ops.get(ref) !== 'delete')
  const removed = [...ops.keys()].filter(ref => ops.get(ref) === 'delete')
  const inOrder = [
    ...referentsFirst(made, ref => desired.resources.get(ref)?.refs ?? []),
    ...referentsFirst(removed, ref => live.entries.get(ref)?.resource.refs ?? []).reverse(),
  ]
  return inOrder.map((ref, at) => ({ order: at + 1, op: ops.get(ref) as Step['op'], ref })) // every ref came out of `ops`
}

/** Depth first without recursion: a chain of references may be as long as the estate. */
function referentsFirst(refs: readonly Ref[], refsOf: (ref: Ref) => readonly Ref[]): Ref[] {
  const wanted = new Set(refs)
  const seen = new Set<Ref>()
  const done: Ref[] = []
  for (const root of [...refs].sort()) {
    if (seen.has(root)) continue
    seen.add(root)
    const path = [{ ref: root, rest: refsOf(root).values() }]
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const next = top.rest.next()
      if (next.done) {
        path.pop()
        if (wanted.has(top.ref)) done.push(top.ref)
      } else if (!seen.has(next.value)) {
        seen.add(next.value)
        path.push({ ref: next.value, rest: refsOf(next.value).values() })
      }
    }
  }
  return done
}
