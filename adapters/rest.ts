// Outgoing REST over undici: one pool of connections per instance; paths, credentials, times and retries belong to the view
// of a generation, as they change without reconnecting.

import { type Dispatcher, Pool } from 'undici'
import type { JsonObject } from '../schema/json.ts'
import { kindName, type Ref, refOf } from '../schema/ref.ts'
import { ConnectionError } from './connection-error.ts'
import { type CredentialSender, isCredentialSender } from './credential.ts'
import { codeOf, failureOf } from './peer.ts'
import type { Adapter, Clock, Declared, Resolve } from './port.ts'
import { acceptedEncodings, readBody, sentBody } from './rest-body.ts'
import type { RestClient, RestMethod, RestOptions, RestRequest, RestResponse } from './rest-client.ts'
import { requestTarget } from './rest-path.ts'

const connectTimeoutMs = 5_000
const keepAliveMs = 30_000
/** Decompressed; a peer that sends more is cut off. */
const maxBodyBytes = 16 * 1024 * 1024
/** Requests that wait for a connection; more would only wait for their deadline. */
const maxWaiting = 1_000
const maxRedirects = 5
/** While calls are answered, a ping has nothing to find out. */
const freshMs = 5_000

export interface RestInstance {
  readonly pool: Pool
  readonly base: URL
  readonly ping: { readonly method: RestMethod; readonly path: string }
  /** Milliseconds of `now` at the last answer. */
  answeredAt: number
  readonly clock: Clock
}

