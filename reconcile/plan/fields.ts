// Which leaves of two specs differ. Objects are compared key by key; lists item by item where they have the same length, else as a whole,
// because after an insertion a comparison by index would call every later item changed.

import { isObject, type Json, pointerOf } from '../../schema/json.ts'

export interface LeafChange {
  readonly pointer: string
  readonly before: Json | undefined
  readonly after: Json | undefined
}

/** Sorted by pointer. */
export function changedFields(before: Json, after: Json): readonly LeafChange[] {
  const found: LeafChange[] = []
  visit(before, after, [], found)
  return found.sort((a, b) => (a.pointer < b.pointer ? -1 : 1))
}

function visit(before: Json | undefined, after: Json | undefined, path: readonly (string | number)[], found: LeafChange[]): void {
  if (before === after) return
  if (isObject(before) && isObject(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)]))
      visit(own(before, key), own(after, key), [...path, key], found)
    return
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    if (before.length === after.length) {
      for (const [at, item] of before.entries()) visit(item, after[at], [...path, at], found)
      return
    }
  }
  found.push({ pointer: pointerOf(path), before, after })
}

function own(value: { readonly [key: string]: Json }, key: string): Json | undefined {
  return Object.hasOwn(value, key) ? value[key] : undefined
}
