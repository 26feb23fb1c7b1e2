// One run from its row to its outcome. The row is on disk before a worker hears of it, so that nothing starts twice; how it ended, and
// what follows from that, is on disk before its worker forgets it.

import type { Clock, HeldLease } from '../../adapters/port.ts'
import { messageOf, redact } from '../../adapters/redact.ts'
import type { Json } from '../../schema/json.ts'
import type { RunRow, RunStore } from '../store/runs.ts'
import type { Dispatch, Keeper } from '../work/dispatch.ts'
import type { WorkOrder, WorkOutcome } from '../work/order.ts'
import type { Following, Job } from './job.ts'

export interface RunnerOptions {
  readonly store: Pick<RunStore, 'takeRun' | 'endRun' | 'getRun'>
  readonly dispatch: Pick<Dispatch, 'run' | 'resume'>
  readonly clock: Clock
  /** Null once this process may start nothing more. */
  readonly lease: () => HeldLease | null
  readonly newCid: () => string
  /** A worker is about to get it, its row is on disk. */
  readonly onBegun: (row: RunRow) => void
  /** `row` as it is on disk: ended, or waiting for its next attempt. */
  readonly onEnded: (row: RunRow, following: readonly RunRow[]) => void
  /** It did not start: its row says that it has run, or this process may start nothing. */
  readonly onRefused: (row: RunRow, why: 'known' | 'stopped') => void
}

export interface Runner {
  begin(row: RunRow, job: Job): void
  /** Hears of a run that an earlier process handed out. `job` is null where it is not declared any more. */
  resume(row: RunRow, job: Job | null): void
  /** Whether this process waits for how it ends. */
  isHeld(row: RunRow): boolean
}

const longestBackoffMs = 3_600_000

export function createRunner(options: RunnerOptions): Runner {
  const { store, dispatch, clock } = options
  const held = new Set<string>()

  return {
    begin(row, job) {
      held.add(keyOf(row))
      void run(row, job)
    },
    resume(row, job) {
      held.add(keyOf(row))
      void hear(row, keeper => dispatch.resume(orderId(row), row.life ?? '', keeper), job)
    },
    isHeld: row => held.has(keyOf(row)),
  }

  async function run(row: RunRow, job: Job): Promise<void> {
    const lease = options.lease()
    let refusal: 'known' | 'stopped' = 'stopped'
    let begun = row
    const taken = async (life: string) => {
      if (lease === null || options.lease() !== lease) throw new Error('Cannot start the run as this process may start nothing')
      begun = { ...row, state: 'running', life, startedAt: clock.now() }
      const answer = await store.takeRun(lease, begun)
      if (answer === 'taken') return options.onBegun(begun)
      if (answer === 'known') refusal = 'known'
      throw new Error(`Cannot start the run as it is ${answer}`)
    }
    try {
      const order = await orderOf(row, job)
      await hear(
        row,
        keeper => dispatch.run(order, { ...keeper, taken }),
        job,
        () => begun,
      )
    } catch {
      // Said by `taken` above, by a store that does not write, or by a server that stops: the row says what became of it.
      held.delete(keyOf(row))
      options.onRefused(row, refusal)
    }
  }

  async function hear(
    row: RunRow,
    ask: (keeper: Pick<Keeper, 'ended'>) => Promise<WorkOutcome>,
    job: Job | null,
    latest: () => RunRow = () => row,
  ): Promise<void> {
    let ended: { readonly row: RunRow; readonly following: readonly RunRow[] } | null = null
    await ask({
      async ended(outcome) {
        const end = endOf(latest(), job, outcome, clock.now())
        const written = await store.endRun(row, { ...end, next: { attempt: end.attempt, dueAt: end.dueAt } }, followingOf(end, job))
        ended ??= { row: end, following: written || [] }
      },
    })
    held.delete(keyOf(row))
    // The only assignment is in a function, which TypeScript does not follow.
    const found = ended as { readonly row: RunRow; readonly following: readonly RunRow[] } | null
    if (found) options.onEnded(found.row, found.following)
  }

  async function orderOf(row: RunRow, job: Job): Promise<WorkOrder> {
    const { attempt, cid, service, nominal } = row
    const payload = isAside(row) ? await outcomePayload(row) : job.payload
    return {
      id: orderId(row),
      service,
      payload,
      cid,
      deadlineMs: job.deadlineMs,
      delivery: {
        kind: 'job',
        id: keyOf(row),
        attempt,
        redelivered: attempt > 1,
        job: row.job,
        nominalAt: new Date(nominal).toISOString(),
      },
    }
  }

  /** Of the run that it follows. */
  async function outcomePayload({ job, by }: RunRow): Promise<Json> {
    const before = await store.getRun({ job, nominal: Number(by) })
    return {
      job,
      nominal_at: new Date(Number(by)).toISOString(),
      outcome: before?.state ?? 'unknown',
      attempts: before?.attempt ?? 1,
      reason: before?.reason ?? null,
    }
  }

  function followingOf(end: RunRow, job: Job | null): RunRow[] {
    if (job === null || isAside(end) || end.state === 'scheduled') return []
    const { service, job: next }: Following = end.state === 'done' ? job.onSuccess : job.onError
    const at = end.endedAt ?? clock.now()
    const row = {
      nominal: at,
      origin: 'follow-up',
      state: 'scheduled',
      attempt: 1,
      dueAt: at,
      startedAt: null,
      endedAt: null,
      life: null,
      cid: end.cid,
      reason: null,
      count: 1,
    } as const
    return [
      ...(service === null ? [] : [{ ...row, job: end.job, service, by: String(end.nominal) }]),
      // Its service is that of the job when it begins.
      ...(next === null ? [] : [{ ...row, job: next, service: '', by: keyOf(end) }]),
    ]
  }
}

/** Runs a service beside the job that its row is told under: what is called with the outcome of a run. */
export function isAside({ origin, by }: RunRow): boolean {
  return origin === 'follow-up' && by !== null && /^\d+$/.test(by)
}

export function keyOf({ job, nominal }: Pick<RunRow, 'job' | 'nominal'>): string {
  return `${job}@${new Date(nominal).toISOString()}`
}

function orderId(row: RunRow): string {
  return `job:${keyOf(row)}#${row.attempt}`
}

function endOf(row: RunRow, job: Job | null, outcome: WorkOutcome, now: number): RunRow {
  if (outcome.kind === 'done') return { ...row, state: 'done', endedAt: now, reason: null }
  if (outcome.kind === 'lost' && !outcome.mayHaveRun) return { ...row, state: 'scheduled', dueAt: now, reason: null }
  const reason = redact(reasonOf(outcome), job?.secrets.values() ?? [])
  const isRetryable = outcome.kind === 'lost' || outcome.retryable
  const attempts = isAside(row) ? 0 : (job?.retry.attempts ?? 0)
  if (job && isRetryable && row.attempt <= attempts) {
    const pauseMs = Math.min(longestBackoffMs, job.retry.backoffMs * 2 ** (row.attempt - 1))
    return { ...row, state: 'scheduled', attempt: row.attempt + 1, dueAt: now + pauseMs, endedAt: now, reason }
  }
  return { ...row, state: outcome.kind === 'lost' ? 'unknown' : 'failed', endedAt: now, reason }
}

function reasonOf(outcome: Exclude<WorkOutcome, { kind: 'done' }>): string {
  if (outcome.kind === 'lost') return outcome.reason
  const { detail, title } = outcome.problem
  return messageOf(detail ?? title ?? `the service answered ${outcome.status}`)
}
