// The canonical form of one resource: aliases renamed, defaults filled in, everything checked. It runs for every resource
// of every compilation, so what the schema says is read once per kind into flat tables.

import { type Check, compileCheck } from './check.ts'
import type { Finding } from './finding.ts'
import { isObject, type Json, type JsonObject, pointerOf } from './json.ts'
import { type Kind, textsOf } from './kind.ts'

export interface Normalised {
  readonly spec: JsonObject
  readonly findings: readonly Finding[]
}

export type Normalise = (declared: JsonObject) => Normalised

export function createNormalise(kind: Kind): Normalise {
  const fields = readFields(kind)
  const byName = new Map(fields.flatMap(field => [field.name, ...field.aliases].map(name => [name, field] as const)))
  const defaults = fields.filter(field => field.fallback !== undefined)
  const check: Check = compileCheck(
    kind.schema,
    kind.name,
    fields.flatMap(field => field.aliases),
  )

  return declared => {
    const findings: Finding[] = []
    const spec: Record<string, Json> = {}
    const spelling = new Map<string, string>()
    for (const key of Object.keys(declared)) {
      const value = declared[key]
      const field = byName.get(key)
      if (value === undefined || (value === null && field)) continue // null goes back to the default
      if (!field) {
        Object.defineProperty(spec, key, { value, enumerable: true, writable: true, configurable: true }) // `__proto__` too
        continue
      }
      if (key !== field.name) {
        spelling.set(field.name, key)
        if (Object.hasOwn(declared, field.name) && declared[field.name] !== value) findings.push(twoSpellings(key, field.name))
      }
      if (key === field.name || !Object.hasOwn(spec, field.name)) spec[field.name] = value
      judgeField(kind, field, key, value, declared, findings)
    }
    for (const field of defaults) {
      // the filter above left only those with a fallback
      if (!Object.hasOwn(spec, field.name) && isTaken(field, spec)) spec[field.name] = field.fallback as Json
    }
    const name = spec[kind.identity]
    if (typeof name === 'string') judgeName(kind.identity, name, findings)
    for (const finding of check(spec)) findings.push(spelling.size > 0 ? asDeclared(finding, spelling) : finding)
    return { spec, findings }
  }
}

interface Field {
  readonly name: string
  readonly aliases: readonly string[]
  readonly fallback: Json | undefined
  /** [other field, its values] under which a resource takes this field. */
  readonly when: readonly [string, ReadonlySet<Json>] | undefined
  readonly served: boolean
  readonly servedValues: ReadonlySet<Json> | undefined
  readonly accepted: ReadonlySet<Json> | undefined
  readonly guards: boolean
}

function readFields(kind: Kind): readonly Field[] {
  const properties = isObject(kind.schema.properties) ? kind.schema.properties : {}
  return Object.entries(properties).map(([name, declared]) => {
    const field = isObject(declared) ? declared : {}
    const when = isObject(field['x-when']) ? Object.entries(field['x-when'])[0] : undefined
    return {
      name,
      aliases: textsOf(field['x-alias']),
      fallback: field.default,
      when: when && [when[0], new Set(textsOf(when[1]))],
      served: field['x-served'] !== false,
      servedValues: Array.isArray(field['x-served-values']) ? new Set(field['x-served-values']) : undefined,
      accepted: Array.isArray(field.enum) ? new Set(field.enum) : undefined,
      guards: field['x-guards'] === true,
    }
  })
}

function isTaken(field: Field, spec: JsonObject): boolean {
  return field.when === undefined || field.when[1].has(spec[field.when[0]] ?? null)
}

function judgeField(kind: Kind, field: Field, key: string, value: Json, declared: JsonObject, findings: Finding[]): void {
  if (field.when && !isTaken(field, declared)) {
    const [other, values] = field.when
    const message = `Cannot use "${key}" with this "${other}" of ${kind.name}: it belongs to ${[...values].join(', ')}; remove it`
    findings.push({ code: 'MISPLACED_FIELD', message, pointer: pointerOf([key]) })
    return
  }
  if (isServed(field, value) || isSameAsAbsent(value, field.fallback)) return
  const what = field.served ? `this value of "${key}"` : `"${key}"`
  const accepted = field.servedValues ? `: served is ${[...field.servedValues].join(', ')}` : ''
  const effect = field.guards ? '; the resource stays closed until it is removed' : '; it has no effect'
  findings.push({
    code: 'FIELD_NOT_SERVED',
    message: `Cannot serve ${what} of ${kind.name} as this version does not enforce it${accepted}${effect}`,
    pointer: pointerOf([key]),
    ...(field.guards ? { closes: `this version does not enforce ${what}` } : {}),
  })
}

function isServed(field: Field, value: Json): boolean {
  if (!field.served || !field.servedValues) return field.served
  return field.servedValues.has(value) || !(field.accepted?.has(value) ?? typeof value === 'string') // else it is wrong, not unserved
}

/** Declares no more than silence does: the default, or nothing where there is none. */
function isSameAsAbsent(value: Json, fallback: Json | undefined): boolean {
  if (value === fallback) return true
  if (Array.isArray(value)) return value.length === 0
  if (isObject(value)) return Object.keys(value).length === 0
  return fallback === undefined && (value === '' || value === false)
}

// Control characters, and those that turn the direction of text: a name must look like what it is.
const unprintable = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u

function judgeName(identity: string, name: string, findings: Finding[]): void {
  const reason =
    name.length < 1 || name.length > 200
      ? 'it must have 1 to 200 characters'
      : unprintable.test(name) || !name.isWellFormed()
        ? 'it holds a control or bidirectional character'
        : name.includes('${{')
          ? 'it must be literal, without an expression'
          : undefined
  if (reason) findings.push({ code: 'INVALID_NAME', message: `Cannot use this "${identity}" as ${reason}`, pointer: pointerOf([identity]) })
}

function twoSpellings(alias: string, name: string): Finding {
  const message = `Cannot use "${alias}" as "${name}" is another spelling of it and has a different value; keep one of them`
  return { code: 'INVALID_VALUE', message, pointer: pointerOf([alias]) }
}

function asDeclared(finding: Finding, spelling: ReadonlyMap<string, string>): Finding {
  const [first = '', ...rest] = finding.pointer.slice(1).split('/')
  const declared = spelling.get(first)
  if (declared === undefined) return finding
  return { ...finding, message: finding.message.replace(`"${first}`, `"${declared}`), pointer: ['', declared, ...rest].join('/') }
}
