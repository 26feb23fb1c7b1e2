// How a command reaches its server: by --server or PLUMB_SERVER (a URL, or unix:<path>), else by the socket of the working
// directory's .plumb/. What a server answers is data: it is size-capped and control characters never reach the terminal.

import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { Dispatcher } from 'undici'
import type { Issue } from '../schema/issue.ts'
import { isObject, type Json, type JsonObject } from '../schema/json.ts'
import { eventsIn, type StreamEvent } from './event-source.ts'
import { tlsReason } from './tls-reason.ts'

export interface ServerChoice {
  readonly server?: string
  readonly token?: string | undefined
  /** Aborted: the first call is given up. */
  readonly signal?: AbortSignal
  /** Of https: texts in PEM. Whom the machine trusts, and no certificate, where absent. */
  readonly tls?: ClientTls
}

export interface ClientTls {
  /** Who signs servers, in place of whom the machine trusts. */
  readonly ca?: string
  /** Shown to a server that asks. */
  readonly cert?: string
  readonly key?: string
}

/** The server refused: `status`, `code` and issues are its own. */
export class ServerRefusal extends Error {
  override readonly name = 'ServerRefusal'
  readonly status: number
  readonly code: string
  readonly issues: readonly Issue[]

  constructor(status: number, problem: JsonObject) {
    super(
      typeof problem.detail === 'string'
        ? problem.detail
        : typeof problem.title === 'string'
          ? problem.title
          : `The server answered ${status}`,
    )
    this.status = status
    this.code = typeof problem.code === 'string' ? problem.code : ''
    this.issues = Array.isArray(problem.issues) ? (problem.issues as unknown as Issue[]) : [] // as the admin API documents
  }
}

export class UnreachableError extends Error {
  override readonly name = 'UnreachableError'
}

export interface AdminClient extends AsyncDisposable {
  readonly environment: string
  /** The version of the server. */
  readonly version: string
  /** What its clock said when it was first asked, to the second, in milliseconds; null where it did not say. */
  readonly clockMs: number | null
  /** `signal` aborted: the call is given up, as one that reached nobody. */
  get(path: string, signal?: AbortSignal): Promise<JsonObject>
  post(path: string, body: JsonObject, signal?: AbortSignal): Promise<JsonObject>
  delete(path: string): Promise<JsonObject>
  /** What is at this path of the server, as text. */
  text(path: string): Promise<string>
  /** Server-Sent Events as they come, until the server ends them. @throws UnreachableError where it went away */
  stream(path: string): AsyncIterable<StreamEvent>
  /** What a WebSocket to that path is opened with. */
  webSocket(path: string): WebSocketWay
}

