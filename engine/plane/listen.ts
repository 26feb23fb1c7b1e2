// The data plane of one worker: an HTTP server whose every answer comes from the generation that is live when the request begins.
// The server outlives all generations; a swap never touches it.

import assert from 'node:assert/strict'
import type { Server, ServerOptions, ServerResponse } from 'node:http'
import type { Server as SecureServer } from 'node:https'
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net'
import type { Log } from '../../adapters/port.ts'
import type { JsonObject } from '../../schema/json.ts'
import type { CatchUp } from '../debug/catch-up.ts'
import type { Pauses } from '../debug/pauses.ts'
import type { Generation } from '../generation/generation.ts'
import type { Access } from '../log/access.ts'
import { createServer } from '../node-http.ts'
import { type ErrorFields, errorFields } from '../service/service-log.ts'
import { SourceMaps } from '../service/source-map.ts'
import { createSecureServer, isReadable, type Served, serveAs, type TlsManners } from '../tls/secure-server.ts'
import { problemAnswer, rawAnswer } from './answer.ts'
import { ChannelRequest } from './channel-request.ts'
import { type ClientAddresses, createClientAddresses } from './client-address.ts'
import { Connections } from './connections.ts'
import { createCorrelationIds } from './correlation.ts'
import { Counters } from './counters.ts'
import { Deadlines } from './deadlines.ts'
import { type Surrounding, serveRequest } from './exchange.ts'
import { holdRequest } from './held-request.ts'
import { defaultLimits, type Limits } from './limits.ts'
import { livenessPath, readinessPath } from './pattern.ts'

export interface PlaneOptions {
  /** The generation a request that starts at this instant runs on; null while none is live. */
  select(): Generation | null
  readonly log: Log
  readonly limits?: Partial<Limits>
  /** Null or absent: plain HTTP. */
  readonly tls?: TlsManners | null
  /** Default: whoever holds the connection is the client. */
  readonly clients?: ClientAddresses
  /** How many resources do not work as declared, for `/readyz`; 0 where absent. */
  degraded?(): number
  /** Whether a 502, 503 or 504 tells of a far end that no change touched, so that probation must not count it; never where absent. */
  isExcused?(error: unknown, generation: Generation): boolean
  /** An error as the log has it, in places of the authors' files; where absent, in those of the code that runs. */
  errorFields?(error: unknown): ErrorFields
  /** Told of each request that was answered, or left by its caller; those that the server answers by itself are none. */
  onAnswered?(access: Access): void
  /** What a request waits for before it begins; null, or absent: nothing. */
  ready?: CatchUp
  /** Of debuggers, which may hold the process: no deadline counts that time. */
  readonly pauses?: Pick<Pauses, 'totalMs' | 'isFresh'>
}

export type Place = { readonly fd: number } | { readonly port: number; readonly host: string }

export interface Plane {
  readonly counters: Counters
  /** Begins to accept; the port is the one that was bound (0 for a descriptor that is no TCP socket). May be called once. */
  listen(place: Place): Promise<{ readonly port: number }>
  /** What the next handshake gets; needed before `listen` where there is TLS. */
  serveAs(served: Served): void
  /**
   * Stops accepting at once, lets the requests that are open finish, and closes each connection after its answer. What is open after
   * `graceMs` is cut off.
   * @returns how many connections were cut off
   */
  close(grace: { readonly graceMs: number }): Promise<{ readonly abandoned: number }>
}

export function createPlane(options: PlaneOptions): Plane {
  return new HttpPlane(options)
}

/** Idle connections are left open so long after closing began: a request may be on its way, and the answer to it says `close`. */
const idleGraceMs = 250

class HttpPlane implements Plane {
  readonly counters = new Counters()
  readonly #limits: Limits
  readonly #log: Log
  readonly #deadlines: Deadlines
  readonly #ready: CatchUp
  readonly #pauses: PlaneOptions['pauses']
  readonly #connections: Connections
  readonly #server: Server<typeof ChannelRequest>
  readonly #secure: SecureServer<typeof ChannelRequest> | null
  readonly #manners: TlsManners | null
  #hasCertificate = false
  readonly #surrounding: Surrounding
  readonly #sockets = new Set<Socket>()
  #isClosing = false
  #warnedAt = Number.NEGATIVE_INFINITY

