// Places that a pattern of the vocabulary names: property names from the root, `*` for every item of a list.

import { isObject, type Json } from '../../schema/json.ts'

export interface Found {
  readonly path: readonly (string | number)[]
  readonly value: Json
}

/** Every value of `document` that `pattern` names; what is absent is left out. */
export function placesOf(document: Json, pattern: readonly string[]): Found[] {
  const [only] = pattern
  // Almost every pattern names one field of the root, and almost every root lacks it.
  if (pattern.length === 1 && only !== undefined && only !== '*') {
    const value = isObject(document) && Object.hasOwn(document, only) ? document[only] : undefined
    return value === undefined ? [] : [{ path: [only], value }]
  }
  let found: Found[] = [{ path: [], value: document }]
  for (const step of pattern) found = found.flatMap(place => stepInto(place, step))
  return found
}

/** Every leaf in `value`, itself if it is one. */
export function leavesOf(value: Json, path: readonly (string | number)[] = []): Found[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => leavesOf(item, [...path, index]))
  if (isObject(value)) return Object.entries(value).flatMap(([key, item]) => leavesOf(item, [...path, key]))
  return [{ path, value }]
}

/** `document` with `leaf` at `path`; what does not lead there is shared. */
export function withLeaf(document: Json, path: readonly (string | number)[], leaf: Json): Json {
  const [step, ...rest] = path
  if (step === undefined) return leaf
  if (Array.isArray(document)) return document.map((item, index) => (index === step ? withLeaf(item, rest, leaf) : item))
  if (isObject(document)) return { ...document, [step]: withLeaf(document[step] ?? null, rest, leaf) }
  return document
}

function stepInto({ path, value }: Found, step: string): Found[] {
  if (step === '*') return Array.isArray(value) ? value.map((item, index) => ({ path: [...path, index], value: item })) : []
  if (!isObject(value) || !Object.hasOwn(value, step)) return []
  return [{ path: [...path, step], value: value[step] ?? null }]
}
