// What a caller is told when a service fails, whichever way the call came: an RFC 9457 problem document. What the service
// did not throw on purpose stays in the log; its message may hold anything.

import { ConnectionError, type ConnectionFailure } from '../../adapters/connection-error.ts'
import { isObject, type Json, type JsonObject } from '../../schema/json.ts'
import { DeadlineError } from '../generation/deadline.ts'
import { STATUS_CODES } from '../node-http.ts'
import { connectionFailureOf } from './connection-failure.ts'
import { described } from './described.ts'
import { ServiceError } from './sdk.ts'

export interface ProblemAnswer {
  readonly status: number
  /** RFC 9457 members without `cid`, which the caller adds. */
  readonly problem: JsonObject
  /** True where nothing says what the error means, so that it counts as a fault of the service. */
  readonly unmapped: boolean
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

/** Never throws, whatever was thrown. */
export function problemOf(error: unknown): ProblemAnswer {
  if (error instanceof ServiceError) return answerOf(error)
  if (isDeadline(error)) return { ...mapped(504, 'The call did not end in time'), unmapped: false }
  if (error instanceof ConnectionError)
    return { ...mapped(statusOf[error.code], `The call over "${error.ref}" failed (${error.code})`), unmapped: false }
  const failure = connectionFailureOf(error)
  if (failure !== null) return { ...mapped(503, `A system behind the service cannot be reached (${failure})`), unmapped: false }
  return { ...mapped(500, 'The service failed; the log has the reason under this cid'), unmapped: true }
}

/** Of a connection's failure; 502 to 504 say that the service is not at fault. */
const statusOf = {
  TIMEOUT: 504,
  UNREACHABLE: 503,
  BROKEN: 503,
  ANSWER: 502,
  BUSY: 503,
  CLOSED: 503,
} satisfies Record<ConnectionFailure, number>

/** A call of one service by another that cannot be made: the calling service's own fault. */
export class InvokeError extends Error {
  readonly code: 'INVALID_PAYLOAD' | 'INVOKE_DEPTH' | 'NO_CONNECTION' | 'NO_SERVICE'

  constructor(code: InvokeError['code'], message: string) {
    super(message)
    this.name = 'InvokeError'
    this.code = code
  }
}

/**
 * A service's result as JSON text; undefined where it returned nothing.
 * @throws TypeError naming the service and what it returned where that is no JSON: a function, or what holds a BigInt, a cycle, or
 * something that refuses
 */
export function resultJson(service: string, result: unknown): string | undefined {
  let json: string | undefined
  try {
    json = JSON.stringify(result)
  } catch (error) {
    throw noJson(service, { result, cause: error, reason: error instanceof Error ? error.message : described(error) })
  }
  if (json === undefined && result !== undefined) throw noJson(service, { result, reason: 'it has no form there' })
  return json
}

function noJson(service: string, { result, reason, cause }: { result: unknown; reason: string; cause?: unknown }): TypeError {
  // V8 draws a cycle over several lines.
  const why = reason.replace(/\s*\n[\s|]*/g, ' ')
  return new TypeError(
    `Cannot answer with the result of service "${service}" as it cannot be written as JSON: it returned ${described(result)}, and ${why}`,
    cause === undefined ? {} : { cause },
  )
}

function answerOf(error: ServiceError): ProblemAnswer {
  const status = isErrorStatus(error.status) ? error.status : 500
  const { problem } = mapped(status, error.detail)
  const headers: Record<string, string> =
    error.retryAfter !== undefined && error.retryAfter >= 0 ? { 'retry-after': String(Math.ceil(error.retryAfter)) } : {}
  return { status, problem: { ...extensionsOf(error), ...problem }, unmapped: status !== error.status, headers }
}

function isErrorStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 400 && status <= 599
}

/** The extension members as JSON; none where they cannot be written as such. */
function extensionsOf(error: ServiceError): JsonObject {
  if (error.extensions === undefined) return {}
  try {
    const json: Json = JSON.parse(JSON.stringify(error.extensions))
    return isObject(json) ? json : {}
  } catch {
    // The status and detail are the answer; an extension that is no JSON has no form to be sent in.
    return {}
  }
}

function mapped(status: number, detail: string): Omit<ProblemAnswer, 'unmapped'> {
  return { status, problem: { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail }, headers: {} }
}

/** Also an AbortError that a client library made of a signal aborted with one. */
function isDeadline(error: unknown): boolean {
  return error instanceof DeadlineError || (error instanceof Error && error.name === 'AbortError' && error.cause instanceof DeadlineError)
}
