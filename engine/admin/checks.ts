// What comes in with a request, read within bounds and checked against the row's own schemas.

import { Ajv, type ValidateFunction } from 'ajv'
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
  const queries = new Ajv({ coerceTypes: true, useDefaults: true, validateSchema: false })
  const bodies = new Ajv({ useDefaults: true, validateSchema: false, strictRequired: false })
  return row => checksOf(row, queries, bodies)
}

function checksOf(row: Row, queries: Ajv, bodies: Ajv): Checks {
  const names = parametersIn(row.path)
  const patterns = names.map(name => [name, new RegExp(pathParameters[name]?.schema.pattern ?? '', 'u')] as const)
  return {
    params(found) {
      for (const [name, pattern] of patterns)
        if (!pattern.test(found[name] ?? ''))
          throw new Refusal(404, 'NOT_FOUND', `Cannot find what the path names: ${name} has another form`)
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
  const where = first?.instancePath ? `its ${part} at ${first.instancePath}` : `its ${part}`
  const name = first?.params?.additionalProperty
  throw invalid(
    400,
    `${where} ${first?.message ?? 'is not an object'}${typeof name === 'string' ? `: ${JSON.stringify(name.slice(0, 100))}` : ''}`,
  )
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
