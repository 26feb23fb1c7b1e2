// What `import … from 'plumb-server'` gives to service code. Its types are written into estates as one declaration file,
// so it imports nothing of ours, and it does nothing when it is loaded.
//
// `environment.d.ts`, written by `plumb types`, narrows names by augmenting three interfaces:
//   declare module 'plumb-server' {
//     interface Connections { sql: 'Billing' | 'Ledger'; rest: 'CRM' }
//     interface Services { 'client.get': { input: GetClientRequest; output: GetClientResponse } }
//   }

import type { Redis } from 'ioredis'
import type { Pool } from 'pg'

/** Names of the declared connections by client method. Empty: any name. */
// biome-ignore lint/suspicious/noEmptyInterface: it is there to be augmented
export interface Connections {}

/** Input and output of the services by name. Empty: any name, any payload. */
// biome-ignore lint/suspicious/noEmptyInterface: it is there to be augmented
export interface Services {}

/** What each client method of `ctx` returns. An estate's own kinds add theirs. */
export interface Clients {
  rest: RestClient
  /** The pg pool itself; ending it is the server's business. */
  sql: Pool
  /** The ioredis client itself; closing it is the server's business. */
  redis: Redis
}

export type ConnectionName<Method extends string> = keyof Connections extends never
  ? string
  : Method extends keyof Connections
    ? Connections[Method]
    : never

export type ServiceName = keyof Services extends never ? string : keyof Services & string
export type ServiceInput<Name extends string> = Name extends keyof Services
  ? Services[Name] extends { input: infer Input }
    ? Input
    : unknown
  : unknown
export type ServiceOutput<Name extends string> = Name extends keyof Services
  ? Services[Name] extends { output: infer Output }
    ? Output
    : unknown
  : unknown

export type ClientMethods = { readonly [Method in keyof Clients]: (name: ConnectionName<Method>) => Clients[Method] }

/** What a service is given beside its request. Made anew for every call; valid until the call has ended. */
export interface Context extends ClientMethods {
  /** Correlation id: the same in every service, log line and answer of one unit of work. */
  readonly cid: string
  /** Aborted at the deadline, or when the caller went away. Hand it to whatever takes one. */
  readonly signal: AbortSignal
  readonly log: ServiceLog
  /** What is known of the HTTP request that started the unit of work; null where none did. */
  readonly request: RequestFacts | null
  /** How this call was delivered, where it is work that nobody waits for; null for any other call. */
  readonly delivery: Delivery | null
  /** Calls another service in the same generation, with the same cid and deadline. Rejects with what it threw. */
  invoke<Name extends ServiceName>(name: Name, payload: ServiceInput<Name>): Promise<ServiceOutput<Name>>
  /**
   * Has another service called later, by whatever generation is live then, with the same cid. Resolves once the call is on disk: it is then
   * made at least once, however often processes die, until it succeeds or its attempts are used up, when it becomes a dead letter.
   * Rejects where the service is not there or the payload does not fit or is larger than 1 MB of JSON, and with ServiceUnavailable
   * (`extensions.code` CONTROL_AWAY, QUEUE_FULL or QUEUE_FAILED) where it cannot be accepted.
   * What is thrown in it counts as a failed attempt; BadRequest, and a payload that does not fit any more, make a dead letter at once.
   */
  invokeAsync<Name extends ServiceName>(name: Name, payload: ServiceInput<Name>, options?: AsyncOptions): Promise<Accepted>
  readonly schedule: Schedule
}

export interface Schedule {
  /** As `invokeAsync`, at a time or after one; a time that has passed is now. */
  once<Name extends ServiceName>(name: Name, payload: ServiceInput<Name>, when: When): Promise<Accepted>
}

