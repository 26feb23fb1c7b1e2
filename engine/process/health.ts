// What a worker tells of its live generation, for probation.

import type { KindName } from '../../schema/ref.ts'
import type { BuiltGeneration } from '../generation/built.ts'
import type { Counters } from '../plane/counters.ts'
import type { ServiceView } from '../service/unit.ts'
import type { Health } from './messages.ts'

export interface Judged {
  readonly live: BuiltGeneration
  readonly previousShare: number | null
  /** `performance.now()` when it went live. */
  readonly at: number
  readonly counters: Counters
  /** The kind whose views are services. */
  readonly kind: KindName
}

export function healthOf({ live, previousShare, at, counters, kind }: Judged): Health {
  const { requests, serverErrors, excused } = counters.window(live, at)
  const services: Record<string, { calls: number; unmapped: number }> = {}
  for (const ref of live.refsByKind.get(kind) ?? []) {
    const { first } = (live.resolve(ref) as Partial<ServiceView> | undefined)?.counters ?? { first: null } // a closed service has no counters
    if (first && first.calls > 0) services[ref] = { ...first }
  }
  return { generation: live.number, requests, serverErrors: serverErrors - excused, previousShare, services }
}
