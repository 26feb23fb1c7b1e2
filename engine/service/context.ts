// `ctx`: what a service is given beside its request. One is made for every call, so it is three fields and getters; whatever
// costs something is made when it is asked for. Getters give bound functions, so that `{ sql, log }` may be taken apart.

import type { Connection } from '../../adapters/port.ts'
import { type KindName, type Ref, refOf } from '../../schema/ref.ts'
import { calleeOf } from './callee.ts'
import { clientFor } from './client-proxy.ts'
import { DerivedUnit } from './derived-unit.ts'
import { InvokeError } from './errors.ts'
import type { Holdings } from './holdings.ts'
import { invokeAsync, type Submit, scheduleOnce } from './later.ts'
import {
  type Accepted,
  type AsyncOptions,
  type Context,
  type Delivery,
  type RequestFacts,
  type ServiceLog,
  ServiceUnavailable,
  type When,
} from './sdk.ts'
import { type ServiceLogOptions, UnitLog } from './service-log.ts'
import type { SourceMaps } from './source-map.ts'
import type { Unit } from './unit.ts'
import { closedOf } from './view.ts'

/** Services that call each other deeper than this are a cycle. */
const deepestInvoke = 32

export interface ContextOptions extends Pick<ServiceLogOptions, 'log'> {
  /** Client method → the kinds its names may be of. */
  readonly clients: ReadonlyMap<string, readonly KindName[]>
  /** Where calls go that are made later. */
  readonly submit: Submit
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** The service a context is made for. */
export interface ContextOwner {
  readonly name: string
  readonly holdings: Holdings
  maps(): SourceMaps
}

export type MakeContext = (unit: Unit, owner: ContextOwner) => Context

/** Prepares contexts that have the client methods of `clients`. */
export function createContexts(options: ContextOptions): MakeContext {
  class RuntimeContext extends UnitContext {}
  for (const [method, kinds] of options.clients)
    Object.defineProperty(RuntimeContext.prototype, method, {
      get(this: UnitContext) {
        return UnitContext.clients(this, method, kinds)
      },
    })
  // The properties defined above are the client methods of Context.
  return (unit, owner) => new RuntimeContext(unit, owner, options) as unknown as Context
}

class UnitContext {
  readonly #unit: Unit
  readonly #owner: ContextOwner
  readonly #options: ContextOptions
  #log: ServiceLog | null = null

  constructor(unit: Unit, owner: ContextOwner, options: ContextOptions) {
    this.#unit = unit
    this.#owner = owner
    this.#options = options
  }

  static clients(context: UnitContext, method: string, kinds: readonly KindName[]): (name: string) => object {
    return name => clientOf(context.#unit, { method, kinds, name, holdings: context.#owner.holdings })
  }

  get cid(): string {
    return this.#unit.cid
  }

  get signal(): AbortSignal {
    return this.#unit.signal
  }

  get request(): RequestFacts | null {
    return this.#unit.request
  }

  get delivery(): Delivery | null {
    return this.#unit.delivery
  }

  get log(): ServiceLog {
    this.#log ??= new UnitLog({ log: this.#options.log, owner: this.#owner, cid: this.#unit.cid })
    return this.#log
  }

  get invoke(): (name: string, payload: unknown) => Promise<unknown> {
    return (name, payload) => invokeService(this.#unit, name, payload)
  }

  get invokeAsync(): (name: string, payload: unknown, options?: AsyncOptions) => Promise<Accepted> {
    return (name, payload, options) =>
      invokeAsync({ unit: this.#unit, submit: this.#options.submit, now: this.#options.now, name, payload }, options)
  }

  get schedule(): { once(name: string, payload: unknown, when: When): Promise<Accepted> } {
    return {
      once: (name, payload, when) =>
        scheduleOnce({ unit: this.#unit, submit: this.#options.submit, now: this.#options.now, name, payload }, when),
    }
  }
}

interface Wanted {
  readonly method: string
  readonly kinds: readonly KindName[]
  readonly name: string
  readonly holdings: Holdings
}

function clientOf(unit: Unit, { method, kinds, name, holdings }: Wanted): object {
  for (const kind of kinds) {
    const ref = refOf(kind, name)
    const view = unit.resolve(ref)
    if (view === undefined) continue
    const reason = isConnection(view) ? view.status().reason : closedOf(view)
    if (reason !== null) throw new UnavailableConnection(ref, `Cannot use ${method} "${name}" as ${withoutPlace(reason)}`)
    const client = isConnection(view) ? view.client : view
    if (typeof client !== 'object' || client === null)
      throw new UnavailableConnection(ref, `Cannot use ${method} "${name}" as it has no client`)
    return clientFor(holdings, client, `${method} "${name}"`)
  }
  throw new InvokeError('NO_CONNECTION', `Cannot use ${method} "${name}" as no such connection is declared in this environment`)
}

/** A reason as callers may know it: what happened, without the host, user and database that operators are told after the colon. */
function withoutPlace(reason: string): string {
  return reason.split(':')[0] ?? reason
}

/** A connection that is known to be away: nothing was sent. */
class UnavailableConnection extends ServiceUnavailable {
  readonly ref: Ref

  constructor(ref: Ref, detail: string) {
    super(detail)
    this.ref = ref
  }
}

function isConnection(view: unknown): view is Connection {
  return typeof view === 'object' && view !== null && 'status' in view && typeof view.status === 'function'
}

async function invokeService(unit: Unit, name: string, payload: unknown): Promise<unknown> {
  if (unit.depth >= deepestInvoke)
    throw new InvokeError('INVOKE_DEPTH', `Cannot invoke "${name}" as ${deepestInvoke} services already call each other: end the recursion`)
  return calleeOf(unit, name, payload).run(new DerivedUnit(unit, { depth: unit.depth + 1 }), payload)
}
