// The double of REST connections: the real adapter (paths, credentials, times, retries, bodies), whose pool is undici's mock. Which
// answer a request gets is decided here; one that no test declared is refused. Retries do not wait.

import { MockAgent, type MockPool } from 'undici'
import { ConnectionError } from '../../adapters/connection-error.ts'
import type { Adapter, Clock, Declared } from '../../adapters/port.ts'
import type { RestInstance } from '../../adapters/rest.ts'
import { durationMs } from '../../schema/duration.ts'
import type { Ref } from '../../schema/ref.ts'
import { Declarations, type DoubleSurroundings, type Doubles, Named } from './double.ts'
import type { Outgoing } from './outgoing.ts'
import type { Recorder } from './recording.ts'
import { fitsRequest } from './rest-fit.ts'
import type { ConnectionStub, RestAnswer, RestCall, RestDouble, RestReply } from './test-api.ts'

type Request = Parameters<RestInstance['pool']['request']>[0]
type Response = ReturnType<RestInstance['pool']['request']>

export class RestDoubles implements Doubles {
  readonly #surroundings: DoubleSurroundings
  readonly #named: Named<Control>

  constructor(surroundings: DoubleSurroundings) {
    this.#surroundings = surroundings
    this.#named = new Named(name => new Control(name, surroundings.outgoing))
  }