export interface WebSocketWay extends ClientTls {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** What a server is asked through before it is known which environment it serves. */
export interface Connection extends AsyncDisposable {
  /** The server, for messages. */
  readonly shown: string
  call(method: Dispatcher.HttpMethod, path: string, body?: JsonObject, signal?: AbortSignal): Promise<JsonObject>
  clockMs(): number | null
  /** What is at this path, as it comes. @throws ServerRefusal, UnreachableError where the server went away */
  open(path: string): AsyncIterable<Buffer>
  webSocket(path: string): WebSocketWay
}

const maxAnswerBytes = 256 * 1024 * 1024
const callTimeoutMs = 300_000

/** @throws UnreachableError with what was tried and what next */
export async function openClient(choice: ServerChoice): Promise<AdminClient> {
  const connection = await openConnection(choice)
  const { call } = connection
  const served = await call('GET', '/api/v1', undefined, choice.signal).catch(async error => {
    await connection[Symbol.asyncDispose]()
    throw error
  })
  const environment = String(served.environment ?? '')
  const under = (path: string) => `/api/v1/environments/${encodeURIComponent(environment)}/${path}`
  return {
    environment,
    version: String(served.version ?? ''),
    clockMs: connection.clockMs(),
    get: (path, signal) => call('GET', under(path), undefined, signal),
    post: (path, body, signal) => call('POST', under(path), body, signal),
    delete: path => call('DELETE', under(path)),
    text: path => readCapped(connection.open(path), connection.shown),
    stream: path => eventsIn(connection.open(under(path))),
    webSocket: path => connection.webSocket(under(path)),
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  }
}

/** @throws UnreachableError for a choice that names no server */
export async function openConnection(choice: ServerChoice): Promise<Connection> {
  const { origin, socketPath, shown } = locate(choice)
  const { token, tls } = choice
  // Loaded by the commands that ask a server, so that the others do not wait for it.
  const { Client } = await import('undici')
  const client = new Client(origin, {
    ...(socketPath ? { socketPath } : {}),
    ...(tls ? { connect: { ...tls } } : {}),
    headersTimeout: callTimeoutMs,
    bodyTimeout: callTimeoutMs,
  })
  let clockMs: number | null = null
  const send = async (
    method: Dispatcher.HttpMethod,
    path: string,
    body?: JsonObject,
    signal?: AbortSignal,
  ): Promise<Dispatcher.ResponseData> => {
    try {
      return await client.request({
        method,
        path,
        headers: {
          accept: 'application/json',
          ...(body ? { 'content-type': 'application/json' } : {}),
          ...(token ? { authorization: `Bearer ${token}` } : {}),
        },
        ...(body ? { body: JSON.stringify(body) } : {}),
        ...(signal ? { signal } : {}),
      })
    } catch (error) {
      throw new UnreachableError(`Cannot reach the server at ${shown} as ${reasonOf(error, origin, tls)}`, { cause: error })
    }
  }
  const call = async (method: Dispatcher.HttpMethod, path: string, body?: JsonObject, signal?: AbortSignal): Promise<JsonObject> => {
    const answer = await send(method, path, body, signal)
    clockMs ??= Date.parse(String(answer.headers.date)) || null
    const parsed = parse(await readCapped(answer.body, shown))
    if (answer.statusCode >= 400) throw new ServerRefusal(answer.statusCode, parsed)
    return parsed
  }
  return {
    shown,
    call,
    async *open(path) {
      const { statusCode, body } = await send('GET', path)
      if (statusCode >= 400) throw new ServerRefusal(statusCode, parse(await readCapped(body, shown)))
      try {
        yield* body
      } catch (error) {
        throw new UnreachableError(`Cannot read on from the server at ${shown} as ${reasonOf(error, origin, tls)}`, { cause: error })
      }
    },
    clockMs: () => clockMs,
    webSocket: path => ({
      url: socketPath ? `ws+unix:${socketPath}:${path}` : `${origin.replace(/^http/, 'ws')}${path}`,
      headers: { ...(token ? { authorization: `Bearer ${token}` } : {}) },
      ...tls,
    }),
    [Symbol.asyncDispose]: () => client.destroy(),
  }
}

function locate({ server = process.env.PLUMB_SERVER }: ServerChoice): { origin: string; socketPath: string | undefined; shown: string } {
  if (server?.startsWith('unix:')) {
    const path = resolve(server.slice('unix:'.length))
    return overSocket(basename(path) === 'admin.sock' ? socketIn(dirname(path)) : path)
  }
  if (server) {
    if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol))
      throw new UnreachableError(
        `Cannot use ${JSON.stringify(server)} as a server: a URL such as http://127.0.0.1:8183, or unix:PATH, is accepted`,
      )
    return { origin: new URL(server).origin, socketPath: undefined, shown: new URL(server).origin }
  }
  return overSocket(socketIn(resolve('.plumb')))
}

/** The socket of a data directory; `admin.addr` names it where its own path would be too long. */
export function socketIn(dataDirectory: string): string {
  const address = join(dataDirectory, 'admin.addr')
  return existsSync(address) ? readFileSync(address, 'utf8').trim() : join(dataDirectory, 'admin.sock')
}

function overSocket(socketPath: string) {
  return { origin: 'http://localhost', socketPath, shown: `unix:${socketPath}` }
}

async function readCapped(body: AsyncIterable<Buffer>, shown: string): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of body) {
      bytes += chunk.length
      if (bytes > maxAnswerBytes) throw new UnreachableError(`Cannot read the answer as it is larger than ${maxAnswerBytes} bytes`)
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof UnreachableError) throw error
    throw new UnreachableError(
      `Cannot read the answer of the server at ${shown} as it broke off: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    )
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parse(text: string): JsonObject {
  try {
    const value = JSON.parse(text) as Json
    return isObject(value) ? value : {}
  } catch {
    throw new UnreachableError('Cannot read the answer as it is not JSON: is another program listening there?')
  }
}

function reasonOf(error: unknown, origin: string, tls: ClientTls | undefined): string {
  const code = (error as { code?: string }).code
  const message = error instanceof Error ? error.message : String(error)
  const ofTls = tlsReason(code, message)
  if (ofTls !== null) return ofTls
  const next = 'start one with plumb dev or plumb serve, or name it by --server or PLUMB_SERVER'
  if (code === 'ENOENT') return `no server runs with that socket; ${next}`
  if (code === 'ECONNREFUSED') return `the connection was refused; ${next}`
  if (code === 'UND_ERR_SOCKET') return `the connection was closed (${message}); ${closedNext(origin, tls)}`
  return `${message}; ${next}`
}

/** A listener of TLS closes what is plain without a word, and Node's so whose certificate it does not take. */
function closedNext(origin: string, tls: ClientTls | undefined): string {
  if (!origin.startsWith('https:')) return 'where the server speaks TLS, name it with https://'
  if (tls?.cert === undefined) return 'where the server wants a certificate of yours, show one by --cert-file and --key-file'
  return 'where the server asks for certificates, one that its clientCa signed and that is valid now is accepted'
}
