// What a service may ask about the HTTP request behind a unit of work. Most never do, so each fact is made when it is asked for.

import type { IncomingMessage } from 'node:http'
import type { Caller, RequestFacts } from '../service/unit.ts'
import type { ClientAddresses } from './client-address.ts'
import type { Query } from './query.ts'

export class HttpRequestFacts implements RequestFacts {
  readonly path: string
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
  readonly caller: Caller | null
  readonly #request: IncomingMessage
  readonly #clients: ClientAddresses
  #headers: Readonly<Record<string, string>> | null = null

  constructor(request: IncomingMessage, clients: ClientAddresses, read: Pick<RequestFacts, 'path' | 'params' | 'query' | 'caller'>) {
    this.#request = request
    this.#clients = clients
    this.path = read.path
    this.params = read.params
    this.query = read.query
    this.caller = read.caller
  }

  get method(): string {
    return this.#request.method ?? ''
  }

  get remoteAddress(): string {
    return this.#clients.of(this.#request)
  }

  get headers(): Readonly<Record<string, string>> {
    this.#headers ??= joinedHeaders(this.#request.rawHeaders)
    return this.#headers
  }
}

function joinedHeaders(raw: readonly string[]): Record<string, string> {
  // Without a prototype, so that no header name finds what was not sent.
  const headers: Record<string, string> = Object.create(null)
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase()
    const value = raw[at + 1] ?? ''
    const before = headers[name]
    headers[name] = before === undefined ? value : `${before}, ${value}`
  }
  return headers
}
