// The API's own description, made from the table that routes it.

import type { Json, JsonObject } from '../../schema/json.ts'
import { isObject } from '../../schema/json.ts'
import { pathParameters, type Row } from './route.ts'

/** An OpenAPI 3.1 document of all rows. */
export function openApiDocument(rows: readonly Row[], about: { environment: string; version: string }): JsonObject {
  const paths: Record<string, Record<string, JsonObject>> = {}
  for (const row of rows) {
    paths[row.path] ??= {}
    Object.assign(paths[row.path] ?? {}, { [row.method.toLowerCase()]: operationOf(row) })
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Plumb admin API',
      version: about.version,
      description: `Serves the environment "${about.environment}". Errors are RFC 9457 bodies with a code and a correlation id.`,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    paths,
    components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } }, schemas: { Problem: problem } },
  }
}

/** Names of the path parameters of a row, in order. */
export function parametersIn(path: string): string[] {
  return Array.from(path.matchAll(/\{(\w+)\}/g), ([, name = '']) => name)
}

function operationOf(row: Row): JsonObject {
  const parameters: Json[] = [
    ...parametersIn(row.path).map(name => ({ name, in: 'path', required: true, schema: pathParameters[name]?.schema ?? {} })),
    ...queryParameters(row.query),
  ]
  return {
    operationId: row.id,
    summary: row.summary,
    ...(row.role === null ? { security: [] } : { 'x-role': row.role, ...(row.scope ? { 'x-scope': row.scope } : {}) }),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(row.body ? { requestBody: bodyOf(row.body.schema) } : {}),
    responses: {
      200: { description: row.answer.description, content: { [row.answer.contentType]: { schema: row.answer.schema } } },
      default: { description: 'An error', content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } },
    },
  }
}

function queryParameters(query: JsonObject | undefined): Json[] {
  const properties = isObject(query?.properties) ? query.properties : {}
  return Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', required: false, schema }))
}

function bodyOf(schema: JsonObject): JsonObject {
  return { required: Array.isArray(schema.required), content: { 'application/json': { schema } } }
}

const problem: JsonObject = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'cid'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', description: 'What went wrong, for a program to decide by; see docs/admin-api.md' },
    cid: { type: 'string', description: 'Correlation id, also in the log' },
    issues: { type: 'array', items: { type: 'object' } },
  },
}
