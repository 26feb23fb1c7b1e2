// The names by which a resource refers to others, in the form in which names are kept: composed (NFC), as those of items are.

import { type JsonObject, pointerOf } from '../../schema/json.ts'
import type { Kind } from '../../schema/vocabulary.ts'
import { placesOf, withLeaf } from './paths.ts'

export interface NormalNames {
  readonly spec: JsonObject
  /** Where a list of names holds an empty one, as a pointer. An empty text where one name may stand says that there is none. */
  readonly empty: readonly string[]
}

export function normalNames(kind: Kind, spec: JsonObject): NormalNames {
  let normal = spec
  const empty: string[] = []
  for (const { path } of kind.refFields) {
    const field = spec[path[0] ?? '']
    if (field === undefined || (Array.isArray(field) && field.length === 0)) continue
    for (const { path: place, value } of placesOf(spec, path)) {
      if (typeof value !== 'string') continue
      if (value === '' && path.at(-1) === '*') empty.push(pointerOf(place))
      const name = value.normalize('NFC')
      if (name !== value) normal = withLeaf(normal, place, name) as JsonObject // the root is never replaced
    }
  }
  return { spec: normal, empty }
}
