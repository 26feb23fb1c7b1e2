// Two spellings of one place: as declared, and as the canonical form of the kind has it. Only fields at the top have aliases.

import { isObject } from '../../schema/json.ts'
import { textsOf } from '../../schema/kind.ts'
import type { Kind } from '../../schema/vocabulary.ts'

type Path = readonly (string | number)[]

/** The path in the canonical form of what was declared at `path`. */
export function canonicalPath(kind: Kind, path: Path): Path {
  const [first, ...rest] = path
  if (typeof first !== 'string') return path
  const fields = isObject(kind.schema.properties) ? kind.schema.properties : {}
  if (Object.hasOwn(fields, first)) return path
  for (const [name, field] of Object.entries(fields))
    if (isObject(field) && textsOf(field['x-alias']).includes(first)) return [name, ...rest]
  return path
}

/** The path under which `declared` has the field that the canonical form has at `path`. */
export function declaredPath(kind: Kind, path: Path, declared: object): Path {
  const [first, ...rest] = path
  if (typeof first !== 'string' || Object.hasOwn(declared, first)) return path
  const fields = isObject(kind.schema.properties) ? kind.schema.properties : {}
  const field = Object.hasOwn(fields, first) ? fields[first] : undefined
  const alias = isObject(field) ? textsOf(field['x-alias']).find(name => Object.hasOwn(declared, name)) : undefined
  return alias === undefined ? path : [alias, ...rest]
}
