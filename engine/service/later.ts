// Calls that are made later: `ctx.invokeAsync` and `ctx.schedule.once` check them as `ctx.invoke` does, and hand them to the queue.

import { randomUUID } from 'node:crypto'
import type { Json } from '../../schema/json.ts'
import { calleeOf } from './callee.ts'
import { InvokeError } from './errors.ts'
import { type Accepted, type AsyncOptions, type Duration, durationMs, ServiceUnavailable, type When } from './sdk.ts'
import type { Unit } from './unit.ts'

/** A call for the queue. */
export interface LaterCall {
  readonly id: string
  readonly service: string
  readonly payload: Json
  readonly cid: string
  /** Milliseconds since 1970 */
  readonly dueAt: number
  readonly maxAttempts: number
  readonly deadlineMs: number
}

/** Resolves once the call is on disk. Rejects with ServiceUnavailable where it is not accepted, or with the reason of `signal`. */
export type Submit = (call: LaterCall, signal: AbortSignal) => Promise<void>

/** Where there is no queue, such as in a test of a service. */
export const noQueue: Submit = () => Promise.reject(new ServiceUnavailable('Cannot accept the call as there is no queue here'))

const maxPayloadBytes = 1_000_000
const defaultAttempts = 5
const mostAttempts = 100
const defaultDeadlineMs = 60_000
const longestDeadlineMs = 24 * 3_600_000
const longestDelayMs = 3_660 * 24 * 3_600_000

interface Later {
  readonly unit: Unit
  readonly submit: Submit
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly name: string
  readonly payload: unknown
}

export function invokeAsync(later: Later, options: AsyncOptions = {}): Promise<Accepted> {
  const { delay } = options
  const { now } = later
  return submitted(later, options, () => (delay === undefined ? now() : now() + within('delay', delay, longestDelayMs)))
}

export function scheduleOnce(later: Later, when: When): Promise<Accepted> {
  return submitted(later, when, () =>
    when.at === undefined ? later.now() + within('after', when.after, longestDelayMs) : timeOf(when.at, later.now()),
  )
}

async function submitted(
  { unit, submit, name, payload }: Later,
  { attempts = defaultAttempts, deadline }: Pick<AsyncOptions, 'attempts' | 'deadline'>,
  dueAt: () => number,
): Promise<Accepted> {
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > mostAttempts)
    throw new RangeError(`Cannot use attempts as it is ${attempts}: a whole number from 1 to ${mostAttempts} is accepted`)
  const deadlineMs = deadline === undefined ? defaultDeadlineMs : within('deadline', deadline, longestDeadlineMs)
  const at = dueAt()
  const json = jsonOf(name, payload)
  calleeOf(unit, name, json)
  const call = { id: randomUUID(), service: name, payload: json, cid: unit.cid, dueAt: at, maxAttempts: attempts, deadlineMs }
  await submit(call, unit.signal)
  return { id: call.id }
}

/** What the service will be given: the payload as JSON carries it. */
function jsonOf(name: string, payload: unknown): Json {
  let text: string | undefined
  try {
    text = JSON.stringify(payload)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new InvokeError('INVALID_PAYLOAD', `Cannot invoke "${name}" later as the payload cannot be written as JSON: ${reason}`)
  }
  if (text === undefined) return null
  if (Buffer.byteLength(text) > maxPayloadBytes)
    throw new InvokeError('INVALID_PAYLOAD', `Cannot invoke "${name}" later as the payload is larger than ${maxPayloadBytes} bytes of JSON`)
  return JSON.parse(text)
}

function within(what: string, duration: Duration, longestMs: number): number {
  const ms = durationMs(duration)
  if (ms >= 0 && ms <= longestMs) return ms
  const most = `${longestMs / 3_600_000}h`
  throw new RangeError(
    `Cannot use ${what} as it is "${duration}": a duration such as "500ms", "5s", "2m", "1h" up to "${most}" is accepted`,
  )
}

/** A time that has passed is now. */
function timeOf(at: Date | string, now: number): number {
  const ms = typeof at === 'string' ? Date.parse(at) : at.getTime()
  if (Number.isFinite(ms) && ms - now <= longestDelayMs) return ms
  throw new RangeError(`Cannot use at as it is "${String(at)}": a Date, or an ISO time such as "2026-01-31T08:00:00Z", is accepted`)
}