export interface AsyncOptions {
  /** How often it is tried, 1 to 100; after a failure it waits 1 s, then twice as long each time, up to 5 min. Default 5. */
  readonly attempts?: number
  /** Longest time one attempt may take, up to 24 h; the service's own deadline where that is sooner. Default `60s`. */
  readonly deadline?: Duration
  /** Time before the first attempt. Default none. */
  readonly delay?: Duration
}

/** `at` is a Date or an ISO time. */
export type When = ({ readonly at: Date | string; readonly after?: undefined } | { readonly after: Duration; readonly at?: undefined }) &
  Pick<AsyncOptions, 'attempts' | 'deadline'>

/** The call is on disk. `id` is `ctx.delivery.id` of each of its deliveries. */
export interface Accepted {
  readonly id: string
}

/** Fields and a sentence, or the sentence alone. Never throws. */
export interface ServiceLog {
  debug(fields: object, message?: string): void
  debug(message: string): void
  info(fields: object, message?: string): void
  info(message: string): void
  warn(fields: object, message?: string): void
  warn(message: string): void
  error(fields: object, message?: string): void
  error(message: string): void
}

/**
 * One delivery of an asynchronous call or a job run. Delivery is at least once: `id` stays the same in all deliveries of the same work,
 * so it can serve as an idempotency key, and `redelivered` says that an earlier one may have begun.
 */
export interface Delivery {
  readonly kind: 'async' | 'job'
  readonly id: string
  /** 1 for the first. */
  readonly attempt: number
  /** Whether an earlier delivery of it may have begun, wholly or in part. */
  readonly redelivered: boolean
  /** Name of the job; null for an asynchronous call. */
  readonly job: string | null
  /** ISO time the job was due at; null for an asynchronous call. */
  readonly nominalAt: string | null
}

/** Who calls, as the credential that matched says. */
export interface Caller {
  /** Name of the security definition. */
  readonly security: string
  readonly username: string | null
}

/** What a service may know of the HTTP request that started the unit. */
export interface RequestFacts {
  readonly method: string
  readonly path: string
  /** Names in lower case; a repeated header is joined by ", ". */
  readonly headers: Readonly<Record<string, string>>
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string | readonly string[]>>
  readonly caller: Caller | null
  readonly remoteAddress: string
}

export type RestMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

export interface RestOptions {
  /** Values of `{name}` segments of the connection's path. */
  readonly params?: Readonly<Record<string, string | number>>
  readonly query?: Readonly<Record<string, string | number | boolean | readonly (string | number | boolean)[] | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  /** Milliseconds for the whole exchange; the connection's own timeout where absent. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface RestRequest extends RestOptions {
  readonly method: RestMethod
  /** Appended to the connection's path; empty where absent. */
  readonly path?: string
  /** An object or array is sent as JSON; text and bytes as they are. */
  readonly body?: unknown
}

export interface RestResponse<Body = unknown> {
  readonly status: number
  /** Names in lower case; a repeated header is joined by ", ". */
  readonly headers: Readonly<Record<string, string>>
  /** Parsed where the answer is JSON, else text; null where it is empty. */
  readonly body: Body
}

/** An outgoing REST connection. An answer of any status resolves; only a failed exchange rejects. */
export interface RestClient {
  get<Body = unknown>(path?: string, options?: RestOptions): Promise<RestResponse<Body>>
  post<Body = unknown>(path: string, body?: unknown, options?: RestOptions): Promise<RestResponse<Body>>
  put<Body = unknown>(path: string, body?: unknown, options?: RestOptions): Promise<RestResponse<Body>>
  patch<Body = unknown>(path: string, body?: unknown, options?: RestOptions): Promise<RestResponse<Body>>
  delete<Body = unknown>(path?: string, options?: RestOptions): Promise<RestResponse<Body>>
  request<Body = unknown>(request: RestRequest): Promise<RestResponse<Body>>
}

