// Asynchronous calls of an application under test: they wait in memory until the test has them carried out. Attempts do not wait for each
// other, and what is due later is due when the clock of the test says so.

import type { Clock } from '../../adapters/port.ts'
import type { InvocationOutcome } from '../../engine/generation/engine.ts'
import type { LaterCall } from '../../engine/service/later.ts'
import type { Delivery } from '../../engine/service/sdk.ts'
import { outcomeOf } from '../../engine/work/order.ts'
import type { QueuedCall } from './test-api.ts'

interface Waiting {
  readonly call: LaterCall
  attempts: number
  /** Null while there is another attempt. */
  failure: string | null
}

export interface Work {
  submit(call: LaterCall): Promise<void>
  list(): readonly QueuedCall[]
  /** Carries out what is due, and what that submits, until nothing is. */
  idle(): Promise<void>
}

/** More would be calls that submit themselves. */
const mostDeliveries = 10_000

/** @param run one delivery */
export function createWork(clock: Clock, run: (call: LaterCall, delivery: Delivery) => Promise<InvocationOutcome>): Work {
  const waiting = new Set<Waiting>()

  async function deliver(one: Waiting): Promise<void> {
    const { call } = one
    one.attempts++
    const attempt = { attempt: one.attempts, redelivered: one.attempts > 1 }
    const outcome = outcomeOf(await run(call, { kind: 'async', id: call.id, ...attempt, job: null, nominalAt: null }))
    if (outcome.kind === 'done') waiting.delete(one)
    else if (outcome.kind === 'failed' && (!outcome.retryable || one.attempts >= call.maxAttempts))
      one.failure = String(outcome.problem.detail ?? outcome.problem.title)
  }

  return {
    async submit(call) {
      waiting.add({ call, attempts: 0, failure: null })
    },
    list: () =>
      Array.from(waiting, ({ call: { service, payload, dueAt }, attempts, failure }) => ({
        service,
        payload,
        dueAt: new Date(dueAt).toISOString(),
        attempts,
        failure,
      })),
    async idle() {
      for (let deliveries = 0; ; deliveries++) {
        const next = [...waiting].find(({ call, failure }) => failure === null && call.dueAt <= clock.now())
        if (!next) return
        if (deliveries >= mostDeliveries) throw new Error(`Cannot come to rest as "${next.call.service}" is called again and again`)
        await deliver(next)
      }
    },
  }
}
