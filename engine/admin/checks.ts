// What comes in with a request, read within bounds and checked against the row's own schemas.

import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { isObject, type JsonObject } from '../../schema/json.ts'
import { parseJson } from '../plane/json-body.ts'
import { isJsonType } from '../plane/media.ts'
import { parametersIn } from './openapi.ts'
import { Refusal } from './port.ts'
import { pathParameters, type Row } from './route.ts'

export interface Checks {
  /** @throws Refusal 404 for a parameter that can name nothing */
  params(found: Readonly<Record<string, string>>): Record<string, string>
  /** @throws Refusal 400 */
  query(search: URLSearchParams): JsonObject
  /** @throws Refusal 400, 413, 415 */
  body(request: Request): Promise<JsonObject>
}

const maxDepth = 64

/** Checks for the rows of one app. A schema is compiled when its row is first called, as a start must not wait for all of them. */
export function createChecks(): (row: Row) => Checks {
  const queries = new Ajv({ coerceTypes: true, useDefaults: true, validateSchema: false, verbose: true })
  const bodies = new Ajv({ useDefaults: true, validateSchema: false, strictRequired: false, verbose: true })
  return row => checksOf(row, queries, bodies)
}

function checksOf(row: Row, queries: Ajv, bodies: Ajv): Checks {
  const names = parametersIn(row.path)
  const patterns = names.map(name => [name, new RegExp(pathParameters[name]?.schema.pattern ?? '', 'u')] as const)
  return {
    params(found) {
      for (const [name, pattern] of patterns)
        if (!pattern.test(found[name] ?? '')) {
          const given = JSON.stringify((found[name] ?? '').slice(0, 100))
          throw new Refusal(404, 'NOT_FOUND', `Cannot find what the path names as its ${name} is ${given}: ${formOf(name)} is accepted`)
        }
      return Object.fromEntries(names.map(name => [name, found[name] ?? '']))
    },
    query(search) {
      const given: Record<string, string> = {}
      for (const [name, value] of search) {
        if (Object.hasOwn(given, name)) throw invalid(400, `the query names ${JSON.stringify(name)} twice`)
        given[name] = value
      }
      return checked(queries.compile(row.query ?? nothing), given, 'query')
    },
    async body(request) {
      const bytes = await readBounded(request, row.body?.maxBytes ?? 0)
      if (bytes.length > 0 && !isJsonType(request.headers.get('content-type') ?? ''))
        throw invalid(415, 'its content type is not application/json')
      const parsed = parseJson(bytes, maxDepth)
      if ('problem' in parsed) throw invalid(400, `its body cannot be read: ${parsed.problem}`)
      return checked(bodies.compile(row.body?.schema ?? nothing), parsed.value ?? {}, 'body')
    },
  }
}

const nothing: JsonObject = { type: 'object', additionalProperties: false, properties: {} }

function checked(validate: ValidateFunction, value: unknown, part: string): JsonObject {
  if (validate(value) && isObject(value)) return value
  const [first] = validate.errors ?? []
  const at = first?.instancePath.slice(1).replaceAll('/', '.')
  throw invalid(400, `${at ? `"${at}" of its ${part}` : `its ${part}`} ${first ? reasonOf(first) : 'is not an object'}`)
}

function reasonOf({ keyword, message = 'does not fit', params, parentSchema = {} }: ErrorObject): string {
  const accepted = acceptedBy(parentSchema)
  switch (keyword) {
    case 'additionalProperties':
      return `${message}: ${JSON.stringify(String(params.additionalProperty).slice(0, 100))}`
    case 'required':
      return message
    default:
      return accepted === null ? message : `is not what is accepted: ${accepted}`
  }
}

/** What a schema takes, in words; null where it has none. */
function acceptedBy({ type, minimum, maximum, minLength = 0, maxLength, pattern, description }: JsonObject): string | null {
  if (type === 'integer') return `a whole number from ${minimum ?? 0} ${maximum === undefined ? 'on' : `to ${maximum}`}`
  if (type === 'boolean') return 'true or false'
  if (type === 'string' && pattern === undefined && maxLength !== undefined) return `a text of ${minLength} to ${maxLength} characters`
  return typeof description === 'string' ? lowerFirst(description) : null
}

function formOf(name: string): string {
  return lowerFirst(String(pathParameters[name]?.schema.description))
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1)
}

/** Counts what arrives, whatever Content-Length says, and stops at the first byte too many. */
async function readBounded(request: Request, maxBytes: number): Promise<Buffer> {
  const tooLarge = (): Refusal =>
    new Refusal(413, 'REQUEST_TOO_LARGE', `Cannot take the request as its body is larger than ${maxBytes} bytes`)
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge()
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length
    if (bytes > maxBytes) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function invalid(status: number, why: string): Refusal {
  return new Refusal(status, 'REQUEST_INVALID', `Cannot take the request as ${why}`)
}