  constructor(options: PlaneOptions) {
    this.#limits = { ...defaultLimits, ...options.limits }
    this.#log = options.log
    this.#ready = options.ready ?? (() => null)
    const { pauses } = options
    this.#pauses = pauses
    this.#deadlines = new Deadlines(pauses && (() => pauses.totalMs))
    const clients = options.clients ?? createClientAddresses([])
    this.#connections = new Connections(this.#limits.maxConnectionsPerAddress, clients.isProxy)
    this.#surrounding = {
      limits: this.#limits,
      log: options.log,
      deadlines: this.#deadlines,
      counters: this.counters,
      clients,
      gate: {
        select: () => options.select(),
        builtIn: path => (path === livenessPath ? alive : path === readinessPath ? this.#readiness(options) : null),
        maxQueryParameters: this.#limits.maxQueryParameters,
      },
      nextCorrelationId: createCorrelationIds(),
      isClosing: () => this.#isClosing,
      isExcused: (error, generation) => options.isExcused?.(error, generation) ?? false,
      errorFields: error => options.errorFields?.(error) ?? errorFields(error, new SourceMaps()),
      onAnswered: options.onAnswered?.bind(options) ?? null,
    }
    this.#manners = options.tls ?? null
    this.#secure =
      this.#manners && createSecureServer(this.#manners, { ...httpOptions(this.#limits), handshakeTimeout: this.#limits.handshakeMs })
    this.#server = this.#secure ?? createServer(httpOptions(this.#limits))
    this.#prepare()
  }

