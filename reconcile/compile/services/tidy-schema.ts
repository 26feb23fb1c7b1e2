// A schema as the generator gives it, made stable and short: the same types give the same text wherever they stand in a file.

import { isObject, type Json, type JsonObject } from '../../../schema/json.ts'

// Keywords whose value is a map of names to schemas, where a name may look like a keyword.
const maps = new Set(['properties', 'definitions', 'patternProperties'])
const tupleKeywords: Readonly<Record<string, string>> = { items: 'prefixItems', additionalItems: 'items' }
const values = new Set(['enum', 'const', 'default', 'examples'])

/**
 * Written for draft 2020-12 where the generator speaks draft-07: the two differ in how they say a tuple. Leaves out `$schema`, what forbids additional properties (the generator does so for some mapped types, whatever it is told), and
 * an empty list of definitions. Definitions get names of letters, digits, `_` and `.`, numbered in order where they would clash.
 */
export function tidySchema(schema: JsonObject): JsonObject {
  const { $schema: _, definitions = {}, ...root } = schema
  const names = new Map<string, string>()
  const taken = new Set<string>()
  const pending: string[] = []
  const nameOf = (original: string): string => {
    const known = names.get(original)
    if (known !== undefined) return known
    const base = plainName(original)
    let name = base
    for (let count = 2; taken.has(name); count++) name = `${base}${count}`
    taken.add(name)
    names.set(original, name)
    pending.push(original)
    return name
  }
  const tidied = tidy(root, nameOf)
  const named: [string, Json][] = []
  for (const original of pending) {
    const definition = isObject(definitions) ? definitions[original] : undefined
    if (definition !== undefined) named.push([nameOf(original), tidy(definition, nameOf)])
  }
  return { ...(isObject(tidied) ? tidied : {}), ...(named.length > 0 ? { definitions: Object.fromEntries(named) } : {}) }
}

function tidy(schema: Json, nameOf: (original: string) => string): Json {
  if (Array.isArray(schema)) return schema.map(item => tidy(item, nameOf))
  if (!isObject(schema)) return schema
  const isTuple = Array.isArray(schema.items)
  const entries = Object.entries(schema).flatMap(([key, value]): [string, Json][] => {
    if (key === 'additionalProperties' && value === false) return []
    if (key === '$ref' && typeof value === 'string') return [[key, `#/definitions/${nameOf(value.replace('#/definitions/', ''))}`]]
    if (maps.has(key) && isObject(value))
      return [[key, Object.fromEntries(Object.entries(value).map(([name, each]) => [name, tidy(each, nameOf)]))]]
    // The tags of the same names take words, which is how they are used elsewhere.
    if (key === 'deprecated' && typeof value === 'string') return [[key, true]]
    if (key === 'examples' && !Array.isArray(value)) return [[key, [value]]]
    return [[isTuple ? (tupleKeywords[key] ?? key) : key, values.has(key) ? value : tidy(value, nameOf)]]
  })
  return Object.fromEntries(entries)
}

/** `Page<I>` gives `Page_I`; of what the generator names by its place in a file, such as `interface-s.ts-38-84<string>`, it gives `Type_string`. */
function plainName(original: string): string {
  const readable = original.replace(/(?:def-)*[a-z]+(?:-[a-z]+)*(?:-[^-\s<>,|"]*-\d+-\d+)+/g, 'Type')
  return (
    readable
      .split(/[^\p{L}\p{N}.]+/u)
      .filter(word => word !== '')
      .join('_') || 'Type'
  )
}
