// The store's part for jobs: what each run became, and how far each job has come.

import type { HeldLease } from '../../adapters/port.ts'

/**
 * - `scheduled` it waits: for another run, for its next attempt, or to be handed out
 * - `running` a worker has it, or had when control was last there
 * - `done`, `failed` it ended
 * - `unknown` it was interrupted: it may have run, wholly or in part
 * - `skipped` it never began
 */
export type RunState = 'scheduled' | 'running' | 'done' | 'failed' | 'unknown' | 'skipped'

/**
 * - `time` its time came
 * - `missed` its time passed while nothing could run
 * - `manual` somebody asked for it
 * - `follow-up` another run ended
 */
export type RunOrigin = 'time' | 'missed' | 'manual' | 'follow-up'

/** There is one row for a job and nominal time, ever. Times are in milliseconds since the epoch. */
export interface RunRow {
  readonly job: string
  readonly nominal: number
  readonly service: string
  readonly origin: RunOrigin
  /** Who asked, or the nominal time of the run of the same job that it follows; else null. */
  readonly by: string | null
  readonly state: RunState
  /** 1 for the first. */
  readonly attempt: number
  /** When this attempt is to begin. */
  readonly dueAt: number
  readonly startedAt: number | null
  readonly endedAt: number | null
  /** Life of the worker that has it. */
  readonly life: string | null
  readonly cid: string
  readonly reason: string | null
  /** How many times the row stands for: more than 1 where missed ones are told as one. */
  readonly count: number
}

export type RunKey = Pick<RunRow, 'job' | 'nominal'>

export interface JobState {
  readonly job: string
  /** Digest of what its times follow from; null while it is not declared. */
  readonly times: string | null
  /** When those times were first live. */
  readonly anchor: number
  /** No time up to here is looked at again after a restart. */
  readonly cursor: number
  /** How many runs its times led to. */
  readonly fires: number
  /** No nominal time up to here is ever run: its row may be gone. */
  readonly prunedTo: number
  readonly pause: { readonly by: string; readonly at: string; readonly note: string } | null
}

export interface RunStore {
  /**
   * Writes rows that are not there yet; says of each whether it was. Advances the job by those that its times led to.
   * Null, with nothing written, where `lease` is not held under that term any more.
   */
  putRuns(lease: HeldLease, rows: readonly RunRow[]): Promise<readonly boolean[] | null>
  /**
   * Writes down that a worker is about to get the row: one that is not there yet, waits, or is of the same attempt and was not taken by
   * another. `known`: it has run, or must not. `fenced`: as with `putRuns`.
   */
  takeRun(lease: HeldLease, row: RunRow): Promise<'taken' | 'known' | 'fenced'>
  /**
   * Ends an attempt, and with it writes the rows that follow, each at the next nominal time that its job has free. False, with nothing
   * written, where that attempt has ended.
   */
  endRun(
    key: RunKey & Pick<RunRow, 'attempt'>,
    end: Pick<RunRow, 'state' | 'endedAt' | 'reason'> & { readonly next?: Pick<RunRow, 'attempt' | 'dueAt'> },
    following: readonly RunRow[],
  ): Promise<readonly RunRow[] | false>
  getRun(key: RunKey): Promise<RunRow | undefined>
  /** Those that wait or run. */
  openRuns(): Promise<readonly RunRow[]>
  /** Latest nominal time first, jobs of one time by name; only those behind `after` where given. `limit` 1 to 1000. */
  listRuns(query: { readonly job?: string; readonly limit: number; readonly after?: RunKey }): Promise<readonly RunRow[]>
  /** Of each job with a state, the latest that was done, failed or is unknown. */
  lastRuns(): Promise<readonly RunRow[]>
  putJobStates(states: readonly JobState[]): Promise<void>
  /** Of a job that has a state. With `cursor`, no time up to there is looked at. */
  setPause(job: string, pause: JobState['pause'], cursor?: number): Promise<void>
  listJobStates(): Promise<readonly JobState[]>
  /** Removes ended rows before that time, save the newest `keep` of each job, and the states of jobs that have neither rows nor times. */
  pruneRuns(before: number, keep: number): Promise<number>
}
