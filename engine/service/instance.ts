// A service that is loaded: its code, its models, and what is counted of its calls. Shared by the generations that agree on
// it; `createView` makes what one generation sees.

import type { Model } from '../../schema/model.ts'
import { neverPaused, type PausedMs, startDeadline } from '../debug/paused-time.ts'
import { DeadlineError } from '../generation/deadline.ts'
import { Latency } from '../plane/latency.ts'
import type { ContextOwner, MakeContext } from './context.ts'
import { DerivedUnit } from './derived-unit.ts'
import { problemOf } from './errors.ts'
import type { Holdings } from './holdings.ts'
import type { LoadedModule } from './load.ts'
import type { Service } from './sdk.ts'
import { errorFields, type ServiceLogOptions } from './service-log.ts'
import { SourceMaps } from './source-map.ts'
import type { ServiceCounters, ServiceView, Unit } from './unit.ts'

/** How many calls a new version is judged by. */
const firstCalls = 5

export interface Made extends Pick<ServiceLogOptions, 'log'> {
  readonly name: string
  /** The file that declares it. */
  readonly path: string
  readonly loaded: LoadedModule
  readonly service: Service
  readonly input: Model | null
  readonly inputTypes: Readonly<Record<string, string>>
  readonly makeContext: MakeContext
  /** Time in which a debugger held the process; never where absent. */
  readonly pausedMs?: PausedMs | undefined
}

export class ServiceInstance implements ServiceView, ContextOwner {
  readonly name: string
  readonly path: string
  readonly inputTypes: Readonly<Record<string, string>>
  readonly deadlineMs: number | null
  readonly holdings: Holdings
  readonly counters = {
    calls: 0,
    unmapped: 0,
    mapped: 0,
    latency: new Latency(),
    first: { calls: 0, unmapped: 0 },
  } satisfies ServiceCounters
  /** Null once it is closed, so that a view somebody still holds does not hold the code. */
  #made: Made | null
  #running = 0
  #idle: (() => void)[] = []

  constructor(made: Made) {
    this.name = made.name
    this.path = made.path
    this.inputTypes = made.inputTypes
    this.deadlineMs = made.service.deadlineMs
    this.holdings = made.loaded.holdings
    this.#made = made
  }

  check(payload: unknown): readonly { readonly pointer: string; readonly message: string }[] {
    return this.#made?.input?.check(payload) ?? []
  }

  async run(unit: Unit, payload: unknown): Promise<unknown> {
    const made = this.#made
    if (made === null) throw new Error(`Cannot run service "${this.name}" as its generation has ended`)
    const { deadlineMs } = this
    this.#running++
    const startedAt = performance.now()
    let outcome: Outcome = 'done'
    try {
      const result =
        deadlineMs !== null && startedAt + deadlineMs < unit.deadlineAt
          ? await runWithin(deadlineMs, { unit, pausedMs: made.pausedMs ?? neverPaused }, inner =>
              made.service.handle(payload, made.makeContext(inner, this)),
            )
          : await made.service.handle(payload, made.makeContext(unit, this))
      unit.accept(result, this.name)
      return result
    } catch (error) {
      outcome = this.#noteFailure(made, unit, error) ? 'unmapped' : 'mapped'
      throw error
    } finally {
      this.#count(outcome, performance.now() - startedAt)
      if (--this.#running === 0) for (const wake of this.#idle.splice(0)) wake()
    }
  }

  maps(): SourceMaps {
    return this.#made?.loaded.maps() ?? new SourceMaps()
  }

  /** Resolves when no call runs. */
  whenIdle(): Promise<void> {
    return this.#running === 0 ? Promise.resolve() : new Promise(resolve => this.#idle.push(resolve))
  }

  /** Gives the code up. */
  close(): void {
    this.#made?.loaded.release()
    this.#made = null
  }

  /** Whether it is the service's own fault; those, and connections that failed, are written to the log. */
  #noteFailure({ log, loaded }: Made, unit: Unit, error: unknown): boolean {
    const { unmapped, status } = problemOf(error)
    // What ends because the call was ended is no fault.
    if (unmapped && unit.signal.aborted) return false
    if (!unmapped && status !== 503) return false
    const { cid, channel } = unit
    const where = { service: this.name, ...(channel === null ? {} : { channel }), cid }
    const err = errorFields(error, loaded.maps())
    if (!unmapped) log.warn({ ...where, reason: err.message }, `Service "${this.name}" answered 503`)
    else if (unit.isNews(error)) log.error({ ...where, err }, `Service "${this.name}" failed: ${err.message}`)
    return unmapped
  }

  #count(outcome: Outcome, elapsedMs: number): void {
    const { counters } = this
    const by = outcome === 'unmapped' ? 1 : 0
    if (counters.first.calls < firstCalls) {
      counters.first.calls++
      counters.first.unmapped += by
    }
    counters.calls++
    counters.unmapped += by
    counters.mapped += outcome === 'mapped' ? 1 : 0
    counters.latency.count(elapsedMs)
  }
}

/** How a call ended: what it threw maps to a status, or does not. */
type Outcome = 'done' | 'mapped' | 'unmapped'

/** Runs under a deadline sooner than the unit's own: its signal is aborted then, and the answer no longer waited for. */
async function runWithin<Result>(
  deadlineMs: number,
  { unit, pausedMs }: { readonly unit: Unit; readonly pausedMs: PausedMs },
  run: (inner: Unit) => Result | Promise<Result>,
): Promise<Result> {
  const deadline = new AbortController()
  const signal = AbortSignal.any([unit.signal, deadline.signal])
  const expired = Promise.withResolvers<never>()
  const callOff = startDeadline(deadlineMs, pausedMs, () => {
    const error = new DeadlineError(`The service gives itself ${deadlineMs} ms, which are over`)
    deadline.abort(error)
    expired.reject(error)
  })
  try {
    return await Promise.race([run(new DerivedUnit(unit, { signal, deadlineAt: performance.now() + deadlineMs })), expired.promise])
  } finally {
    callOff()
  }
}
