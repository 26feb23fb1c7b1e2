// Ajv behind one function: a schema in, a function that finds what does not fit out. The findings speak of fields and of
// what is accepted, point into the document, and suggest the spelling that was probably meant. They never hold a value.

import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import type { Finding } from './finding.ts'
import { formats } from './formats.ts'
import { atPointer, isObject, type Json, type JsonObject } from './json.ts'
import { keywords } from './kind.ts'
import { didYouMean } from './nearest.ts'

export type Check = (document: JsonObject) => readonly Finding[]

/**
 * Compiles `schema`, in the strict mode of Ajv, so that a misspelt keyword is caught here.
 * The schema is one of ours and is taken as valid by its draft, as checking that costs more than all else here.
 * @param owner what has these fields, for messages: `channel_rest`, `environment.yaml`
 * @param names other spellings of top-level fields that may be suggested
 */
export function compileCheck(schema: JsonObject, owner: string, names: readonly string[] = []): Check {
  const ajv = new Ajv2020({
    allErrors: true,
    strict: true,
    strictTypes: false,
    strictRequired: false,
    verbose: true,
    validateSchema: false,
  })
  ajv.addVocabulary(Object.keys(keywords))
  for (const [name, validate] of Object.entries(formats)) ajv.addFormat(name, { type: 'string', validate })
  const validate = ajv.compile(schema)
  return document => {
    if (validate(document)) return noFindings
    const findings = []
    for (const error of validate.errors ?? []) {
      const finding = findingOf(error, document, owner, names)
      if (finding) findings.push(finding)
    }
    return findings
  }
}

const noFindings: readonly Finding[] = Object.freeze([])

function findingOf(error: ErrorObject, document: Json, owner: string, names: readonly string[]): Finding | undefined {
  const pointer = error.instancePath
  // What none of several forms fits is told once, by what they have in common.
  if (error.schemaPath.includes('/anyOf/')) return undefined
  const field = `"${pointer.slice(1).replaceAll('/', '.')}"`
  const parent: JsonObject = isObject(error.parentSchema) ? error.parentSchema : {}
  switch (error.keyword) {
    case 'if':
      return undefined // its `then` says the same, better
    case 'propertyNames':
      return {
        code: 'INVALID_VALUE',
        message: `Cannot use a name in ${field} as it must be letters, digits and underscores, and not begin with a digit`,
        pointer: `${pointer}/${escaped(String(error.params.propertyName))}`,
      }
    case 'required': {
      const missing: string = error.params.missingProperty
      return {
        code: 'MISSING_FIELD',
        message: `Cannot use ${ownerOf(pointer, owner)} as the field "${missing}" is missing; add it`,
        pointer,
      }
    }
    case 'additionalProperties': {
      const unknown: string = error.params.additionalProperty
      const known = Object.keys(isObject(parent.properties) ? parent.properties : {})
      const meant = didYouMean(unknown, pointer === '' ? [...known, ...names] : known)
      const message = `Cannot use field "${unknown}" as ${ownerOf(pointer, owner)} has no such field${meant}`
      return { code: 'UNKNOWN_FIELD', message, pointer: `${pointer}/${escaped(unknown)}` }
    }
    case 'type':
      return {
        code: 'WRONG_TYPE',
        message: `Cannot use ${field} as it is ${typeOf(error.data)}: accepted is ${kindsOf(error.params.type)}`,
        pointer,
      }
    case 'enum':
    case 'const': {
      const accepted = (error.keyword === 'enum' ? error.params.allowedValues : [error.params.allowedValue]).map(String)
      const value = atPointer(document, pointer)
      return {
        code: 'INVALID_VALUE',
        message: `Cannot use the value of ${field} as it is not one that is accepted${didYouMean(typeof value === 'string' ? value : '', accepted)}`,
        pointer,
      }
    }
    default:
      // The secret of a template is judged by the one who uses it; a fault of a name is told by `propertyNames`.
      if (isTemplate(error.data) || error.propertyName !== undefined) return undefined
      return {
        code: 'INVALID_VALUE',
        message: `Cannot use ${pointer === '' ? owner : `the value of ${field}`} as it ${reasonOf(error.keyword, parent)}`,
        pointer,
      }
  }
}

function reasonOf(keyword: string, schema: JsonObject): string {
  const reason = reasons[keyword]
  return reason ? reason(schema) : 'does not have a form that is accepted; see the schema of the field'
}

