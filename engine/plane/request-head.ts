// What the plane reads of a request's head, in one pass over the raw headers, and what Node's parser lets through but nobody should:
// two Host headers, a transfer coding besides chunked, HTTP/0.9, more headers than an application would be shown.

import type { IncomingMessage } from 'node:http'
import type { Limits } from './limits.ts'

export class RequestHead {
  host: string | null = null
  contentType: string | null = null
  contentEncoding: string | null = null
  /** Of the body; -1 where it is not announced. */
  contentLength = -1
  isChunked = false
  hasAuthorization = false
  expects: string | null = null
  correlationId: string | null = null
  problem: { readonly status: number; readonly detail: string } | null = null

  get hasBody(): boolean {
    return this.isChunked || this.contentLength > 0
  }
}

/** Never throws; `problem` says why the request must be refused, the rest is what was read until then. */
export function readHead(request: IncomingMessage, limits: Limits): RequestHead {
  const head = new RequestHead()
  const raw = request.rawHeaders
  let bytes = 0
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? ''
    const value = raw[at + 1] ?? ''
    bytes += name.length + value.length
    // The lengths of the names that matter, so that the others are not even lowered.
    switch (name.length) {
      case 4:
      case 6:
      case 12:
      case 13:
      case 14:
      case 16:
      case 17:
        take(head, name.toLowerCase(), value)
    }
  }
  const isOld = request.httpVersionMajor !== 1
  if (isOld || (request.httpVersionMinor !== 1 && request.httpVersionMinor !== 0))
    refuse(head, 400, 'the protocol is not HTTP/1.1 or HTTP/1.0')
  else if (raw.length > 2 * limits.maxHeaders) refuse(head, 431, `there are more than ${limits.maxHeaders} headers`)
  else if (bytes > limits.maxHeaderBytes) refuse(head, 431, `the headers are larger than ${limits.maxHeaderBytes} bytes`)
  else if ((request.url ?? '').length > limits.maxUrlBytes) refuse(head, 414, `the target is longer than ${limits.maxUrlBytes} bytes`)
  else if (head.host === null) {
    if (request.httpVersionMinor === 1) refuse(head, 400, 'there is no Host header')
  } else if (!hostGrammar.test(head.host)) refuse(head, 400, 'the Host header is not a host with an optional port')
  if (head.isChunked && request.httpVersionMinor === 0) refuse(head, 400, 'HTTP/1.0 has no transfer codings')
  return head
}

const hostGrammar = /^(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/

function take(head: RequestHead, name: string, value: string): void {
  switch (name) {
    case 'host':
      if (head.host !== null) refuse(head, 400, 'there is more than one Host header')
      head.host = value
      break
    case 'content-type':
      if (head.contentType !== null) refuse(head, 400, 'there is more than one Content-Type header')
      head.contentType = value
      break
    case 'authorization':
      if (head.hasAuthorization) refuse(head, 400, 'there is more than one Authorization header')
      head.hasAuthorization = true
      break
    case 'content-length':
      head.contentLength = Number(value)
      break
    case 'content-encoding':
      head.contentEncoding = value
      break
    case 'x-correlation-id':
      head.correlationId ??= value
      break
    case 'transfer-encoding':
      if (head.isChunked || value.toLowerCase() !== 'chunked') refuse(head, 400, 'the only transfer coding is chunked')
      head.isChunked = true
      break
    case 'expect':
      head.expects = value
      break
  }
}

/** The first reason wins. */
function refuse(head: RequestHead, status: number, detail: string): void {
  head.problem ??= { status, detail }
}
