// Calls that control makes in a worker: a service on behalf of an operator, a job or the queue, and the check of a connection.

import { randomUUID } from 'node:crypto'
import type { JsonObject } from '../../schema/json.ts'
import type { Ref } from '../../schema/ref.ts'
import { neverPaused, type PausedMs, startDeadline } from '../debug/paused-time.ts'
import type { BuiltGeneration } from '../generation/built.ts'
import { DeadlineError } from '../generation/deadline.ts'
import type { Invocation, InvocationOutcome } from '../generation/engine.ts'
import { problemOf, resultJson } from '../service/errors.ts'
import type { Delivery } from '../service/sdk.ts'
import type { ServiceView } from '../service/unit.ts'
import { serviceRef } from './guard.ts'

/** A sentence names so many; the rest is in `errors`. */
const shownProblems = 3
const defaultDeadlineMs = 30_000

/** Runs it on `live`, at most for its deadline, whatever the service does. Never rejects. */
export async function invokeService(
  live: BuiltGeneration | null,
  invocation: Invocation,
  { delivery = null, pausedMs = neverPaused }: { readonly delivery?: Delivery | null; readonly pausedMs?: PausedMs } = {},
): Promise<InvocationOutcome> {
  const startedAt = performance.now()
  const elapsed = () => Math.round((performance.now() - startedAt) * 100) / 100
  const cid = invocation.cid ?? randomUUID()
  const failed = (status: number, problem: JsonObject): InvocationOutcome => ({
    kind: 'failed',
    status,
    problem: { ...problem, cid },
    elapsedMs: elapsed(),
  })
  if (!live) return failed(503, { title: 'Service Unavailable', status: 503, detail: 'No generation is live yet' })
  const view = live.resolve(serviceRef(invocation.service)) as ServiceView | { readonly closed: string } | undefined // the service adapter's views
  if (!view)
    return failed(404, {
      title: 'Not Found',
      status: 404,
      detail: `Cannot call service "${invocation.service}" as no such service is live; plumb get lists what is`,
    })
  if ('closed' in view)
    return failed(503, {
      title: 'Service Unavailable',
      status: 503,
      detail: `Cannot call service "${invocation.service}" as ${view.closed}`,
    })
  const problems = view.check(invocation.payload)
  if (problems.length > 0)
    return failed(400, {
      title: 'Bad Request',
      status: 400,
      detail: `Cannot call service "${invocation.service}" as the payload does not fit its model: ${problems.slice(0, shownProblems).map(shown).join('; ')}`,
      errors: problems.map(({ pointer, message }) => ({ pointer, detail: message })),
    })
  const deadlineMs = invocation.deadlineMs ?? defaultDeadlineMs
  const aborting = new AbortController()
  const callOff = startDeadline(deadlineMs, pausedMs, () =>
    aborting.abort(new DeadlineError(`The call did not end within ${deadlineMs} ms`)),
  )
  const leave = live.enter()
  try {
    const signal = AbortSignal.any([aborting.signal, live.signal])
    const told = new Set<unknown>()
    let accepted: string | undefined
    const work = view.run(
      {
        cid,
        generation: live.number,
        signal,
        deadlineAt: startedAt + deadlineMs,
        resolve: ref => live.resolve(ref),
        request: null,
        delivery,
        depth: 0,
        channel: null,
        accept: (result, service) => {
          accepted = resultJson(service, result)
        },
        isNews: failure => told.size < told.add(failure).size,
      },
      invocation.payload,
    )
    await Promise.race([work, aborted(signal)])
    return {
      kind: 'answered',
      payload: JSON.parse(accepted ?? 'null'),
      elapsedMs: elapsed(),
      generation: live.number,
    }
  } catch (error) {
    const { status, problem } = problemOf(error)
    return failed(status, problem)
  } finally {
    callOff()
    leave()
  }
}

export async function pingConnection(
  live: BuiltGeneration | null,
  ref: Ref,
): Promise<{ ok: boolean; elapsedMs: number; reason: string | null }> {
  const startedAt = performance.now()
  const shared = live?.instances.get(ref)
  if (!shared) return { ok: false, elapsedMs: 0, reason: `Cannot ping "${ref}" as no such connection is live` }
  if (!shared.wrapped.canPing) return { ok: false, elapsedMs: 0, reason: `Cannot ping "${ref}" as it has no far end` }
  const status = await shared.wrapped.ping()
  return { ok: status.ready, elapsedMs: Math.round(performance.now() - startedAt), reason: status.reason }
}

/** `/name must not be empty`; the whole payload has no pointer. */
function shown({ pointer, message }: { readonly pointer: string; readonly message: string }): string {
  return pointer === '' ? message : `${pointer} ${message}`
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}
