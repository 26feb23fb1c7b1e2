// Every route of the admin API, in one table.

import { isObject, type JsonObject } from '../../schema/json.ts'
import { rows as auditRows } from './audit-routes.ts'
import { debugRows } from './debug-routes.ts'
import { deployRows } from './deploy-routes.ts'
import { openEventStream } from './event-stream.ts'
import { rows as jobRows } from './jobs-routes.ts'
import { rows as logRows } from './logs-routes.ts'
import { rows as metricRows } from './metrics-routes.ts'
import { Refusal, type Upload } from './port.ts'
import { type Call, environmentPrefix, json, maxBodyBytes, object, type Row, textIn } from './route.ts'
import { rows as tokenRows } from './token-routes.ts'
import { rows as workRows } from './work-routes.ts'

const maxUploadBytes = 32_000_000

const revision = { type: 'string', pattern: '^(?:[0-9a-f]{40}|[0-9a-f]{64})$', description: 'A full commit SHA, 40 or 64 hex digits' }
const ref = { type: 'string', pattern: '^[a-z][a-z0-9_]{0,63}/.{1,200}$', description: 'kind/name' }
const limit = { type: 'integer', minimum: 1, maximum: 1000, default: 100 }
const confirmDeletes = { type: 'integer', minimum: 0, description: 'The number of deletes of the plan, where it is over its budget' }
const files = {
  type: 'array',
  maxItems: 20_000,
  description: 'The files of a tree',
  items: {
    type: 'object',
    required: ['path', 'base64'],
    additionalProperties: false,
    properties: {
      path: { type: 'string', minLength: 1, maxLength: 1024 },
      base64: { type: 'string', contentEncoding: 'base64', description: 'With padding, without line breaks' },
    },
  },
}