export const restAdapter: Adapter<RestInstance, RestClient> = {
  prepare({ resource: { spec } }, { workers, clock }) {
    const base = new URL(String(spec.host))
    const pool = new Pool(base.origin, {
      connections: Math.max(1, Math.floor(Number(spec.pool_size ?? 20) / workers)),
      connect: {
        timeout: connectTimeoutMs,
        rejectUnauthorized: spec.validate_tls !== false,
        keepAlive: true,
        keepAliveInitialDelay: 10_000,
      },
      keepAliveTimeout: keepAliveMs,
      maxResponseSize: maxBodyBytes,
      // The view's own deadline covers the whole exchange.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    const path = String(spec.url_path ?? '').replace(/[^/]*\{.*$/, '')
    const ping = { method: String(spec.ping_method ?? 'GET') as RestMethod, path: requestTarget(base.pathname, path, {}) } // the schema lists the methods
    return { pool, base, ping, answeredAt: Number.NEGATIVE_INFINITY, clock }
  },
  view: clientOf,
  ping,
  close: ({ pool }) => pool.destroy(),
}

async function ping(instance: RestInstance, signal: AbortSignal): Promise<void> {
  const { pool, base, ping } = instance
  if (instance.clock.now() - instance.answeredAt < freshMs) return
  let status: number
  try {
    const response = await pool.request({ ...ping, signal })
    status = response.statusCode
    response.body.on('error', () => null).destroy() // the status is all that was asked for
  } catch (error) {
    throw new Error(failureOf(error, base.host), { cause: error })
  }
  if (status >= 502 && status <= 504) throw new Error(`a gateway answers for it: ${base.host}, status ${status}`)
  instance.answeredAt = instance.clock.now()
}

/** What a view needs of the fields that change in place. */
interface Settings {
  readonly ref: Ref
  readonly path: string
  readonly contentType: string | null
  readonly expectsJson: boolean
  readonly timeoutMs: number
  readonly retries: { readonly max: number; readonly firstMs: number; readonly factor: number; readonly totalMs: number }
  readonly credential: CredentialSender | null
}

function clientOf(instance: RestInstance, { resource }: Declared, resolve: Resolve): RestClient {
  const settings = settingsOf(instance, resource.ref, resource.spec, resolve)
  const call = (request: RestRequest) => send(instance, settings, request)
  const withBody = (method: RestMethod) => (path: string, body?: unknown, options?: RestOptions) => call({ ...options, method, path, body })
  // Each answer is of the type its caller says it is, as nobody else knows.
  return {
    get: (path = '', options) => call({ ...options, method: 'GET', path }),
    post: withBody('POST'),
    put: withBody('PUT'),
    patch: withBody('PATCH'),
    delete: (path = '', options) => call({ ...options, method: 'DELETE', path }),
    request: call,
  } as RestClient
}

function settingsOf({ base }: RestInstance, ref: Ref, spec: JsonObject, resolve: Resolve): Settings {
  const seconds = (field: string, fallback: number) => Number(spec[field] ?? fallback) * 1000
  return {
    ref,
    path: `${base.pathname.replace(/\/$/, '')}${String(spec.url_path ?? '')}`,
    contentType: typeof spec.content_type === 'string' && spec.content_type !== '' ? spec.content_type : null,
    expectsJson: spec.data_format === 'json',
    timeoutMs: seconds('timeout', 60),
    retries: {
      max: Number(spec.max_retries ?? 0),
      firstMs: seconds('retry_sleep_time', 2),
      factor: Number(spec.retry_backoff_multiplier ?? 2),
      totalMs: seconds('retry_backoff_threshold', 60),
    },
    credential: typeof spec.security === 'string' && spec.security !== '' ? senderOf(spec.security, resolve) : null,
  }
}

function senderOf(name: string, resolve: Resolve): CredentialSender {
  const view = resolve(refOf(kindName('security'), name))
  return isCredentialSender(view) ? view : { headers: () => ({}), closed: `there is no security "${name}"` }
}

async function send(instance: RestInstance, settings: Settings, request: RestRequest): Promise<RestResponse> {
  const { ref, credential, retries } = settings
  request.signal?.throwIfAborted()
  if (credential?.closed) throw new ConnectionError(ref, 'CLOSED', `its security is closed: ${credential.closed}`)
  const exchange = exchangeOf(settings, request)
  const isRepeatable = repeatable.has(exchange.method)
  for (let attempt = 0, waitedMs = 0; ; attempt++) {
    const outcome = await attemptOnce(instance, settings, exchange, request).catch((error: unknown) => asConnectionError(error, ref))
    const waitMs = isRepeatable && attempt < retries.max ? waitBefore(attempt, outcome, retries) : null
    if (waitMs === null || waitedMs + waitMs > retries.totalMs) {
      if (outcome instanceof Error) throw outcome
      return outcome
    }
    waitedMs += waitMs
    await instance.clock.sleep(waitMs, request.signal)
  }
}

/** Methods that may be sent twice (RFC 9110 §9.2.2). */
const repeatable = new Set<RestMethod>(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS'])

interface Exchange {
  readonly method: RestMethod
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | null
}

function exchangeOf({ path, contentType, credential }: Settings, request: RestRequest): Exchange {
  const { bytes, contentType: natural } = sentBody(request.body)
  const headers: Record<string, string> = {
    accept: 'application/json, */*;q=0.5',
    'accept-encoding': acceptedEncodings,
    'user-agent': 'plumb',
  }
  if (bytes !== null) headers['content-type'] = contentType ?? natural ?? 'application/octet-stream'
  for (const [name, value] of Object.entries(request.headers ?? {})) headers[name.toLowerCase()] = value
  Object.assign(headers, credential?.headers())
  return { method: request.method, path: requestTarget(path, request.path ?? '', request), headers, body: bytes }
}

async function attemptOnce(instance: RestInstance, settings: Settings, exchange: Exchange, request: RestRequest): Promise<RestResponse> {
  const { pool, base } = instance
  const { ref, expectsJson } = settings
  if (pool.stats.queued >= maxWaiting) throw new ConnectionError(ref, 'BUSY', `${maxWaiting} calls wait for it`)
  const timeoutMs = request.timeoutMs ?? settings.timeoutMs
  const deadline = AbortSignal.timeout(timeoutMs)
  const signal = request.signal ? AbortSignal.any([deadline, request.signal]) : deadline
  try {
    const response = await followed(instance, exchange, signal)
    instance.answeredAt = instance.clock.now()
    const headers = flatHeaders(response.headers)
    return { status: response.statusCode, headers, body: await readBody(response.body, headers, { maxBytes: maxBodyBytes, expectsJson }) }
  } catch (error) {
    if (request.signal?.aborted) throw request.signal.reason
    instance.answeredAt = Number.NEGATIVE_INFINITY
    if (deadline.aborted) throw new ConnectionError(ref, 'TIMEOUT', `no whole answer came within ${timeoutMs} ms: ${base.host}`, error)
    throw failureIn(error, ref, base.host)
  }
}

/** Follows redirects of GET and HEAD that stay on the host; any other answer is the caller's to judge. */
async function followed({ pool, base }: RestInstance, exchange: Exchange, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  let { path } = exchange
  for (let redirects = 0; ; redirects++) {
    const response = await pool.request({ ...exchange, path, signal })
    const { location } = response.headers
    const isRedirect = [301, 302, 303, 307, 308].includes(response.statusCode) && typeof location === 'string'
    if (!isRedirect || redirects >= maxRedirects || (exchange.method !== 'GET' && exchange.method !== 'HEAD')) return response
    const target = URL.parse(location, `${base.origin}${path}`)
    if (target?.origin !== base.origin) return response
    await response.body.dump()
    path = `${target.pathname}${target.search}`
  }
}

function flatHeaders(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  const flat: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) flat[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value
  return flat
}

function failureIn(error: unknown, ref: Ref, place: string): ConnectionError {
  if (error instanceof ConnectionError) return error
  if (error instanceof SyntaxError) return new ConnectionError(ref, 'ANSWER', `its answer is not the JSON it says it is: ${place}`)
  if (error instanceof RangeError || error instanceof TypeError)
    return new ConnectionError(ref, 'ANSWER', `${error.message}: ${place}`, error)
  const code = codeOf(error) ?? ''
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE')
    return new ConnectionError(ref, 'ANSWER', `its body is larger than ${maxBodyBytes} bytes: ${place}`)
  return new ConnectionError(ref, unsent.has(code) ? 'UNREACHABLE' : 'BROKEN', failureOf(error, place), error)
}

/** Codes of failures before anything was sent. */
const unsent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

/** The caller's own abort goes up as it is. */
function asConnectionError(error: unknown, ref: Ref): Error {
  if (error instanceof ConnectionError) return error
  return error instanceof Error ? error : new ConnectionError(ref, 'BROKEN', String(error))
}

/** Milliseconds until the next attempt; null where another makes no sense. */
function waitBefore(attempt: number, outcome: RestResponse | Error, { firstMs, factor }: Settings['retries']): number | null {
  const backoffMs = firstMs * factor ** attempt * (0.75 + 0.25 * Math.random())
  if (outcome instanceof Error) return outcome instanceof ConnectionError && outcome.retryable ? backoffMs : null
  if (outcome.status === 429 || outcome.status === 503) return Math.max(backoffMs, retryAfterMs(outcome.headers['retry-after']))
  return outcome.status === 502 || outcome.status === 504 ? backoffMs : null
}

/** 0 for what is not a sensible delay or date. */
function retryAfterMs(value: string | undefined): number {
  if (value === undefined) return 0
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isFinite(ms) && ms > 0 ? ms : 0
}
