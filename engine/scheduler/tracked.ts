// A job as the scheduler follows it: what is declared, how far it has come, and which of its runs are under way.

import type { JobState, RunRow } from '../store/runs.ts'
import type { Job } from './job.ts'

export interface Tracked {
  job: Job
  state: JobState
  /** Its next time; null where it has none, or is paused. */
  next: number | null
  /** What the agenda holds of an earlier version is void. */
  version: number
  /** Runs of it that are under way, pauses between attempts included. */
  readonly underWay: Set<number>
  readonly waiting: RunRow[]
  /** Whose times came, and which no worker is free for yet: they are not on disk. */
  readonly unwritten: Map<number, RunRow>
  /** Why it has no times; null where it has. */
  problem: string | null
  /** The latest that ended since its row was read. */
  last: RunRow | null
}

export function trackedOf(job: Job): Tracked {
  const state = { job: job.name, times: null, anchor: 0, cursor: 0, fires: 0, prunedTo: Number.MIN_SAFE_INTEGER, pause: null }
  return { job, state, next: null, version: 0, underWay: new Set(), waiting: [], unwritten: new Map(), problem: null, last: null }
}

/** How far a job has come whose times are new at `now`. `before` is what is known of it under other times. */
export function firstState({ name, times, misfire }: Job, before: JobState | undefined, now: number): JobState {
  return {
    job: name,
    times: times.identity,
    anchor: now,
    // What is declared for this very moment is due. Once is once: it may have been meant for the moment its revision was on its way.
    cursor: now - 1 - (times.isOnce ? misfire.afterMs : 0),
    fires: 0,
    prunedTo: before?.prunedTo ?? Number.MIN_SAFE_INTEGER,
    pause: before?.pause ?? null,
  }
}

/** A row of a run of the job that is about to be written. */
export function rowOf({ job }: Tracked, given: Pick<RunRow, 'nominal' | 'origin' | 'state' | 'cid'> & Partial<RunRow>): RunRow {
  return {
    job: job.name,
    service: job.service,
    by: null,
    attempt: 1,
    dueAt: given.nominal,
    startedAt: null,
    endedAt: null,
    life: null,
    reason: null,
    count: 1,
    ...given,
  }
}