export const rows: readonly Row[] = [
  {
    id: 'health',
    method: 'GET',
    path: '/healthz',
    summary: 'Whether the control process answers',
    role: null,
    scope: null,
    answer: json('It does'),
    run: async () => ({ status: 'alive' }),
  },
  {
    id: 'readiness',
    method: 'GET',
    path: '/readyz',
    summary: 'Whether a generation is served',
    role: null,
    scope: null,
    answer: json('It is; 503 where it is not'),
    async run(_call, { ready }) {
      const state = ready()
      if (!state.ready) throw new Refusal(503, 'NOT_READY', `The server is not ready: ${state.reason ?? 'it is starting'}`)
      return { status: 'ready' }
    },
  },
  {
    id: 'server',
    method: 'GET',
    path: '/api/v1',
    summary: 'Which environment this server serves, and its version',
    role: 'viewer',
    scope: null,
    answer: json('{ environment, version }'),
    run: async (_call, { environment, version }) => ({ environment, version }),
  },
  {
    id: 'openapi',
    method: 'GET',
    path: '/api/v1/openapi.json',
    summary: 'This document',
    role: 'viewer',
    scope: null,
    answer: json('An OpenAPI 3.1 document'),
    run: async (_call, { document }) => document(),
  },
  {
    id: 'status',
    method: 'GET',
    path: `${environmentPrefix}/status`,
    summary: 'What is live, conditions, last sync, holds, workers, degraded resources',
    role: 'viewer',
    scope: 'read',
    answer: json('The status'),
    run: (_call, { operations }) => operations.status(),
  },
  {
    id: 'listPlans',
    method: 'GET',
    path: `${environmentPrefix}/plans`,
    summary: 'Stored plans, newest first',
    role: 'viewer',
    scope: 'read',
    query: object({ limit }),
    answer: json('{ plans }'),
    run: ({ query }, { operations }) => operations.listPlans(Number(query.limit)),
  },
  {
    id: 'plan',
    method: 'POST',
    path: `${environmentPrefix}/plans`,
    summary: 'Compiles and plans the configured ref, a revision or an uploaded tree, and stores the plan',
    role: 'operator',
    scope: 'plan',
    body: {
      schema: { ...object({ revision, files }), not: { required: ['revision', 'files'] }, description: 'A revision, or files, or neither' },
      maxBytes: maxUploadBytes,
    },
    answer: json('{ plan, text, markdown }'),
    audit: { detail: uploadIn },
    run: ({ body, actor }, { operations }) =>
      operations.plan(
        { ...(body.revision === undefined ? {} : { revision: String(body.revision) }), ...(body.files ? { files: uploadsOf(body) } : {}) },
        actor,
      ),
  },
  {
    id: 'getPlan',
    method: 'GET',
    path: `${environmentPrefix}/plans/{id}`,
    summary: 'A stored plan',
    role: 'viewer',
    scope: 'read',
    answer: json('{ plan, text, markdown }'),
    run: ({ params }, { operations }) => operations.getPlan(String(params.id)),
  },
  {
    id: 'applyPlan',
    method: 'POST',
    path: `${environmentPrefix}/plans/{id}/apply`,
    summary: 'Carries out a stored plan',
    role: 'deployer',
    scope: 'apply',
    body: { schema: object({ confirmDeletes }), maxBytes: maxBodyBytes },
    answer: json('The outcome'),
    audit: { target: ({ params }) => String(params.id), detail: ({ body }) => confirmationIn(body) },
    run: ({ params, body, actor }, { operations }) => operations.applyPlan({ id: String(params.id), ...confirmationIn(body) }, actor),
  },
  {
    id: 'applyTree',
    method: 'POST',
    path: `${environmentPrefix}/apply`,
    summary: 'Compiles, plans and applies an uploaded tree',
    role: 'deployer',
    scope: 'apply',
    body: { schema: object({ files, confirmDeletes }, ['files']), maxBytes: maxUploadBytes },
    answer: json('The outcome'),
    audit: { detail: call => ({ ...uploadIn(call), ...confirmationIn(call.body) }) },
    run: ({ body, actor }, { operations }) => operations.applyTree({ files: uploadsOf(body), ...confirmationIn(body) }, actor),
  },
  {
    id: 'sync',
    method: 'POST',
    path: `${environmentPrefix}/sync`,
    summary: 'Fetches, plans and applies the configured ref',
    role: 'operator',
    scope: 'sync',
    body: {
      schema: object({
        retry: { type: 'boolean', default: false, description: 'Clears the marks first' },
        endProbation: { type: 'boolean', default: false, description: 'Lets what is live pass its probation first' },
      }),
      maxBytes: maxBodyBytes,
    },
    answer: json('The outcome'),
    audit: { detail: ({ body }) => ({ retry: body.retry === true, endProbation: body.endProbation === true }) },
    run: ({ body, actor }, { operations }) =>
      operations.sync({ retry: body.retry === true, endProbation: body.endProbation === true }, actor),
  },
  {
    id: 'validate',
    method: 'POST',
    path: `${environmentPrefix}/validate`,
    summary: 'Compiles an uploaded tree and says what is wrong with it',
    role: 'operator',
    scope: 'plan',
    body: { schema: object({ files, types: { type: 'boolean', default: false } }, ['files']), maxBytes: maxUploadBytes },
    answer: json('{ issues }'),
    audit: { detail: uploadIn },
    run: ({ body }, { operations }) => operations.validate({ files: uploadsOf(body), types: body.types === true }),
  },
  {
    id: 'listResources',
    method: 'GET',
    path: `${environmentPrefix}/resources`,
    summary: 'Live resources, by ref; secrets as digests',
    role: 'viewer',
    scope: 'read',
    query: object({
      limit,
      kind: { type: 'string', pattern: '^[a-z][a-z0-9_]{0,63}$', description: 'A kind: lower-case letters, digits and underscores' },
      after: ref,
    }),
    answer: json('{ resources, next }'),
    run: ({ query }, { operations }) =>
      operations.listResources({ limit: Number(query.limit), ...textIn(query, 'kind'), ...textIn(query, 'after') }),
  },
  {
    id: 'getResource',
    method: 'GET',
    path: `${environmentPrefix}/resources/{ref}`,
    summary: 'A live resource; secrets as digests',
    role: 'viewer',
    scope: 'read',
    answer: json('The resource'),
    run: ({ params }, { operations }) => operations.getResource(String(params.ref)),
  },
  {
    id: 'explain',
    method: 'GET',
    path: `${environmentPrefix}/explain/{ref}`,
    summary: 'Where each value of a resource comes from',
    role: 'viewer',
    scope: 'read',
    answer: json('{ leaves }'),
    run: ({ params }, { operations }) => operations.explain(String(params.ref)),
  },
  {
    id: 'history',
    method: 'GET',
    path: `${environmentPrefix}/history`,
    summary: 'What went live, newest first',
    role: 'viewer',
    scope: 'read',
    query: object({ limit, before: { type: 'integer', minimum: 1, description: 'Only older serials' } }),
    answer: json('{ history }'),
    run: ({ query }, { operations }) =>
      operations.history({ limit: Number(query.limit), ...(query.before === undefined ? {} : { before: Number(query.before) }) }),
  },
  {
    id: 'rollback',
    method: 'POST',
    path: `${environmentPrefix}/rollback`,
    summary: 'Goes back to the generation before, or to a serial of the history',
    role: 'operator',
    scope: 'rollback',
    body: {
      schema: object({ to: { type: 'integer', minimum: 1, description: 'A serial' }, reason: { type: 'string', maxLength: 1000 } }),
      maxBytes: maxBodyBytes,
    },
    answer: json('The outcome'),
    audit: { detail: ({ body }) => ({ to: body.to ?? null, ...textIn(body, 'reason') }) },
    run: ({ body, actor }, { operations }) =>
      operations.rollback({ ...(body.to === undefined ? {} : { to: Number(body.to) }), ...textIn(body, 'reason') }, actor),
  },
  {
    id: 'invoke',
    method: 'POST',
    path: `${environmentPrefix}/invoke`,
    summary: 'Calls a live service',
    role: 'operator',
    scope: 'invoke',
    body: {
      schema: object(
        {
          service: { type: 'string', minLength: 1, maxLength: 200 },
          payload: {},
          deadlineMs: { type: 'integer', minimum: 1, maximum: 600_000 },
        },
        ['service'],
      ),
      maxBytes: maxBodyBytes,
    },
    answer: json('{ payload, elapsedMs, generation }'),
    audit: {
      target: ({ body }) => String(body.service),
      // Its size, and nothing of what it says.
      detail: ({ body }) => ({ payloadBytes: Buffer.byteLength(JSON.stringify(body.payload ?? null)) }),
    },
    run: ({ body, actor }, { operations }) =>
      operations.invoke(
        {
          service: String(body.service),
          payload: body.payload ?? null,
          ...(body.deadlineMs === undefined ? {} : { deadlineMs: Number(body.deadlineMs) }),
        },
        actor,
      ),
  },
  {
    id: 'ping',
    method: 'POST',
    path: `${environmentPrefix}/ping`,
    summary: 'Checks the far end of a connection',
    role: 'operator',
    scope: 'invoke',
    body: { schema: object({ ref }, ['ref']), maxBytes: maxBodyBytes },
    answer: json('{ ok, elapsedMs, reason }'),
    audit: { target: ({ body }) => String(body.ref) },
    run: ({ body, actor }, { operations }) => operations.ping(String(body.ref), actor),
  },
  {
    id: 'types',
    method: 'GET',
    path: `${environmentPrefix}/types`,
    summary: 'The text of environment.d.ts for the live environment',
    role: 'viewer',
    scope: 'read',
    answer: json('{ text }'),
    run: async (_call, { operations }) => ({ ...(await operations.types()) }),
  },
  {
    id: 'journal',
    method: 'GET',
    path: `${environmentPrefix}/journal`,
    summary: 'What happened, oldest first',
    role: 'viewer',
    scope: 'read',
    query: object({ limit, after: { type: 'integer', minimum: 0, default: 0, description: 'Only later numbers' } }),
    answer: json('{ events }'),
    run: ({ query }, { operations }) => operations.journal({ after: Number(query.after), limit: Number(query.limit) }),
  },
  {
    id: 'events',
    method: 'GET',
    path: `${environmentPrefix}/events`,
    summary: 'What happens, as Server-Sent Events; Last-Event-ID, or after, goes on where a stream ended',
    role: 'viewer',
    scope: 'read',
    query: object({ after: { type: 'integer', minimum: 0 } }),
    answer: { description: 'The stream', contentType: 'text/event-stream', schema: { type: 'string' } },
    open({ query }, { events, journal }, { lastEventId = query.after, ...life }) {
      const after = lastEventId === undefined || !/^\d{1,15}$/.test(String(lastEventId)) ? null : Number(lastEventId)
      return openEventStream({ after, events, journal, ...life })
    },
    run: async () => ({}),
  },
  ...tokenRows,
  ...jobRows,
  ...auditRows,
  ...deployRows,
  ...workRows,
  ...logRows,
  ...metricRows,
  ...debugRows,
]