/** What each keyword finds and what it accepts, as the end of a sentence. */
const reasons: Readonly<Record<string, (schema: JsonObject) => string>> = {
  minimum: schema => `is too small: accepted is ${rangeOf(schema)}`,
  maximum: schema => `is too large: accepted is ${rangeOf(schema)}`,
  exclusiveMinimum: schema => `is too small: accepted is more than ${schema.exclusiveMinimum}`,
  exclusiveMaximum: schema => `is too large: accepted is less than ${schema.exclusiveMaximum}`,
  multipleOf: schema => `is none of the steps that are accepted: accepted are multiples of ${schema.multipleOf}`,
  minLength: schema => `is too short: accepted are ${boundsOf(schema.minLength, schema.maxLength)} characters`,
  maxLength: schema => `is too long: accepted are ${boundsOf(schema.minLength, schema.maxLength)} characters`,
  pattern: schema => `does not have the form that is accepted${exampleOf(schema) || `: what fits ${schema.pattern}`}`,
  format: schema => `does not have the form that is accepted: accepted is a ${schema.format}${exampleOf(schema).replace(':', ',')}`,
  anyOf: schema => `needs one of ${formsOf(schema)}`,
  minItems: schema => `has too few items: accepted are ${boundsOf(schema.minItems, schema.maxItems)}`,
  maxItems: schema => `has too many items: accepted are ${boundsOf(schema.minItems, schema.maxItems)}`,
  uniqueItems: () => 'holds an item twice: accepted are different items; keep one of them',
  contains: () => 'lacks an item that it needs; see the schema of the field',
  minProperties: schema => `has too few entries: ${entriesOf(schema)}`,
  maxProperties: schema => `has too many entries: ${entriesOf(schema)}`,
}

/** `1 to 65535`, `at least 1`, with the unit. */
function rangeOf(schema: JsonObject): string {
  const unit = typeof schema['x-unit'] === 'string' ? ` ${schema['x-unit']}` : ''
  return `${boundsOf(schema.minimum, schema.maximum)}${unit}`
}

function boundsOf(least: Json | undefined, most: Json | undefined): string {
  if (least === undefined) return `at most ${most}`
  if (most === undefined) return `at least ${least}`
  return least === most ? `exactly ${least}` : `${least} to ${most}`
}

function entriesOf(schema: JsonObject): string {
  const names = Object.keys(isObject(schema.properties) ? schema.properties : {}).map(name => `"${name}"`)
  return `accepted is ${boundsOf(schema.minProperties, schema.maxProperties)}${names.length > 0 ? ` of ${names.join(', ')}` : ''}`
}

/** The fields of which each form requires one, with the least it may be. */
function formsOf(schema: JsonObject): string {
  const forms = Array.isArray(schema.anyOf) ? schema.anyOf.filter(isObject) : []
  return forms
    .flatMap(form => (Array.isArray(form.required) ? form.required.map(name => ({ name: String(name), properties: form.properties })) : []))
    .map(({ name, properties }) => {
      const field = isObject(properties) ? properties[name] : undefined
      const bounds = isObject(field) ? ` (${boundsOf(field.minimum, field.maximum)})` : ''
      return `"${name}"${bounds}`
    })
    .join(', ')
}

function exampleOf(schema: JsonObject): string {
  const [example] = Array.isArray(schema.examples) ? schema.examples : []
  return example === undefined ? '' : `: such as "${example}"`
}

/** A text that still holds an expression: its secret is filled in where the resource is built. */
function isTemplate(value: unknown): boolean {
  return typeof value === 'string' && value.includes('${{')
}

function ownerOf(pointer: string, owner: string): string {
  return pointer === '' ? owner : `"${pointer.slice(1).replaceAll('/', '.')}" of ${owner}`
}

function typeOf(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : 'a number with a fraction'
  return namesOfTypes[typeof value] ?? typeof value
}

function kindsOf(types: string | readonly string[]): string {
  return [types]
    .flat()
    .map(type => namesOfTypes[type] ?? type)
    .join(' or ')
}

const namesOfTypes: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  integer: 'an integer',
  null: 'empty',
  number: 'a number',
  object: 'a mapping',
  string: 'a text',
}

function escaped(step: string): string {
  return step.replaceAll('~', '~0').replaceAll('/', '~1')
}
