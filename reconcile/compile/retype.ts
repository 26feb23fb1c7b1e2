// A field that decides which others a resource takes changes only with the whole resource: merged, what was written for the one type
// (a user name, a password) would count for the other.

import { type Issue, issue } from '../../schema/issue.ts'
import { type Json, pointerOf } from '../../schema/json.ts'
import { declaredPath } from './aliases.ts'
import { marksAt, positionOf } from './document.ts'
import type { Item } from './items.ts'

/** @param known the value of one leaf with its expressions filled in; undefined where they cannot be */
export function judgeRetyping(chain: readonly Item[], known: (leaf: Json) => Json | undefined): readonly Issue[] {
  const [lowest] = chain
  if (chain.length === 1 || !lowest || lowest.kind.deciders.size === 0) return none
  const issues: Issue[] = []
  for (const field of lowest.kind.deciders) {
    let before: Json = null
    for (const item of chain) {
      const path = declaredPath(item.kind, [field], item.value)
      const after = item.value[path[0] ?? field] ?? null
      if (after === null) continue
      if (before !== null && after !== before) {
        const [one, other] = [known(before), known(after)]
        if (one !== undefined && other !== undefined && one !== other) issues.push(retyped(item, path, lowest))
      }
      before = after
    }
  }
  return issues
}

const none: readonly Issue[] = Object.freeze([])

function retyped(item: Item, path: readonly (string | number)[], lowest: Item): Issue {
  const pointer = pointerOf(path)
  const message = `Cannot change "${path.join('.')}" of "${item.ref}" by merging as its other fields were written for the value below; write "$replace: true" beside it, and all fields that the resource needs`
  return issue('OVERLAY_DIRECTIVE', message, {
    at: positionOf(item.path, item.document, marksAt(item.value, item.mark, pointer).value),
    ref: item.ref,
    pointer,
    related: [{ message: 'overlay of', at: positionOf(lowest.path, lowest.document, lowest.mark) }],
  })
}
