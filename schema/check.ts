// Ajv behind one function: a schema in, a function that finds what does not fit out. The findings speak of fields and of
// what is accepted, point into the document, and suggest the spelling that was probably meant. They never hold a value.

import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import type { Finding } from './finding.ts'
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
      return { code: 'INVALID_VALUE', message: `Cannot use the value of ${field} as it ${reasonOf(error, parent)}`, pointer }
  }
}

function reasonOf(error: ErrorObject, schema: JsonObject): string {
  const [example] = Array.isArray(schema.examples) ? schema.examples : []
  if (error.keyword === 'pattern' && example !== undefined) return `does not have the form that is accepted: such as "${example}"`
  return error.message ?? 'does not fit'
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