  adapter(real: Adapter): Adapter {
    const { prepare, view, close } = real as Adapter<RestInstance> // the adapter of every kind whose clients are REST clients
    const { clock, recorder } = this.#surroundings
    const double: Adapter<RestInstance> = {
      prepare: async (declared, surroundings) => {
        const instance = await prepare(declared, surroundings)
        const impatient = { ...instance, clock: { now: () => clock.now(), sleep: async () => undefined } }
        return { ...impatient, pool: this.#poolFor(declared, instance, recorder) }
      },
      ...(view ? { view } : {}),
      close,
    }
    return double as Adapter
  }

  of(name: string): RestDouble {
    return this.#named.get(name)
  }

  stub(name: string, { request, reply, once = false, statement, key }: ConnectionStub): void {
    if (statement !== undefined || key !== undefined)
      throw new TypeError(`Cannot stub "${name}" by a statement or a key as it is a REST connection: "request" and "reply" are accepted`)
    const { body: json, ...answer } = reply ?? {}
    this.#named.get(name).declare({ ...request, ...answer, ...(json === undefined ? {} : { json }) }, once)
  }

  #poolFor({ resource }: Declared, instance: RestInstance, recorder: Recorder | null): RestInstance['pool'] {
    const { pool, base } = instance
    const agent = new MockAgent()
    agent.disableNetConnect()
    const mock = agent.get(base.origin)
    const control = this.#named.get(resource.name)
    const prefix = `${base.pathname.replace(/\/$/, '')}${String(resource.spec.url_path ?? '')}`
    const exchange = { mock, clock: this.#surroundings.clock, ref: resource.ref, prefix }
    return new Proxy(pool, {
      get(target, key) {
        if (key === 'request')
          return (request: Request) => {
            const call = control.note(request)
            return recorder ? recorded(target, request, { call, recorder, mock }) : control.answer(call, request, exchange)
          }
        const value: unknown = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
}

interface Exchange {
  readonly mock: Pick<MockPool, 'intercept' | 'request'>
  readonly clock: Clock
  readonly ref: Ref
  /** Path of the connection. */
  readonly prefix: string
}

class Control implements RestDouble {
  readonly #name: string
  readonly #outgoing: Outgoing
  readonly #replies = new Declarations<RestReply>()

  constructor(name: string, outgoing: Outgoing) {
    this.#name = name
    this.#outgoing = outgoing
  }

  get calls(): readonly RestCall[] {
    return this.#outgoing.of(this.#name, call => 'path' in call)
  }

  reply(reply: RestReply): this {
    return this.declare(reply, false)
  }

  replyOnce(reply: RestReply): this {
    return this.declare(reply, true)
  }

  declare(reply: RestReply, once: boolean): this {
    if (reply.delay !== undefined) delayMs(reply.delay)
    this.#replies.add(reply, { once })
    return this
  }

  note(request: Request): RestCall {
    const call = callOf(this.#name, request)
    this.#outgoing.add(call)
    return call
  }

  async answer(call: RestCall, request: Request, exchange: Exchange): Response {
    const reply = this.#replies.take(declared => fitsRequest(call, declared, exchange.prefix))
    if (!reply) {
      const { method, path } = call
      throw this.#outgoing.refuse(
        `${method} ${String(request.path)} to "${this.#name}"`,
        `app.rest("${this.#name}").reply({ method: "${method}", path: "${path}", json: … })`,
      )
    }
    const answer = reply.answer ? await reply.answer(call) : reply
    const signal = request.signal instanceof AbortSignal ? request.signal : undefined
    if (answer.delay !== undefined) await exchange.clock.sleep(delayMs(answer.delay), signal)
    return await given(answer, request, exchange)
  }
}

function given(answer: RestAnswer, request: Request, { mock, ref }: Exchange): Response {
  if (answer.error === 'TIMEOUT') throw new ConnectionError(ref, 'TIMEOUT', 'the test says that no answer came in time')
  if (answer.error !== undefined) throw Object.assign(new Error(failures[answer.error].message), { code: failures[answer.error].code })
  const { status = 200, json, text, headers = {} } = answer
  const type = json !== undefined ? 'application/json' : 'text/plain; charset=utf-8'
  const body = json !== undefined ? JSON.stringify(json) : (text ?? '')
  return mocked(mock, request, { status, body, headers: { ...(body === '' ? {} : { 'content-type': type }), ...headers } })
}

const failures = {
  UNREACHABLE: { message: 'The test says that nobody answers', code: 'ECONNREFUSED' },
  BROKEN: { message: 'The test says that the connection broke', code: 'ECONNRESET' },
} as const

function mocked(
  mock: Exchange['mock'],
  request: Request,
  { status, body, headers }: { status: number; body: string; headers: Readonly<Record<string, string>> },
): Response {
  // The mock looks for an interceptor in the same turn, so that this one is found by this request.
  mock.intercept({ path: () => true, method: () => true }).reply(status, body, { headers: { ...headers } })
  return mock.request(request)
}

async function recorded(
  pool: RestInstance['pool'],
  request: Request,
  { call, recorder, mock }: { readonly call: RestCall; readonly recorder: Recorder; readonly mock: Exchange['mock'] },
): Response {
  const response = await pool.request({ ...request, headers: { ...call.headers, 'accept-encoding': 'identity' } })
  const text = await response.body.text()
  const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, [value].flat().join(', ')]))
  recorder.add(call, { status: response.statusCode, headers, text })
  const { 'content-length': _, ...others } = headers
  return await mocked(mock, request, { status: response.statusCode, body: text, headers: others })
}

function callOf(connection: string, { method, path, headers, body }: Request): RestCall {
  const url = new URL(String(path), 'http://connection')
  const query: Record<string, string | string[]> = {}
  for (const name of new Set(url.searchParams.keys())) {
    const values = url.searchParams.getAll(name)
    query[name] = values.length === 1 ? (values[0] ?? '') : values
  }
  // The adapter sends a plain record.
  const sent = Object.fromEntries(Object.entries((headers ?? {}) as Record<string, string>))
  return { connection, method: String(method), path: url.pathname, query, headers: sent, body: bodyOf(body, sent['content-type'] ?? '') }
}

function bodyOf(body: unknown, type: string): unknown {
  if (body === null || body === undefined) return null
  const text = typeof body === 'string' ? body : Buffer.from(body as Uint8Array).toString() // the adapter sends text or bytes
  if (!/[/+]json\b/.test(type)) return text
  try {
    return JSON.parse(text)
  } catch {
    return text // what a service sends under a false type is shown as it is
  }
}

function delayMs(text: string): number {
  const ms = durationMs(text)
  if (ms === undefined) throw new TypeError(`Cannot delay an answer by "${text}": a duration such as "200ms" or "3s" is accepted`)
  return ms
}
