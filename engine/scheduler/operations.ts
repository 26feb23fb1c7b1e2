// What people ask of the scheduler: which jobs there are, how they fare, and a run at once.

import type { JsonObject } from '../../schema/json.ts'
import { refOf } from '../../schema/ref.ts'
import type { JobOperations } from '../admin/jobs-port.ts'
import { type Actor, Refusal } from '../admin/port.ts'
import type { Manifest } from '../generation/manifest.ts'
import type { RunKey, RunRow, RunStore } from '../store/runs.ts'
import { jobKind } from './adapter.ts'
import type { Scheduler } from './scheduler.ts'
import type { Tracked } from './tracked.ts'

export interface JobOperationsOptions {
  readonly scheduler: Scheduler
  readonly store: Pick<RunStore, 'listRuns'>
  readonly live: () => Manifest
  readonly now: () => number
}

const nextShown = 5
const runsShown = 10

export function createJobOperations({ scheduler, store, live, now }: JobOperationsOptions): JobOperations {
  return {
    async list({ limit, after }) {
      const names: string[] = []
      for (const { resource } of live().entries.values()) if (resource.kind === jobKind) names.push(resource.name)
      names.sort()
      const from = after === undefined ? 0 : names.findIndex(name => name > after)
      const shown = from < 0 ? [] : names.slice(from, from + limit)
      const last = shown.at(-1)
      return { jobs: shown.map(rowOf), next: last !== undefined && last !== names.at(-1) ? last : null }
    },
    async show(name) {
      declared(name)
      const tracked = scheduler.tracked(name)
      const runs = await store.listRuns({ job: name, limit: runsShown })
      return { ...rowOf(name), nextRuns: tracked ? nextOf(tracked) : [], lastRuns: runs.map(runOf) }
    },
    async runs({ job, limit, after }) {
      if (job !== undefined) declared(job)
      const runs = await store.listRuns({
        ...(job === undefined ? {} : { job }),
        limit,
        ...(after === undefined ? {} : { after: placeOf(after) }),
      })
      const last = runs.at(-1)
      return { runs: runs.map(runOf), next: last && runs.length === limit ? `${new Date(last.nominal).toISOString()} ${last.job}` : null }
    },
    async run(name, actor) {
      const row = await scheduler.runNow(trackedOf(name), actor.name)
      if (row === null)
        throw new Refusal(
          409,
          'JOB_RUNNING',
          `Cannot run job ${JSON.stringify(name)} as a run of it is under way and its overlap is skip; try again when it has ended`,
        )
      return { run: runOf(row) }
    },
    async pause({ job, note }, actor) {
      await scheduler.pause(trackedOf(job), { by: actor.name, at: new Date(now()).toISOString(), note })
      return rowOf(job)
    },
    async resume(name, actor: Actor) {
      const tracked = trackedOf(name)
      if (!tracked.state.pause) throw new Refusal(409, 'JOB_NOT_PAUSED', `Cannot resume job ${JSON.stringify(name)} as it is not paused`)
      await scheduler.resume(tracked, actor.name)
      return rowOf(name)
    },
  }

  function entryOf(name: string) {
    return live().entries.get(refOf(jobKind, name))
  }

  /** @throws Refusal 404 */
  function declared(name: string): void {
    if (!entryOf(name))
      throw new Refusal(404, 'NOT_FOUND', `Cannot find job ${JSON.stringify(name)} among what is live; plumb jobs lists them`)
  }

  /** @throws Refusal 404, 409 */
  function trackedOf(name: string): Tracked {
    declared(name)
    const tracked = scheduler.tracked(name)
    if (tracked && scheduler.isActive) return tracked
    const { state, condition } = stateOf(name)
    throw new Refusal(
      409,
      'JOB_NOT_ACTIVE',
      `Cannot do this to job ${JSON.stringify(name)} as it is ${state}${condition === null ? '' : `: ${condition}`}`,
    )
  }

  function stateOf(name: string): { readonly state: string; readonly condition: string | null } {
    const entry = entryOf(name)
    const tracked = scheduler.tracked(name)
    if (entry?.resource.spec.is_active === false) return { state: 'inactive', condition: 'is_active is false' }
    if (entry?.resource.closed) return { state: 'closed', condition: entry.resource.closed }
    if (!tracked || !scheduler.isActive) return { state: 'starting', condition: 'this server does not hold the lease of the jobs yet' }
    if (tracked.problem !== null) return { state: 'failing', condition: tracked.problem }
    const { pause } = tracked.state
    if (pause) return { state: 'paused', condition: `by ${pause.by} since ${pause.at}: ${pause.note}` }
    const isFailing = tracked.last?.state === 'failed' || tracked.last?.state === 'unknown'
    const condition = isFailing ? (tracked.last?.reason ?? null) : null
    if (tracked.underWay.size > 0) return { state: 'running', condition }
    if (isFailing) return { state: 'failing', condition }
    return { state: tracked.next === null ? 'finished' : 'waiting', condition }
  }

  function rowOf(name: string): JsonObject {
    const entry = entryOf(name)
    const tracked = scheduler.tracked(name)
    return {
      name,
      service: String(entry?.resource.spec.service ?? ''),
      type: String(entry?.resource.spec.job_type ?? ''),
      ...stateOf(name),
      pause: tracked?.state.pause ?? null,
      next: timeOf(tracked?.next ?? null),
      running: tracked?.underWay.size ?? 0,
      waiting: tracked?.waiting.length ?? 0,
      runs: tracked?.state.fires ?? 0,
      last: tracked?.last ? runOf(tracked.last) : null,
    }
  }

  function nextOf({ job, state, next }: Tracked): string[] {
    const times: string[] = []
    const left = job.repeats === null ? nextShown : Math.min(nextShown, job.repeats - state.fires)
    for (let at = next; at !== null && times.length < left; at = job.times.next(at, state.anchor)) times.push(new Date(at).toISOString())
    return times
  }
}

function runOf(row: RunRow): JsonObject {
  const { job, nominal, service, origin, by, state, attempt, startedAt, endedAt, cid, reason, count } = row
  return {
    job,
    nominal: new Date(nominal).toISOString(),
    service,
    origin,
    by,
    state,
    attempt,
    dueAt: timeOf(row.dueAt),
    startedAt: timeOf(startedAt),
    endedAt: timeOf(endedAt),
    latenessMs: startedAt === null ? null : startedAt - row.dueAt,
    elapsedMs: startedAt === null || endedAt === null ? null : endedAt - startedAt,
    cid,
    reason,
    count,
  }
}

/** A time, and the job of it that a page ended with. */
function placeOf(after: string): RunKey {
  const [time = ''] = after.split(' ', 1)
  const nominal = Date.parse(time)
  if (Number.isNaN(nominal))
    throw new Refusal(400, 'REQUEST_INVALID', 'Cannot take the request as "after" of its query is no time that exists')
  return { nominal, job: after.slice(time.length + 1) }
}

function timeOf(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString()
}
