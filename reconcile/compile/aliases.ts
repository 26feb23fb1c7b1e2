// Two spellings of one place: as declared, and as the canonical form of the kind has it. Only fields at the top have aliases.

import type { Kind } from '../../schema/vocabulary.ts'

type Path = readonly (string | number)[]

/** The field that `key` spells: itself, unless it is an alias. */
export function fieldOf(kind: Kind, key: string): string {
  for (const spellings of kind.spellings) if (spellings.includes(key)) return spellings[0] ?? key
  return key
}

/** The path in the canonical form of what was declared at `path`. */
export function canonicalPath(kind: Kind, path: Path): Path {
  const [first, ...rest] = path
  if (typeof first !== 'string') return path
  const field = fieldOf(kind, first)
  return field === first ? path : [field, ...rest]
}

/** The path under which `declared` has the field that the canonical form has at `path`. */
export function declaredPath(kind: Kind, path: Path, declared: object): Path {
  const [first, ...rest] = path
  if (typeof first !== 'string' || Object.hasOwn(declared, first)) return path
  const spellings = kind.spellings.find(([field]) => field === first)
  const alias = spellings?.find(name => Object.hasOwn(declared, name))
  return alias === undefined ? path : [alias, ...rest]
}

/** `fields` with each that `over` declares too spelled as it is there, in its place; itself where nothing is spelled otherwise. */
export function spelledAs<Value>(kind: Kind, fields: Readonly<Record<string, Value>>, over: object): Readonly<Record<string, Value>> {
  let renamed: Map<string, string> | undefined
  for (const spellings of kind.spellings) {
    const wanted = spellings.find(name => Object.hasOwn(over, name))
    if (wanted === undefined) continue
    for (const name of spellings) if (name !== wanted && Object.hasOwn(fields, name)) renamed = (renamed ?? new Map()).set(name, wanted)
  }
  if (!renamed) return fields
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [renamed.get(name) ?? name, value]))
}
