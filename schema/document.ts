// A configuration file with a schema: everything that is wrong with it as findings, and of the rest a value that can be
// read without further checks. A field this version does not enforce is refused, as a rule that is ignored is worse than none.

import { compileCheck } from './check.ts'
import type { Finding } from './finding.ts'
import { isObject, type Json, type JsonObject, pointerOf, stepsOf } from './json.ts'

/** `document` has only what passed: a field with a finding is absent from it. */
export interface ReadDocument {
  readonly document: JsonObject
  readonly findings: readonly Finding[]
}

/** @param schema its `title` is the name of the file, for messages */
export function createReader(schema: JsonObject): (declared: JsonObject) => ReadDocument {
  const owner = String(schema.title)
  const check = compileCheck(schema, owner)
  return declared => {
    const given = withoutNulls(declared)
    const refused = [...notEnforced(schema, given, [], owner)]
    const refusedAt = new Set(refused.map(finding => finding.pointer))
    const findings = [...refused, ...check(given).filter(finding => !refusedAt.has(finding.pointer))]
    return { document: findings.reduce((document, finding) => without(document, stepsOf(finding.pointer)), given), findings }
  }
}

/** In a configuration file an empty field (`sync:`) says nothing. */
function withoutNulls(value: JsonObject): JsonObject {
  const kept = Object.entries(value).filter(([, item]) => item !== null)
  return Object.fromEntries(kept.map(([key, item]) => [key, isObject(item) ? withoutNulls(item) : item]))
}

function* notEnforced(schema: JsonObject, value: Json, path: readonly (string | number)[], owner: string): Generator<Finding> {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) if (isObject(schema.items)) yield* notEnforced(schema.items, item, [...path, index], owner)
    return
  }
  if (!isObject(value) || !isObject(schema.properties)) return
  for (const [key, item] of Object.entries(value)) {
    const field = Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined
    if (!isObject(field)) continue
    const place = [...path, key]
    if (field['x-served'] === false) {
      const message = `Cannot use "${place.join('.')}" of ${owner} as this version does not enforce it; remove it`
      yield { code: 'NOT_ENFORCED', message, pointer: pointerOf(place) }
    } else yield* notEnforced(field, item, place, owner)
  }
}

/** `document` without the field at `steps`; a list goes whole, as one without a part of it means something else. */
function without(document: JsonObject, steps: readonly string[]): JsonObject {
  const [first, ...rest] = steps
  if (first === undefined || !Object.hasOwn(document, first)) return document
  const { [first]: inner, ...others } = document
  if (rest.length === 0 || !isObject(inner)) return others
  return { ...others, [first]: without(inner, rest) }
}
