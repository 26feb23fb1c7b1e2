// One HTTP request as a unit of work, from its head to the last byte of the answer:
//   canonicalise → match → authenticate → limit → body → validate → service → answer
// It takes the live generation once, and everything after, security included, comes from that generation's route.
// A refusal is an answer like any other. What the caller no longer waits for (deadline passed, connection gone) is aborted, and
// still counts as in flight until the service has settled.

import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import type { Log, Resolve } from '../../adapters/port.ts'
import type { JsonObject } from '../../schema/json.ts'
import { DeadlineError } from '../generation/deadline.ts'
import type { Generation } from '../generation/generation.ts'
import type { Access } from '../log/access.ts'
import { problemOf } from '../service/errors.ts'
import type { ErrorFields } from '../service/service-log.ts'
import type { RequestFacts, Unit } from '../service/unit.ts'
import { type Answer, problemAnswer, resultAnswer, writeHead } from './answer.ts'
import type { BodyReader, ChannelRequest } from './channel-request.ts'
import type { ClientAddresses } from './client-address.ts'
import type { OpenRequest } from './connections.ts'
import { isCorrelationId } from './correlation.ts'
import type { Counters } from './counters.ts'
import type { Deadlined, Deadlines } from './deadlines.ts'
import { parseJson } from './json-body.ts'
import type { Limits } from './limits.ts'
import { isForm, mediaProblem } from './media.ts'
import { type Gate, type Passage, passageOf, retryAfter } from './passage.ts'
import { defaultMerging, payloadOf } from './payload.ts'
import { HttpRequestFacts } from './request-facts.ts'
import { type RequestHead, readHead } from './request-head.ts'

/** What the exchanges of one plane share. */
export interface Surrounding {
  readonly gate: Gate
  readonly limits: Limits
  readonly log: Log
  readonly deadlines: Deadlines
  readonly counters: Counters
  readonly clients: ClientAddresses
  nextCorrelationId(): string
  isClosing(): boolean
  isExcused(error: unknown, generation: Generation): boolean
  errorFields(error: unknown): ErrorFields
  /** Told of each request that was answered, or left by its caller. */
  readonly onAnswered: ((access: Access) => void) | null
}

type Phase = 'receiving' | 'running' | 'answered'

/** How long a caller may go on sending what nobody reads before the connection is closed under it. */
const lingerMs = 1_000

export function serveRequest(
  surrounding: Surrounding,
  {
    request,
    response,
    open,
    awaitsContinue,
  }: { request: ChannelRequest; response: ServerResponse; open: OpenRequest[]; awaitsContinue: boolean },
): void {
  const exchange = new Exchange(surrounding, request, response, open)
  try {
    exchange.start(awaitsContinue)
  } catch (error) {
    exchange.break(error)
  }
}

class Exchange implements Unit, Deadlined, OpenRequest, BodyReader {
  cid = ''
  generation = 0
  deadlineAt = Number.POSITIVE_INFINITY
  readonly depth = 0
  readonly delivery = null
  before: Deadlined | null = null
  after: Deadlined | null = null
  slot = -1
  dueAt = 0

  readonly #surrounding: Surrounding
  readonly #request: ChannelRequest
  readonly #response: ServerResponse
  readonly #open: OpenRequest[]
  readonly #startedAt = performance.now()
  #head: RequestHead | null = null
  #phase: Phase = 'receiving'
  #timeoutMs = 0
  #isLast = false
  #hasUnreadBody = false
  #chunks: Buffer[] = noChunks
  #bytes = 0
  #passage: Passage | null = null
  #leave: (() => void) | null = null
  #facts: RequestFacts | null = null
  #resolve: Resolve | null = null
  #aborting: AbortController | null = null
  #abortReason: Error | null = null
  #stopListening: (() => void) | null = null
  #accepted: Answer | null = null
  /** Failures that are in the log. */
  #told: Set<unknown> | null = null