  serveAs(served: Served): void {
    if (this.#secure === null || this.#manners === null) return
    serveAs(this.#secure, this.#manners, served)
    this.#hasCertificate = true
  }

  async listen(place: Place): Promise<{ readonly port: number }> {
    assert(this.#secure === null || this.#hasCertificate, 'TLS is not served without a certificate')
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#server.once('error', reject)
    this.#server.listen({ ...place, backlog: 4_096 }, resolve)
    await promise
    this.#server.off('error', reject)
    this.#server.on('error', error => this.#log.error({ err: error }, 'The listener failed'))
    const address: AddressInfo | string | null = this.#server.address()
    return { port: typeof address === 'object' && address !== null ? address.port : 0 }
  }

  async close({ graceMs }: { readonly graceMs: number }): Promise<{ readonly abandoned: number }> {
    this.#isClosing = true
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    // Not the HTTP server's own close: that drops idle connections at once, and a request that is on its way with them.
    NetServer.prototype.close.call(this.#server, () => resolve())
    let abandoned = 0
    const idle = setTimeout(() => this.#server.closeIdleConnections(), Math.min(idleGraceMs, graceMs))
    const cut = setTimeout(() => {
      abandoned = this.#sockets.size
      this.#server.closeAllConnections()
      // Those in a handshake as well.
      for (const socket of this.#sockets) socket.destroy()
    }, graceMs)
    await closed
    clearTimeout(idle)
    clearTimeout(cut)
    // Ends the server's own timer; that it is closed already is what we want.
    this.#server.close(() => undefined)
    this.#deadlines.close()
    return { abandoned }
  }

  #prepare(): void {
    const limits = this.#limits
    const server = this.#server
    // Zero shows all of them, so that too many are refused instead of cut; the size limit bounds them.
    server.maxHeadersCount = 0
    server.timeout = 0
    server.maxConnections = limits.maxConnections
    const begin = (request: ChannelRequest, response: ServerResponse, awaitsContinue: boolean) =>
      serveRequest(this.#surrounding, { request, response, open: this.#connections.openOn(request.socket), awaitsContinue })
    const serve = (request: ChannelRequest, response: ServerResponse, awaitsContinue: boolean) => {
      const ready = this.#ready()
      if (ready === null) begin(request, response, awaitsContinue)
      else holdRequest(request, ready, limits.maxBodyBytes, () => begin(request, response, awaitsContinue))
    }
    server.on('request', (request, response) => serve(request, response, false))
    server.on('checkContinue', (request, response) => serve(request, response, true))
    server.on('checkExpectation', (request, response) => serve(request, response, false))
    server.on('connection', socket => {
      if (!this.#connections.admit(socket))
        return this.#warn({ address: socket.remoteAddress }, 'Refused a connection: too many from one address')
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
      if (this.#secure === null) this.#connections.watch(socket)
    })
    // A process that a debugger held finds every time over, and what was sent to it meanwhile still unread.
    const wasHeld = () => this.#pauses?.isFresh(limits.checkMs + heldGraceMs) ?? false
    server.on('timeout', socket => {
      if (wasHeld()) socket.setTimeout(limits.idleMs)
      else socket.destroy()
    })
    this.#secure?.prependListener('secureConnection', socket => this.#connections.watch(socket))
    server.on('drop', () => this.#warn({ limit: limits.maxConnections }, 'Refused a connection: too many are open'))
    server.on('clientError', (error: Error & { code?: string; rawPacket?: Buffer }, socket) => {
      if (socket.destroyed || !socket.writable || error.code === 'ECONNRESET') socket.destroy()
      else if (this.#secure !== null && !isReadable(error)) socket.destroy()
      else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && wasHeld()) return
      else if (isSocket(socket)) this.#answerUnread(error, socket)
    })
  }

  /** Answers what could not be parsed, unless an earlier request of the connection is still to be answered: then that ends it. */
  #answerUnread(error: Error & { code?: string; rawPacket?: Buffer }, socket: Socket): void {
    const [status, detail] = refusalOf(error, this.#limits.maxUrlBytes)
    const waiting = [...this.#connections.openOn(socket)].map(request => request.endsWithAnswer(status))
    if (waiting.includes(true)) return
    const cid = this.#surrounding.nextCorrelationId()
    socket.end(rawAnswer(problemAnswer(status, `Cannot read the request as ${detail}`, { cid }), cid))
    setTimeout(() => socket.destroy(), lingerMs).unref()
  }

  #readiness({ select, degraded }: PlaneOptions): { readonly status: number; readonly body: JsonObject } {
    const generation = select()
    if (generation === null) return { status: 503, body: { status: 'starting', generation: null, degraded: 0 } }
    const count = degraded?.() ?? 0
    if (this.#isClosing) return { status: 503, body: { status: 'stopping', generation: generation.number, degraded: count } }
    return { status: 200, body: { status: count === 0 ? 'ready' : 'degraded', generation: generation.number, degraded: count } }
  }

  /** At most one line in ten seconds: whoever opens too many connections must not fill the log as well. */
  #warn(fields: Record<string, unknown>, message: string): void {
    const now = performance.now()
    if (now - this.#warnedAt < 10_000) return
    this.#warnedAt = now
    this.#log.warn(fields, message)
  }
}

function httpOptions(limits: Limits): ServerOptions<typeof ChannelRequest> {
  return {
    IncomingMessage: ChannelRequest,
    // Node counts the target with the headers; a target that is too long gets an answer of its own.
    maxHeaderSize: limits.maxHeaderBytes + limits.maxUrlBytes + 1_024,
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: limits.checkMs,
    // Its own answer has no body; the head is checked by readHead.
    requireHostHeader: false,
    keepAlive: true,
  }
}

const alive = { status: 200, body: { status: 'alive' } }
const lingerMs = 500
/** What times a process that a debugger held may find over once it goes on. */
const heldGraceMs = 500

function isSocket(stream: unknown): stream is Socket {
  return typeof stream === 'object' && stream !== null && 'remoteAddress' in stream
}

function refusalOf(error: { code?: string; rawPacket?: Buffer }, maxUrlBytes: number): readonly [number, string] {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      // A first line that does not end in time is the target's doing.
      return error.rawPacket?.subarray(0, maxUrlBytes).includes('\n') === false
        ? [414, 'the target is too long']
        : [431, 'the headers are too large']
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return [413, 'the chunk extensions are too large']
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return [408, 'it did not arrive in time']
    default:
      return [400, 'it is not well-formed HTTP/1.1']
  }
}
