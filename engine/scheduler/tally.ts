// Counts of what jobs did since this process began, for metrics.

import type { RunState } from '../store/runs.ts'

type Counted = Exclude<RunState, 'scheduled' | 'running'>

export interface JobsSnapshot {
  readonly runs: readonly { readonly job: string; readonly outcome: Counted; readonly count: number }[]
  /** From the time a run was due to its going to a worker: `counts[i]` of them took `boundsMs[i]` at most, the last one longer. */
  readonly lateness: { readonly boundsMs: readonly number[]; readonly counts: readonly number[]; readonly sumMs: number }
}

export interface Tally {
  ended(job: string, outcome: Counted, count?: number): void
  began(latenessMs: number): void
  snapshot(): JobsSnapshot
}

const boundsMs = [5, 10, 20, 50, 100, 250, 500, 1_000, 5_000, 30_000, 60_000]

export function createTally(): Tally {
  const runs = new Map<string, Partial<Record<Counted, number>>>()
  const counts = Array.from({ length: boundsMs.length + 1 }, () => 0)
  let sumMs = 0
  return {
    ended(job, outcome, count = 1) {
      const ofJob = runs.get(job) ?? {}
      ofJob[outcome] = (ofJob[outcome] ?? 0) + count
      runs.set(job, ofJob)
    },
    began(latenessMs) {
      const at = boundsMs.findIndex(bound => latenessMs <= bound)
      const index = at < 0 ? boundsMs.length : at
      counts[index] = (counts[index] ?? 0) + 1
      sumMs += Math.max(0, latenessMs)
    },
    snapshot: () => ({
      runs: [...runs].flatMap(
        ([job, ofJob]) => Object.entries(ofJob).map(([outcome, count]) => ({ job, outcome: outcome as Counted, count })), // its keys are outcomes
      ),
      lateness: { boundsMs, counts: [...counts], sumMs },
    }),
  }
}
