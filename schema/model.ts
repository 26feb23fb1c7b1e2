// Models of service code: a JSON Schema (from a TypeScript type, or given as it is) compiled to a check of payloads.
// A payload that fits costs one call of compiled code. One that does not is looked at again for every problem, unless it is
// so large that listing them would be work an attacker gets for nothing.

import { Ajv, type ErrorObject, type Options } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { isObject, type Json, type JsonObject, stepsOf } from './json.ts'
import { type Problem, problemsOf } from './problem.ts'

export interface Model {
  /** The problems of `value`, at most 20; the same empty array wherever it fits. Changes nothing in it. */
  check(value: unknown): readonly Problem[]
}

/** A schema that cannot serve as a model; the message says why, for the author of the service. */
export class ModelError extends Error {
  override readonly name = 'ModelError'
  readonly reason: string

  constructor(reason: string, options?: ErrorOptions) {
    super(`Cannot use this schema as ${reason}`, options)
    this.reason = reason
  }
}

/**
 * Compiles draft 2020-12, or draft-07 where `$schema` says so. Nothing is fetched: a reference that leaves the schema is refused.
 * Whether the schema is valid is `modelProblem`'s to say: it takes 40 ms to be able to, which no process that serves has to spend.
 * @throws ModelError where the schema cannot be compiled, refers outside of itself, is too large, or says `$async`
 */
export function compileModel(schema: JsonObject): Model {
  const { make, bare } = read(schema)
  const firstErrorOf = compileWith(make, bare)
  const lazy: { all?: Check } = {}
  return {
    check(value) {
      const first = firstErrorOf(value)
      if (first === undefined) return noProblems
      if (first === 'too deep') return tooDeep
      if (!isWithin(value, { nodes: 2_000, depth: 50 })) return problemsOf(first)
      lazy.all ??= compileWith(make, bare, { allErrors: true, verbose: true })
      const all = lazy.all(value)
      return Array.isArray(all) ? problemsOf(all) : problemsOf(first)
    },
  }
}

/**
 * Why a schema cannot serve as a model, as the end of "Cannot take it as"; null where it can. For processes that may be killed: a
 * schema of many parts takes a second.
 */
export function modelProblem(schema: JsonObject): string | null {
  try {
    const { metaOf, make, bare } = read(schema)
    const meta = metaOf()
    if (!meta.validateSchema(bare)) return `it is not valid: ${meta.errorsText(meta.errors, { dataVar: 'the schema' })}`
    const check = compileWith(make, bare)
    return oneOfEachType.some(value => check(value) === 'too deep') ? 'it refers to itself without end, or has too many parts' : null
  } catch (error) {
    if (error instanceof ModelError) return error.reason
    throw error
  }
}

/** JSON types of the top-level fields, for values that arrive as text; a field that says none is absent. */
export function topLevelTypes(schema: JsonObject): Readonly<Record<string, string>> {
  const root = resolved(schema, schema)
  const types: Record<string, string> = {}
  for (const part of [root, ...listOf(root.allOf).map(item => resolved(item, schema))])
    for (const [name, field] of Object.entries(isObject(part.properties) ? part.properties : {})) {
      const type = typeOf(field, schema)
      if (type !== undefined) types[name] = type
    }
  return types
}

/** Undefined where the value fits. */
type Check = (value: unknown) => undefined | 'too deep' | readonly ErrorObject[]

interface Dialect {
  /** Checks schemas themselves; made when it is first asked for. */
  metaOf(): Ajv
  /** An Ajv for one schema. A shared one keeps a part of each schema it compiled for ever, also of those removed: 9 kB a reload, measured. */
  make(more: Options): Ajv
}

