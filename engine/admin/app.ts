// The admin API: every row of the table behind the same guard, credential and checks, every error in the same form.

import { type Context, Hono } from 'hono'
import type { Log } from '../../adapters/port.ts'
import type { JsonObject } from '../../schema/json.ts'
import type { Logs } from '../log/hub.ts'
import type { Metrics } from '../metrics/exposition.ts'
import { STATUS_CODES } from '../node-http.ts'
import { type ClientAddresses, createClientAddresses } from '../plane/client-address.ts'
import { createCorrelationIds, isCorrelationId } from '../plane/correlation.ts'
import type { Store } from '../store/port.ts'
import { type Attempts, createAttempts } from './attempts.ts'
import { type Checks, createChecks } from './checks.ts'
import type { DebugOperations } from './debug-port.ts'
import type { DeployOperations } from './deploys.ts'
import { type Arrival, guard, securityHeaders } from './guard.ts'
import { authorised, identify, type Who } from './identify.ts'
import type { JobOperations } from './jobs-port.ts'
import { openApiDocument } from './openapi.ts'
import { type Actor, type Events, type Operations, Refusal } from './port.ts'
import { createRecorder } from './recorder.ts'
import { type Call, pathParameters, type Row, type RowSurroundings } from './route.ts'
import { rows as allRows } from './routes.ts'
import type { Tokens } from './tokens.ts'
import type { WorkOperations } from './work.ts'

export interface AdminOptions {
  readonly environment: string
  readonly version: string
  readonly operations: Operations
  readonly deploys: DeployOperations
  readonly work: WorkOperations
  readonly jobs: JobOperations
  readonly events: Events
  /** Where a stream that was cut goes on. */
  readonly journal: Pick<Store, 'readJournal'>
  readonly logs: Logs
  readonly metrics: Metrics
  readonly tokens: Tokens
  readonly audit: Pick<Store, 'appendAudit' | 'readAudit'>
  readonly debug: DebugOperations
  readonly ready: () => { readonly ready: boolean; readonly reason: string | null }
  /** The TCP port is bound to loopback: only loopback names are its own. Default true. */
  readonly loopback?: boolean
  /** A proxy in front may end TLS. Default false. */
  readonly behindProxy?: boolean
  /** Who a request comes from, where proxies stand between. Default: whoever holds the connection. */
  readonly clients?: ClientAddresses
  readonly log?: Log
  readonly attempts?: Attempts
  readonly heartbeatMs?: number
}

export interface AdminApp {
  readonly fetch: (request: Request, arrival: Arrival) => Promise<Response>
  /** Ends the event streams; what is being answered is answered. Resolves when what the audit still has to have is written. */
  close(): Promise<void>
}

const maxStreams = 64
const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** `isRecorded`: the audit has rows of it. */
type Env = { Bindings: Arrival; Variables: { cid: string; row?: Row; who?: Who; isRecorded?: true } }