  constructor(surrounding: Surrounding, request: ChannelRequest, response: ServerResponse, open: OpenRequest[]) {
    this.#surrounding = surrounding
    this.#request = request
    this.#response = response
    this.#open = open
    open.push(this)
  }

  /** @param awaitsContinue the caller sends its body only once it was told to */
  start(awaitsContinue: boolean): void {
    const { limits } = this.#surrounding
    const head = readHead(this.#request, limits)
    this.#head = head
    this.#hasUnreadBody = head.hasBody
    // A caller that was never told to go on may or may not send its body: the next bytes could be either.
    if (awaitsContinue) this.#isLast = true
    const given = head.correlationId
    this.cid = given !== null && isCorrelationId(given) ? given : this.#surrounding.nextCorrelationId()
    if (head.problem !== null) {
      this.#isLast = true
      return this.#refuse(head.problem.status, `Cannot read the request as ${head.problem.detail}`)
    }
    if (this.#open.length > limits.maxPipelined)
      return this.#refuse(503, 'Cannot answer as too many requests of this connection are open', { headers: retryAfter })
    if (head.expects !== null && !awaitsContinue) return this.#refuse(417, 'Cannot meet the expectation; "100-continue" is the only one')
    const passage = passageOf(this.#surrounding.gate, this.#request, head)
    this.#passage = passage
    if (passage.kind === 'built in') return this.#answerBuiltIn(passage)
    this.generation = passage.generation?.number ?? 0
    if (passage.kind === 'refused') return this.#refuse(passage.status, passage.detail, passage)
    this.#leave = passage.generation.enter()
    if (!head.hasBody) {
      this.#request.endBody()
      return this.#run(undefined)
    }
    const problem = mediaProblem(head)
    if (problem !== null) return this.#refuse(415, problem)
    if (head.contentLength > limits.maxBodyBytes) return this.#refuseLargeBody()
    if (awaitsContinue) {
      this.#isLast = false
      this.#response.writeContinue()
    }
    this.#receive()
  }

  #answerBuiltIn({ status, body }: { readonly status: number; readonly body: JsonObject }): void {
    this.#answer({ status, contentType: 'application/json', body: JSON.stringify(body), headers: ['Cache-Control', 'no-store'] })
  }

  #receive(): void {
    this.#chunks = []
    this.#request.reader = this
  }

  take(chunk: Buffer): void {
    if (this.#phase !== 'receiving') return
    this.#bytes += chunk.length
    this.#chunks.push(chunk)
    // The last announced byte is the end, whatever follows.
    if (this.#bytes === this.#head?.contentLength) this.end()
    else if (this.#bytes > this.#surrounding.limits.maxBodyBytes) this.#refuseLargeBody()
  }

  end(): void {
    if (this.#phase !== 'receiving') return
    this.#request.endBody()
    this.#hasUnreadBody = false
    const [first] = this.#chunks
    this.#read(this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks, this.#bytes))
  }

  #refuseLargeBody(): undefined {
    this.#isLast = true
    return this.#refuse(413, `Cannot read the body as it is larger than ${this.#surrounding.limits.maxBodyBytes} bytes`)
  }

  #read(body: Buffer): void {
    try {
      this.#call(body)
    } catch (error) {
      this.break(error)
    }
  }

  #call(body: Buffer): void {
    const parsed = parseJson(body, this.#surrounding.limits.maxJsonDepth)
    if ('value' in parsed) return this.#run(parsed.value)
    if (isForm(this.#head?.contentType ?? null, body))
      this.#refuse(415, 'Cannot read the body as it is a form; the accepted type is application/json')
    else this.#refuse(400, `Cannot read the body as ${parsed.problem}`)
  }

  #run(body: unknown): void {
    const passage = this.#passage
    if (passage?.kind !== 'passed') return
    const { route, service, params, query } = passage
    const payload = payloadOf(body, params, query, { merging: route.merging ?? defaultMerging, inputTypes: service.inputTypes })
    const problems = service.check(payload)
    if (problems.length > 0) {
      const errors = problems.map(({ pointer, message }) => ({ pointer, detail: message }))
      return this.#refuse(400, 'Cannot call the service as the request does not fit its input', { members: { errors } })
    }
    this.#phase = 'running'
    this.#timeoutMs = Math.min(route.timeoutMs, service.deadlineMs ?? route.timeoutMs)
    this.deadlineAt = performance.now() + this.#timeoutMs
    this.#surrounding.deadlines.add(this)
    service.run(this, payload).then(
      () => this.#succeed(),
      error => this.#fail(error),
    )
  }

  /** Called while the service still runs, so that a result no answer can be made of counts as its failure. */
  accept(result: unknown, service: string): void {
    if (this.#phase === 'running' && this.#passage?.kind === 'passed')
      this.#accepted = resultAnswer(result, this.#passage.route.contentType, service)
  }

  #succeed(): void {
    this.#settle()
    if (this.#phase === 'answered') return
    try {
      assert(this.#accepted !== null, 'a service that succeeds has its result accepted')
      this.#answer(this.#accepted)
    } catch (error) {
      this.break(error)
    }
  }

  #fail(error: unknown): void {
    this.#settle()
    if (this.#phase === 'answered') return
    const { status, problem, unmapped, headers } = problemOf(error)
    if (unmapped && this.isNews(error)) this.#log(error, 'A service failed')
    const live = this.#live
    const isExcused = status >= 502 && status <= 504 && live !== null && this.#surrounding.isExcused(error, live)
    try {
      this.#answer(problemAnswer(status, null, { cid: this.cid, members: problem, headers: Object.entries(headers).flat() }), isExcused)
    } catch (broken) {
      this.break(broken)
    }
  }

  /** A fault on the way, the service's answer included: 500, and the log knows why. */
  break(error: unknown): void {
    this.#log(error, 'A request could not be answered as it should')
    this.#settle()
    if (this.#phase !== 'answered') this.#refuse(500, null)
  }

  isNews(failure: unknown): boolean {
    this.#told ??= new Set()
    return this.#told.size < this.#told.add(failure).size
  }

  #log(error: unknown, message: string): void {
    const { log, errorFields } = this.#surrounding
    const service = this.#passage?.kind === 'passed' ? { service: this.#passage.service.name } : {}
    const err = errorFields(error)
    log.error({ ...service, channel: this.channel, cid: this.cid, err }, `${message}: ${err.message}`)
  }

  #settle(): void {
    this.#stopListening?.()
    this.#stopListening = null
    this.#leave?.()
    this.#leave = null
  }

  #refuse(status: number, detail: string | null, rest: { members?: JsonObject; headers?: readonly string[] } = {}): undefined {
    this.#answer(problemAnswer(status, detail, { cid: this.cid, ...rest }))
    if (this.#abortReason === null) this.#settle()
  }

  #answer(answer: Answer, isExcused = false): void {
    if (this.#phase === 'answered') return
    const { limits } = this.#surrounding
    const head = this.#head
    if (this.#hasUnreadBody && (head?.isChunked || (head?.contentLength ?? 0) > limits.maxBodyBytes)) this.#isLast = true
    const isLast = this.#isLast || this.#surrounding.isClosing()
    const { body } = answer
    const isAscii = writeHead(this.#response, answer, this.cid, isLast)
    this.#finish(answer.status, isExcused, bytesOf(body, isAscii))
    if (isLast && this.#hasUnreadBody) return this.#linger(body)
    if (body === null) this.#response.end()
    else if (typeof body === 'string' && isAscii) this.#response.end(body, 'latin1')
    else this.#response.end(body)
    // What the kernel did not take at once: a caller that does not read is left after a while without progress.
    const { socket } = this.#request
    if (socket.writableLength > 0) socket.setTimeout(limits.idleMs)
  }

  /**
   * Answers while the caller may still be sending: closing at once would reset the connection and take the answer with it.
   * @see RFC 9112 §9.6
   */
  #linger(body: Answer['body']): void {
    this.#open.push(this)
    const end = () => {
      clearTimeout(timer)
      this.#leaveConnection()
      this.#response.end()
    }
    const timer = setTimeout(end, lingerMs)
    if (body !== null) this.#response.write(body)
    else this.#response.flushHeaders()
    this.#request.once('end', end).once('close', end).resume()
  }

  #finish(status: number, isExcused: boolean, bytesOut: number): void {
    this.#phase = 'answered'
    this.#request.reader = null
    this.#surrounding.deadlines.remove(this)
    this.#leaveConnection()
    if (this.#passage?.kind === 'built in') return
    const now = performance.now()
    const elapsedMs = now - this.#startedAt
    this.#surrounding.counters.count(this.#live, this.channel, { status, elapsedMs, excused: isExcused, now })
    this.#surrounding.onAnswered?.(this.#accessOf(status, elapsedMs, bytesOut))
  }

  #accessOf(status: number, elapsedMs: number, bytesOut: number): Access {
    const request = this.#request
    const passed = this.#passage?.kind === 'passed' ? this.#passage : null
    return {
      method: request.method ?? '',
      target: request.url ?? '',
      status,
      elapsedMs,
      bytesIn: this.#bytes,
      bytesOut,
      channel: this.channel,
      service: passed?.service.name ?? null,
      caller: passed?.caller?.security ?? null,
      remoteAddress: this.#surrounding.clients.of(request),
      cid: this.cid,
    }
  }

  #leaveConnection(): void {
    const open = this.#open
    if (open.length === 1 && open[0] === this) open.pop()
    else if (open.includes(this)) open.splice(open.indexOf(this), 1)
  }

  expire(): void {
    const detail = `Cannot answer as the service did not within ${this.#timeoutMs / 1_000} s`
    this.#abort(new DeadlineError(detail))
    this.#refuse(504, detail)
  }

  abandon(): void {
    this.#end(499)
  }

  endsWithAnswer(status: number): boolean {
    this.#isLast = true
    // Running: its answer comes first. Answered: it lingers, and closes by itself.
    if (this.#phase !== 'receiving') return true
    this.#end(status)
    return false
  }

  /** Ends without an answer of its own. */
  #end(status: number): void {
    if (this.#phase === 'answered') return
    const wasRunning = this.#phase === 'running'
    this.#finish(status, false, 0)
    this.#abort(new Error('Cannot go on as the caller closed the connection'))
    if (!wasRunning) this.#settle()
  }

  #abort(reason: Error): void {
    this.#abortReason ??= reason
    this.#aborting?.abort(this.#abortReason)
  }

  /** Made when it is first asked for: most services never do. */
  get signal(): AbortSignal {
    if (this.#aborting === null) {
      const aborting = new AbortController()
      this.#aborting = aborting
      const drained = this.#live?.signal
      const abort = () => aborting.abort(this.#abortReason ?? drained?.reason)
      if (this.#abortReason !== null || drained?.aborted) abort()
      else if (drained !== undefined) {
        drained.addEventListener('abort', abort, { once: true })
        this.#stopListening = () => drained.removeEventListener('abort', abort)
      }
    }
    return this.#aborting.signal
  }

  get request(): RequestFacts | null {
    if (this.#passage?.kind !== 'passed') return null
    this.#facts ??= new HttpRequestFacts(this.#request, this.#surrounding.clients, this.#passage)
    return this.#facts
  }

  get #live(): Generation | null {
    return this.#passage === null || this.#passage.kind === 'built in' ? null : this.#passage.generation
  }

  get channel(): string | null {
    return this.#passage === null || this.#passage.kind === 'built in' ? null : (this.#passage.route?.ref ?? null)
  }

  get resolve(): Resolve {
    this.#resolve ??= ref => this.#live?.resolve(ref)
    return this.#resolve
  }
}

const noChunks: Buffer[] = []

function bytesOf(body: Answer['body'], isAscii: boolean): number {
  if (body === null) return 0
  return typeof body === 'string' ? (isAscii ? body.length : Buffer.byteLength(body)) : body.byteLength
}
