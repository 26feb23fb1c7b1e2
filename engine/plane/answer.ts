// How answers are written: one head, one body, one write. Errors are RFC 9457 bodies that carry the correlation id.

import type { ServerResponse } from 'node:http'
import type { JsonObject } from '../../schema/json.ts'
import { STATUS_CODES } from '../node-http.ts'
import { resultJson } from '../service/errors.ts'
import { isJsonType } from './media.ts'

export interface Answer {
  readonly status: number
  readonly contentType: string | null
  readonly body: string | Uint8Array | null
  /** Names and values in turn; a value with a line break makes the write throw, so that no answer can be split. */
  readonly headers?: readonly string[]
}

/** Members that are given replace those made from the status. */
export function problemAnswer(
  status: number,
  detail: string | null,
  rest: { cid: string; members?: JsonObject; headers?: readonly string[] },
): Answer {
  const problem = {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    ...(detail === null ? {} : { detail }),
    ...rest.members,
    cid: rest.cid,
  }
  return { status, contentType: 'application/problem+json', body: JSON.stringify(problem), headers: rest.headers }
}

/**
 * What `service` returned as an answer: undefined is 204; null, numbers, objects are JSON; text goes out as it is where the channel's
 * content type is not JSON, and bytes always.
 * @throws TypeError for what JSON cannot hold (a cycle, a BigInt, a function)
 */
export function resultAnswer(result: unknown, contentType: string, service: string): Answer {
  if (result === undefined) return { status: 204, contentType: null, body: null }
  if (result instanceof Uint8Array) return { status: 200, contentType, body: result }
  if (typeof result === 'string' && !isJsonType(contentType)) return { status: 200, contentType, body: result }
  return { status: 200, contentType, body: resultJson(service, result) ?? null }
}

/**
 * Prepares the head; it leaves with the first bytes of the body. `isLast` closes the connection after the answer.
 * @returns whether the body is text of ASCII alone, which is written faster as latin1
 */
export function writeHead(response: ServerResponse, answer: Answer, cid: string, isLast: boolean): boolean {
  const { body, contentType, headers } = answer
  const bytes = body === null ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
  const head = ['X-Correlation-Id', cid]
  if (contentType !== null) head.push('Content-Type', contentType)
  if (body !== null) head.push('Content-Length', String(bytes))
  if (headers !== undefined) head.push(...headers)
  if (isLast) head.push('Connection', 'close')
  response.writeHead(answer.status, head)
  return bytes === body?.length
}

/** A whole answer for a socket whose request could not be parsed. */
export function rawAnswer(answer: Answer, cid: string): string {
  const body = typeof answer.body === 'string' ? answer.body : ''
  return [
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? 'Error'}`,
    `Content-Type: ${answer.contentType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Correlation-Id: ${cid}`,
    `Date: ${new Date().toUTCString()}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}