/** @throws Refusal 400 for content that base64 does not write like this: a lenient reader would make another file of it */
function uploadsOf(body: JsonObject): Upload[] {
  const { files: found } = body
  const uploads = Array.isArray(found) ? found.filter(isObject).map(file => ({ path: String(file.path), base64: String(file.base64) })) : []
  const garbled = uploads.find(({ base64 }) => Buffer.from(base64, 'base64').toString('base64') !== base64)
  if (garbled)
    throw new Refusal(
      400,
      'REQUEST_INVALID',
      `Cannot take the request as the content of ${JSON.stringify(garbled.path)} is no base64; the alphabet of RFC 4648 §4 with its padding is accepted`,
    )
  return uploads
}

/** A tree as the audit says it: a commit, or how much was uploaded. */
function uploadIn({ body }: Call): JsonObject {
  const uploaded = Array.isArray(body.files) ? body.files.filter(isObject) : null
  if (uploaded === null) return textIn(body, 'revision')
  return { files: uploaded.length, bytes: uploaded.reduce((sum, file) => sum + Math.floor((String(file.base64).length * 3) / 4), 0) }
}

function confirmationIn(body: JsonObject): { confirmDeletes?: number } {
  return body.confirmDeletes === undefined ? {} : { confirmDeletes: Number(body.confirmDeletes) }
}