/** `500ms`, `5s`, `2m`, `1h`. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h'}`

export interface ServiceDefinition<Request, Response> {
  /** A literal, unique in the estate, such as `client.get`. */
  readonly name: string
  readonly description?: string
  /** JSON Schema of the request; derived from the type `Request` where absent. */
  readonly input?: Readonly<Record<string, unknown>>
  /** JSON Schema of the response; derived from the type `Response` where absent. */
  readonly output?: Readonly<Record<string, unknown>>
  /** Longest time one call may take; the caller's own deadline where that is sooner. */
  readonly deadline?: Duration
  handle(request: Request, ctx: Context): Response | Promise<Response>
}

export interface Service<Request = unknown, Response = unknown> extends ServiceDefinition<Request, Response> {
  /** `deadline` in milliseconds; null where none is declared. */
  readonly deadlineMs: number | null
}

const serviceMark = Symbol.for('plumb-server/service')

/** Declares a service. Export what it returns; the server finds it by its literal name. */
export function service<Request = unknown, Response = unknown>(
  definition: ServiceDefinition<Request, Response>,
): Service<Request, Response> {
  const { name, deadline, handle } = definition
  if (typeof name !== 'string' || name === '')
    throw new TypeError('Cannot declare a service as it has no name: give `name` a literal string')
  if (typeof handle !== 'function') throw new TypeError(`Cannot declare service "${name}" as it has no \`handle\` function`)
  const deadlineMs = deadline === undefined ? null : durationMs(deadline)
  if (deadlineMs !== null && !(deadlineMs > 0))
    throw new TypeError(
      `Cannot declare service "${name}" as its deadline is "${deadline}": give a positive duration such as "500ms" or "5s"`,
    )
  return Object.freeze({ ...definition, deadlineMs, [serviceMark]: true })
}

/** Whether `value` was made by `service()`. */
export function isService(value: unknown): value is Service {
  return typeof value === 'object' && value !== null && serviceMark in value
}

/** Milliseconds; NaN where it is no duration. */
export function durationMs(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  if (amount === undefined) return Number.NaN
  return Number(amount) * (unit === 'ms' ? 1 : unit === 's' ? 1_000 : unit === 'm' ? 60_000 : 3_600_000)
}

export interface ServiceErrorOptions {
  /** Members added to the problem document (RFC 9457 §3.2). */
  readonly extensions?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

export interface RetryOptions extends ServiceErrorOptions {
  /** Seconds until a new try makes sense: the Retry-After header. */
  readonly retryAfter?: number
}

/** An error that the caller is told about: its status and detail become the answer. */
export class ServiceError extends Error {
  readonly status: number
  readonly detail: string
  readonly extensions: Readonly<Record<string, unknown>> | undefined
  readonly retryAfter: number | undefined

  constructor(status: number, detail: string, options: RetryOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.status = status
    this.detail = detail
    this.extensions = options.extensions
    this.retryAfter = options.retryAfter
  }
}

export class BadRequest extends ServiceError {
  constructor(detail = 'The request cannot be understood', options?: ServiceErrorOptions) {
    super(400, detail, options)
  }
}

export class Unauthorized extends ServiceError {
  constructor(detail = 'Credentials are missing or wrong', options?: ServiceErrorOptions) {
    super(401, detail, options)
  }
}

export class Forbidden extends ServiceError {
  constructor(detail = 'The caller may not do this', options?: ServiceErrorOptions) {
    super(403, detail, options)
  }
}

export class NotFound extends ServiceError {
  constructor(detail = 'There is no such thing', options?: ServiceErrorOptions) {
    super(404, detail, options)
  }
}

export class Conflict extends ServiceError {
  constructor(detail = 'The request conflicts with the current state', options?: ServiceErrorOptions) {
    super(409, detail, options)
  }
}

export class TooManyRequests extends ServiceError {
  constructor(detail = 'Too many requests', options?: RetryOptions) {
    super(429, detail, options)
  }
}

export class ServiceUnavailable extends ServiceError {
  constructor(detail = 'The service is unavailable', options?: RetryOptions) {
    super(503, detail, options)
  }
}