const options: Options = { strict: false, logger: false, $data: false, coerceTypes: false, useDefaults: false }
const checked: Options = {
  ...options,
  meta: false,
  validateSchema: false,
  // Written out at each reference, a definition makes code of any size out of a small schema. A call for each costs 10 ns.
  inlineRefs: false,
  // Takes as long again as the rest of compiling, squared by the number of fields, for checks that are 10 % faster.
  code: { optimize: false },
}
// One of which gets as far as the reference, where a schema leads to itself before it looks at any part of a value.
const oneOfEachType: readonly Json[] = [null, true, 0, '', [], {}]
const draft07 = dialect(Ajv)
const draft2020 = dialect(Ajv2020)
const noProblems: readonly Problem[] = Object.freeze([])
const tooDeep: readonly Problem[] = Object.freeze([{ pointer: '', message: 'Must not be nested this deep' }])

function dialect(Draft: typeof Ajv | typeof Ajv2020): Dialect {
  let meta: Ajv | null = null
  return {
    metaOf() {
      meta ??= withFormats(new Draft(options))
      return meta
    },
    make: more => withFormats(new Draft({ ...checked, ...more })),
  }
}

function withFormats(ajv: Ajv): Ajv {
  addFormats.default(ajv)
  return ajv
}

function dialectOf(schema: JsonObject): Dialect {
  return typeof schema.$schema === 'string' && /\/draft-0[4-7]\//.test(schema.$schema) ? draft07 : draft2020
}

/** @throws ModelError where it is too large to be looked at, or asks for another kind of check */
function read(schema: JsonObject): Dialect & { readonly bare: JsonObject } {
  if (!isWithin(schema, { nodes: 50_000, depth: 200 })) throw new ModelError('it is too large or too deep')
  // Ajv would answer with a promise, which is as good as true. Where it is not at the root, Ajv refuses it.
  if (schema.$async !== undefined) throw new ModelError('its "$async" is no keyword of JSON Schema')
  const { $schema: _, ...bare } = schema
  return { ...dialectOf(schema), bare }
}

function compileWith(make: Dialect['make'], schema: JsonObject, more: Options = {}): Check {
  try {
    const validate = make(more).compile(schema)
    return value => {
      try {
        return validate(value) ? undefined : (validate.errors ?? [])
      } catch (error) {
        if (error instanceof RangeError) return 'too deep' // a recursive schema ran out of stack
        throw error
      }
    }
  } catch (cause) {
    throw new ModelError(`it cannot be compiled: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}

/** Whether `value` has at most so many nodes and levels; looks no further than that. */
function isWithin(value: unknown, limits: { nodes: number; depth: number }): boolean {
  let left = limits.nodes
  const fits = (item: unknown, depth: number): boolean => {
    if (--left < 0 || depth < 0) return false
    if (typeof item !== 'object' || item === null) return true
    return Object.values(item).every(inner => fits(inner, depth - 1))
  }
  return fits(value, limits.depth)
}

function resolved(schema: Json | undefined, root: JsonObject, hops = 10): JsonObject {
  if (!isObject(schema)) return {}
  if (typeof schema.$ref !== 'string' || !schema.$ref.startsWith('#') || hops === 0) return schema
  let found: Json | undefined = root
  for (const step of stepsOf(decodeURIComponent(schema.$ref.slice(1)))) found = isObject(found) ? found[step] : undefined
  return resolved(found, root, hops - 1)
}

function typeOf(field: Json | undefined, root: JsonObject, seen = new Set<JsonObject>()): string | undefined {
  const schema = resolved(field, root)
  if (seen.has(schema)) return undefined
  seen.add(schema)
  const types = [schema.type].flat().filter(type => typeof type === 'string' && type !== 'null')
  if (typeof types[0] === 'string') return types[0]
  const values = schema.const === undefined ? listOf(schema.enum) : [schema.const]
  const value = values.find(item => item !== null)
  if (value !== undefined) return typeof value
  for (const choice of [...listOf(schema.anyOf), ...listOf(schema.oneOf)]) {
    const type = typeOf(choice, root, seen)
    if (type !== undefined) return type
  }
  return undefined
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : []
}
