// The names by which a resource refers to others, in the form in which names are kept: composed (NFC), as those of items are.

import { type JsonObject, pointerOf } from '../../schema/json.ts'
import type { KindName } from '../../schema/ref.ts'
import type { Kind } from '../../schema/vocabulary.ts'
import { placesOf, withLeaf } from './paths.ts'

/** A name in a field that refers to other resources. */
export interface NamedRef {
  readonly pointer: string
  readonly name: string
  readonly kinds: readonly KindName[]
}

export interface Names {
  /** With each name composed. */
  readonly spec: JsonObject
  readonly names: readonly NamedRef[]
  /** Where a list of names holds an empty one, as a pointer. An empty text where one name may stand says that there is none. */
  readonly empty: readonly string[]
}

export function readNames(kind: Kind, declared: JsonObject): Names {
  let spec = declared
  const names: NamedRef[] = []
  const empty: string[] = []
  for (const { path, kinds } of kind.refFields)
    for (const { path: place, value } of placesOf(declared, path)) {
      if (typeof value !== 'string') continue
      const pointer = pointerOf(place)
      const name = value.normalize('NFC')
      if (name !== value) spec = withLeaf(spec, place, name) as JsonObject // the root is never replaced
      if (name !== '') names.push({ pointer, name, kinds })
      else if (path.at(-1) === '*') empty.push(pointer)
    }
  return { spec, names, empty }
}
