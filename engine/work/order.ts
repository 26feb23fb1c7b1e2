// Work that no client waits for: an asynchronous call, a job run. Control hands an order to a worker and hears what became of it.

import type { Json, JsonObject } from '../../schema/json.ts'
import type { InvocationOutcome } from '../generation/engine.ts'
import type { Delivery } from '../service/sdk.ts'

// Declared where service code sees it, as its declaration file stands alone.
export type { Delivery } from '../service/sdk.ts'

export interface WorkOrder {
  /** Of this one attempt: no two orders have the same. */
  readonly id: string
  /** Name of the service, found in the generation that is live when the worker takes the order. */
  readonly service: string
  readonly payload: Json
  readonly cid: string
  /** Milliseconds from the moment the worker takes it. */
  readonly deadlineMs: number
  readonly delivery: Delivery
}

export type WorkOutcome =
  /** `payload` is null where it is larger than `maxResultBytes`. */
  | { readonly kind: 'done'; readonly elapsedMs: number; readonly generation: number; readonly payload: Json }
  /** `problem` is an RFC 9457 body. `retryable`: false where the same payload can never pass. */
  | {
      readonly kind: 'failed'
      readonly status: number
      readonly problem: JsonObject
      readonly retryable: boolean
      readonly elapsedMs: number
    }
  /** The worker's life is over, or never got the order: then `mayHaveRun` is false. */
  | { readonly kind: 'lost'; readonly reason: string; readonly mayHaveRun: boolean }

/** A larger result stays in the worker. */
const maxResultBytes = 1_000_000

/** What the service answered as the outcome of an order. */
export function outcomeOf(answered: InvocationOutcome): WorkOutcome {
  const { elapsedMs } = answered
  if (answered.kind === 'answered') {
    const { generation, payload } = answered
    const isSmall = Buffer.byteLength(JSON.stringify(payload)) <= maxResultBytes
    return { kind: 'done', elapsedMs, generation, payload: isSmall ? payload : null }
  }
  const { status, problem } = answered
  return { kind: 'failed', status, problem, retryable: !isRefusal(status), elapsedMs }
}

/** The payload does not fit the model, or the service says the same of it in its own words. */
function isRefusal(status: number): boolean {
  return status === 400 || status === 422
}
