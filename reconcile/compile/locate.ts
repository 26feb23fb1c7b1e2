// From a place in a merged value back to the line that declared it. Computed only when there is something to say.

import type { Issue, Position } from '../../schema/issue.ts'
import { atPointer, stepsOf } from '../../schema/json.ts'
import { marksAt, positionOf } from './document.ts'
import type { Item } from './items.ts'
import { type Origin, originsOf } from './overlay.ts'

export interface Place {
  readonly at: Position
  readonly item: Item
  /** Where the base declares the same resource, if another layer declared this place. */
  readonly related: readonly { readonly message: string; readonly at: Position }[]
}

export function positionOfItem(item: Item): Position {
  return positionOf(item.path, item.document, item.mark)
}

/** Where `pointer` of the merged value was declared: its value, or its key. A pointer that nobody declared leads to what holds it. */
export function locate(chain: readonly Item[], pointer: string, part: 'key' | 'value'): Place {
  const { item, pointer: own } = declaredAt(chain, pointer)
  const marks = marksAt(item.value, item.mark, own)
  const base = chain[0]
  const related = base && base !== item ? [{ message: 'overlay of', at: positionOfItem(base) }] : []
  return { at: positionOf(item.path, item.document, marks[part]), item, related }
}

/** Codes whose finding is about the key and not about its value. */
export const aboutKey: ReadonlySet<Issue['code']> = new Set<Issue['code']>([
  'UNKNOWN_FIELD',
  'NOT_ENFORCED',
  'MISPLACED_FIELD',
  'FIELD_NOT_SERVED',
])

/** The text YAML has for a plain scalar whose value says less, and whether digits are lost. */
export function rawAt(chain: readonly Item[], pointer: string): { source: string; lossy: boolean } | undefined {
  const { item, pointer: own } = declaredAt(chain, pointer)
  if (item.document.raw.length === 0 || atPointer(item.value, own) === undefined) return undefined
  const mark = marksAt(item.value, item.mark, own).value
  return item.document.raw.find(raw => raw.mark === mark)
}

function declaredAt(chain: readonly Item[], pointer: string): { item: Item; pointer: string } {
  const last = chain.at(-1)
  if (!last) throw new Error('Cannot locate anything in a resource that nobody declares')
  if (chain.length === 1) return { item: last, pointer }
  const origins = originsOf(chain)
  const exact = origins.get(pointer) ?? below(origins, pointer)
  if (exact) return { item: exact.item, pointer: exact.pointer }
  // Nobody declares it below the top: the nearest layer that has what holds it.
  for (const item of [...chain].reverse())
    if (pointer !== '' && atPointer(item.value, `/${stepsOf(pointer)[0] ?? ''}`) !== undefined) return { item, pointer }
  return { item: last, pointer: '' }
}

/** A list or mapping is where its first leaf is. */
function below(origins: ReadonlyMap<string, Origin>, pointer: string): { item: Item; pointer: string } | undefined {
  if (pointer === '') return undefined
  for (const [at, origin] of origins)
    if (at.startsWith(`${pointer}/`)) {
      const depth = stepsOf(at).length - stepsOf(pointer).length
      return { item: origin.item, pointer: origin.pointer.split('/').slice(0, -depth).join('/') }
    }
  return undefined
}