export function createAdminApp(options: AdminOptions): AdminApp {
  const { environment, log = silent, attempts = createAttempts(), loopback = true, behindProxy = false } = options
  const { clients = createClientAddresses([]) } = options
  const nextCid = createCorrelationIds()
  const recorder = createRecorder({ store: options.audit, log })
  const ending = new AbortController()
  const document = openApiDocument(allRows, options)
  const surroundings: RowSurroundings = { ...options, document: () => document }
  let streams = 0

  const app = new Hono<Env>({ getPath: request => new URL(request.url).pathname })
  app.use(async (c, next) => {
    const given = c.req.header('x-correlation-id') ?? ''
    c.set('cid', isCorrelationId(given) ? given : nextCid())
    guard(c.env, new URL(c.req.url), { loopback, behindProxy })
    await next()
  })
  const checksOf = createChecks()
  for (const row of allRows) {
    const checks = checksOf(row)
    app.on(row.method, routeOf(row.path), c => answer(c, row, checks))
  }
  app.notFound(c => {
    authorised(whoAsks(c), { role: 'viewer', scope: null, id: '' })
    const allowed = allRows.filter(row => matcherOf(row.path).test(c.req.path)).map(row => row.method)
    if (allowed.length === 0)
      throw new Refusal(404, 'NOT_FOUND', 'Cannot find what the path names; GET /api/v1/openapi.json lists what there is')
    c.header('allow', [...new Set(allowed)].join(', '))
    throw new Refusal(405, 'REQUEST_INVALID', `Cannot take the request as the path does not serve ${c.req.method}`)
  })
  app.onError((error, c) => problem(c, error))

  return {
    async fetch(request, arrival) {
      const response = await app.fetch(request, arrival)
      for (const [name, value] of Object.entries(securityHeaders)) response.headers.set(name, value)
      return response
    },
    close() {
      ending.abort()
      return recorder.close()
    },
  }

  async function answer(c: Context<Env>, row: Row, checks: Checks): Promise<Response> {
    c.set('row', row)
    const actor = row.role === null ? anybody : authorised(whoAsks(c), row)
    const params = checks.params(c.req.param())
    if (params.environment !== undefined && params.environment !== environment)
      throw new Refusal(
        404,
        'WRONG_ENVIRONMENT',
        `Cannot find the environment ${JSON.stringify(params.environment)}: this server serves ${JSON.stringify(environment)}`,
      )
    const query = checks.query(new URL(c.req.url).searchParams)
    c.header('x-correlation-id', c.get('cid'))
    if (row.open) return stream(c, row.open, { params, query, body: {}, actor })
    const body = row.body ? await checks.body(c.req.raw) : {}
    const call = { params, query, body, actor }
    const found = await (row.method === 'GET' ? row.run(call, surroundings) : change(c, row, call))
    return typeof found === 'string' ? c.body(found, 200, { 'content-type': row.answer.contentType }) : c.json(found)
  }

  function change(c: Context<Env>, row: Row, call: Call): Promise<JsonObject | string> {
    c.set('isRecorded', true)
    return recorder.recorded(row, call, c.get('cid'), () => row.run(call, surroundings))
  }

  function whoAsks(c: Context<Env>): Who {
    const who = identify(c.env, c.req.header('authorization'), { tokens: options.tokens, attempts, clients })
    c.set('who', who)
    return who
  }

  /** Of requests that would only have read, those count whose caller was refused, and not those of whoever carries no token. */
  function noteRefusal(c: Context<Env>, refusal: Refusal): void {
    const who = c.get('who')
    const isDenial = refusal.status === 401 || refusal.status === 403 || refusal.status === 429
    const isLook = c.req.method === 'GET' || c.req.method === 'HEAD'
    if (isLook && (!isDenial || who === undefined || (who.kind === 'denied' && who.tokenless))) return
    recorder.refused({
      ...{ refusal, row: c.get('row') ?? null, method: c.req.method, cid: c.get('cid') },
      actor: who?.actor ?? null,
      address: c.env.via === 'socket' ? null : clients.of(c.env.incoming),
      claimed: who?.kind === 'denied' ? who.claimed : null,
    })
  }

  function stream(c: Context<Env>, open: NonNullable<Row['open']>, call: Call): Response {
    const headers = { 'content-type': 'text/event-stream' }
    // The answer to HEAD has no body: nothing would ever end the stream behind it.
    if (c.req.method === 'HEAD') return c.body(null, 200, headers)
    if (streams >= maxStreams) throw new Refusal(503, 'TOO_MANY_STREAMS', `Cannot open another event stream as ${maxStreams} are open`)
    const { token } = call.actor
    const signal = AbortSignal.any([ending.signal, c.req.raw.signal, ...(token === null ? [] : [options.tokens.endOf(token)])])
    const { heartbeatMs = 15_000 } = options
    const onEnd = (): void => void streams--
    const opened = open(call, surroundings, { lastEventId: c.req.header('last-event-id'), heartbeatMs, signal, onEnd })
    streams++
    return c.body(opened, 200, headers)
  }

  function problem(c: Context<Env>, error: unknown): Response {
    const cid = c.get('cid')
    const refusal = error instanceof Refusal ? error : null
    if (!refusal) log.error({ cid, err: error, path: c.req.path }, 'The admin API failed to answer')
    const status = refusal?.status ?? 500
    const body = {
      type: 'about:blank',
      title: STATUS_CODES[status] ?? 'Error',
      status,
      detail: refusal?.message ?? 'Cannot answer as of a mistake of ours; the log names it under the correlation id',
      code: refusal?.code ?? 'INTERNAL',
      ...(refusal && refusal.issues.length > 0 ? { issues: refusal.issues } : {}),
      cid,
    }
    if (refusal && !c.get('isRecorded')) noteRefusal(c, refusal)
    c.header('x-correlation-id', cid)
    for (const [name, value] of Object.entries(refusal?.headers ?? {})) c.header(name, value)
    return c.body(JSON.stringify(body), status as 400, { 'content-type': 'application/problem+json' }) // Hono lists statuses; a Refusal has any
  }
}

const anybody: Actor = { name: 'anybody', via: 'token', role: 'viewer', scopes: [], token: null, address: null }

/** `{ref}` as Hono writes it. */
function routeOf(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => `:${name}${pathParameters[name]?.many ? '{.+}' : ''}`)
}

function matcherOf(path: string): RegExp {
  const source = path.replaceAll(/[.]/g, '\\.').replaceAll(/\{(\w+)\}/g, (_, name: string) => (pathParameters[name]?.many ? '.+' : '[^/]+'))
  return new RegExp(`^${source}$`)
}
