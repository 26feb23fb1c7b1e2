// The way of a request to its service, as far as its head decides: canonicalise → match → authenticate → read the query.
// It takes the live generation once; what it returns belongs to that generation alone.

import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import type { JsonObject } from '../../schema/json.ts'
import type { Generation } from '../generation/generation.ts'
import type { Caller, ServiceView } from '../service/unit.ts'
import { admissionTo } from './admission.ts'
import { serviceOf } from './bound-service.ts'
import { canonicalTarget } from './canonical.ts'
import { parseQuery, type Query } from './query.ts'
import type { RequestHead } from './request-head.ts'
import type { Route } from './route.ts'

export type Passage =
  | {
      readonly kind: 'passed'
      readonly generation: Generation
      readonly route: Route
      readonly service: ServiceView
      /** Canonical. */
      readonly path: string
      readonly params: Readonly<Record<string, string>>
      readonly query: Query
      readonly caller: Caller | null
    }
  | ({ readonly kind: 'refused'; readonly generation: Generation | null; readonly route: Route | null } & Refusal)
  /** Every server answers it by itself; counted nowhere. */
  | { readonly kind: 'built in'; readonly status: number; readonly body: JsonObject }

export interface Refusal {
  readonly status: number
  readonly detail: string
  /** Names and values in turn. */
  readonly headers: readonly string[]
}

/** What a passage asks of its plane. */
export interface Gate {
  /** The generation a request that starts at this instant runs on; null while none is live. */
  select(): Generation | null
  /** Answers the paths every server has; null where `path` is none of them. */
  builtIn(path: string): { readonly status: number; readonly body: JsonObject } | null
  readonly maxQueryParameters: number
}

export const retryAfter: readonly string[] = ['Retry-After', '5']

export function passageOf(gate: Gate, request: IncomingMessage, head: RequestHead): Passage {
  const target = canonicalTarget(request.url ?? '', head.host)
  if (target.kind === 'refused') return refused(null, null, 400, `route the target as ${target.detail}`)
  const { path } = target
  const method = request.method ?? ''
  const builtIn = gate.builtIn(path)
  if (builtIn !== null) {
    if (method === 'GET' || method === 'HEAD') return { kind: 'built in', ...builtIn }
    return refused(null, null, 405, 'answer as this path takes only GET', ['Allow', 'GET, HEAD'])
  }
  const generation = gate.select()
  if (generation === null) return refused(null, null, 503, 'answer as no generation is live yet', retryAfter)
  const match = generation.router.match(method, path)
  if (match.kind === 'none') return refused(generation, null, 404, 'answer as no channel has this path')
  if (match.kind === 'method') {
    const allow = match.allow.join(', ')
    return refused(generation, null, 405, `answer as no channel of this path takes the method "${method}": it takes ${allow}`, [
      'Allow',
      allow,
    ])
  }
  const { route, params } = match
  const service = serviceOf(route.service, generation)
  // A closed channel says so before it asks who calls, and first why it is closed itself.
  if (service.kind === 'closed' && route.closed === null) return refused(generation, route, 503, `answer as ${service.reason}`, retryAfter)
  const admission = admissionTo(route, request)
  if (admission.kind === 'refused') {
    const headers = admission.status === 503 ? retryAfter : admission.challenges.flatMap(challenge => ['WWW-Authenticate', challenge])
    return refused(generation, route, admission.status, `answer as ${admission.detail}`, headers)
  }
  assert(service.kind === 'open', 'a route that is closed admits nobody')
  const parsed = parseQuery(target.query, gate.maxQueryParameters)
  if ('problem' in parsed) return refused(generation, route, 400, `read the query as ${parsed.problem}`)
  return { kind: 'passed', generation, route, service: service.view, path, params, query: parsed.query, caller: admission.caller }
}

function refused(
  generation: Generation | null,
  route: Route | null,
  status: number,
  reason: string,
  headers: readonly string[] = noHeaders,
): Passage {
  return { kind: 'refused', generation, route, status, detail: `Cannot ${reason}`, headers }
}

const noHeaders: readonly string[] = []
