// The passes of reconciliation, counted: how they ended, and how long each phase took.

import { counter, gauge, histogram, histogramSamples, type MetricSource } from '../../engine/metrics/family.ts'
import type { SyncOutcome } from './outcome.ts'

export interface PassMetrics extends MetricSource {
  /** A pass ended. `at` in milliseconds since 1970. */
  count(outcome: SyncOutcome, at: number): void
}

const passes = counter('plumb_reconcile_total', 'Passes of reconciliation, by how they ended', ['outcome'])
const phaseDuration = histogram('plumb_reconcile_phase_duration_seconds', 'Time that the phases of a pass took', ['phase'])
const lastGood = gauge(
  'plumb_reconcile_last_success_timestamp_seconds',
  'When the last pass ended that left nothing to do, in seconds since 1970',
)

const outcomes = ['live', 'nothing', 'held', 'refused', 'failed'] as const satisfies readonly SyncOutcome['kind'][]
const boundsMs = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000]

export function createPassMetrics(): PassMetrics {
  const ended = new Map<SyncOutcome['kind'], number>(outcomes.map(kind => [kind, 0]))
  const phases = new Map<string, { readonly buckets: number[]; totalMs: number }>()
  let lastGoodAt: number | null = null
  return {
    metrics: [passes, phaseDuration, lastGood],
    count(outcome, at) {
      ended.set(outcome.kind, (ended.get(outcome.kind) ?? 0) + 1)
      if (outcome.kind === 'live' || outcome.kind === 'nothing') lastGoodAt = at
      for (const [phase, elapsedMs] of Object.entries(outcome.phases)) {
        const tally = phases.get(phase) ?? { buckets: new Array<number>(boundsMs.length + 1).fill(0), totalMs: 0 }
        const found = boundsMs.findIndex(bound => elapsedMs <= bound)
        const bucket = found < 0 ? boundsMs.length : found
        tally.buckets[bucket] = (tally.buckets[bucket] ?? 0) + 1
        tally.totalMs += elapsedMs
        phases.set(phase, tally)
      }
    },
    async collect() {
      return [
        { metric: passes, samples: [...ended].map(([outcome, value]) => ({ labels: { outcome }, value })) },
        { metric: phaseDuration, samples: [...phases].flatMap(([phase, tally]) => histogramSamples({ phase }, tally, boundsMs)) },
        { metric: lastGood, samples: lastGoodAt === null ? [] : [{ labels: {}, value: lastGoodAt / 1_000 }] },
      ]
    },
  }
}
