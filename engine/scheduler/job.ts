// A job as one generation sees it.

import type { Declared } from '../../adapters/port.ts'
import { messageOf } from '../../adapters/redact.ts'
import { isObject, type Json, type JsonObject } from '../../schema/json.ts'
import type { Secret } from '../../schema/secret.ts'
import { type Times, timesOf } from './times.ts'

export interface Job {
  readonly name: string
  readonly service: string
  readonly times: Times
  /** Why it has none; null where it has. */
  readonly problem: string | null
  readonly repeats: number | null
  readonly payload: Json
  readonly jitterMs: number
  readonly deadlineMs: number
  readonly overlap: 'skip' | 'queue' | 'allow'
  readonly misfire: { readonly policy: 'skip' | 'once' | 'all'; readonly afterMs: number; readonly limit: number }
  /** `attempts` further ones. */
  readonly retry: { readonly attempts: number; readonly backoffMs: number }
  readonly onSuccess: Following
  readonly onError: Following
  /** They may stand in the payload, and so in what a service says of it. */
  readonly secrets: ReadonlyMap<string, Secret>
}

export interface Following {
  readonly service: string | null
  readonly job: string | null
}

export function jobOf({ resource: { name, spec }, secrets }: Declared): Job {
  const retry = isObject(spec.retry) ? spec.retry : null
  const { times, problem } = timesIn(spec)
  return {
    name,
    service: String(spec.service),
    times,
    problem,
    repeats: typeof spec.repeats === 'number' ? spec.repeats : null,
    payload: payloadOf(spec.extra),
    jitterMs: numberOf(spec, 'jitter_ms', 0),
    deadlineMs: numberOf(spec, 'max_execution_time_ms', 3_600_000),
    overlap: spec.overlap === 'queue' || spec.overlap === 'allow' ? spec.overlap : 'skip',
    misfire: {
      policy: spec.misfire === 'once' || spec.misfire === 'all' ? spec.misfire : 'skip',
      afterMs: numberOf(spec, 'misfire_after_ms', 60_000),
      limit: numberOf(spec, 'misfire_limit', 100),
    },
    retry: { attempts: retry ? numberOf(retry, 'attempts', 0) : 0, backoffMs: retry ? numberOf(retry, 'backoff_ms', 1_000) : 0 },
    onSuccess: followingOf(spec, 'on_success'),
    onError: followingOf(spec, 'on_error'),
    secrets,
  }
}

/** What this machine cannot read, such as a time zone it does not know any more, concerns that job alone. */
function timesIn(spec: JsonObject): Pick<Job, 'times' | 'problem'> {
  try {
    return { times: timesOf(spec), problem: null }
  } catch (error) {
    return { times: { next: () => null, identity: 'none', isOnce: false }, problem: messageOf(error) }
  }
}

/** Zato hands over text. A JSON object or list arrives as what it says, so that a service with a model can be a job's too. */
export function payloadOf(extra: Json | undefined): Json {
  const text = Array.isArray(extra) ? extra.join('\n') : typeof extra === 'string' ? extra : ''
  if (text.trim() === '') return {}
  if (!/^\s*[{[]/.test(text)) return text
  try {
    return JSON.parse(text) as Json
  } catch {
    return text // it only begins like JSON
  }
}

function followingOf(spec: JsonObject, when: 'on_success' | 'on_error'): Following {
  return { service: textOf(spec, `${when}_service`), job: textOf(spec, `${when}_job`) }
}

function textOf(spec: JsonObject, field: string): string | null {
  const value = spec[field]
  return typeof value === 'string' && value !== '' ? value : null
}

function numberOf(spec: JsonObject, field: string, fallback: number): number {
  const value = spec[field]
  return typeof value === 'number' ? value : fallback
}
