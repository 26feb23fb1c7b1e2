// A unit of work: one HTTP request, delivery, job run or asynchronous call. It takes its worker's live generation when it
// starts and ends on it; everything it reaches, it reaches through that generation.

import type { Resolve } from '../../adapters/port.ts'
import type { Latency } from '../plane/latency.ts'
import type { Delivery, RequestFacts } from './sdk.ts'

// Declared where service code sees them, as its declaration file stands alone.
export type { Caller, RequestFacts } from './sdk.ts'

export interface Unit {
  readonly cid: string
  /** Number of the generation it runs on. */
  readonly generation: number
  /** Aborted at the deadline, when the caller went away, or when a drain ends. */
  readonly signal: AbortSignal
  /** `performance.now()` at which `signal` is aborted. */
  readonly deadlineAt: number
  readonly resolve: Resolve
  /** Null where no HTTP request started the unit. */
  readonly request: RequestFacts | null
  /** Null where it is no work of the queue or of a job. */
  readonly delivery: Delivery | null
  /** How many services called each other to get here; 0 for the first. */
  readonly depth: number
  /** Ref of the channel it came by; null where it came by none. */
  readonly channel: string | null
  /**
   * Takes what its service returned as its answer.
   * @throws TypeError where no answer can be made of it, which is the service's failure like any other
   */
  accept(result: unknown, service: string): void
  /** Whether `failure` is new to it, once: each goes into the log once, however many services it passes through. */
  isNews(failure: unknown): boolean
}

/** What a generation sees of a service. */
export interface ServiceView {
  readonly name: string
  /** Problems of a payload with the service's input model, empty where it fits or where there is no model. */
  check(payload: unknown): readonly { readonly pointer: string; readonly message: string }[]
  /**
   * Runs the service on a payload that was checked, and has `unit` accept what it returned. Rejects with what the service threw, or
   * the unit did not accept; errors that map to a status carry it.
   * Counts as in flight until it settles, also after the signal was aborted.
   */
  run(unit: Unit, payload: unknown): Promise<unknown>
  /** JSON types of the top-level fields of the input model, for path and query parameters that arrive as text. */
  readonly inputTypes: Readonly<Record<string, string>>
  /** Longest time the service gives itself, from its `deadline`; null where the caller's deadline is the only one. */
  readonly deadlineMs: number | null
  readonly counters: ServiceCounters
}

/** Calls that ended, since the instance behind the view was made. */
export interface ServiceCounters {
  readonly calls: number
  /** Of those, how many threw what maps to no status, or returned what no answer can be made of. */
  readonly unmapped: number
  /** Of those, how many threw what maps to a status: errors that it meant, and connections that failed. */
  readonly mapped: number
  readonly latency: Latency
  /** The same of the first 5 calls, by which a new version is judged. */
  readonly first: { readonly calls: number; readonly unmapped: number }
}
