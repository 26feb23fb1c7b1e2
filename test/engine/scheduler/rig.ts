// A scheduler over the real store, with a clock that a test sets and workers that a test answers for.

import { join } from 'node:path'
import { systemClock } from '../../../adapters/clock.ts'
import type { Clock } from '../../../adapters/port.ts'
import { messageOf } from '../../../adapters/redact.ts'
import { PersistentMap } from '../../../engine/generation/persistent-map.ts'
import { type Job, jobOf } from '../../../engine/scheduler/job.ts'
import { Scheduler } from '../../../engine/scheduler/scheduler.ts'
import type { Store } from '../../../engine/store/port.ts'
import type { RunRow } from '../../../engine/store/runs.ts'
import { openSqliteStore } from '../../../engine/store/sqlite.ts'
import type { Dispatch, Keeper } from '../../../engine/work/dispatch.ts'
import type { WorkOrder, WorkOutcome } from '../../../engine/work/order.ts'
import type { JsonObject } from '../../../schema/json.ts'
import type { Ref } from '../../../schema/ref.ts'
import { temporaryDirectory } from '../../directory.ts'
import { until } from '../../until.ts'
import { entryOf } from '../generation/fixtures.ts'

/** A wall clock that a test moves; sleeps are short and real, so that what waits looks at it again. */
export interface WallClock extends Clock {
  set(at: number): void
  /** Moves both clocks; `jump` moves the wall alone. */
  advance(ms: number): void
  jump(ms: number): void
  steady(): number
}

export function wallClock(startAt: string): WallClock {
  let wall = Date.parse(startAt)
  let steady = 0
  return {
    now: () => wall,
    steady: () => steady,
    set(at) {
      wall = at
    },
    advance(ms) {
      wall += ms
      steady += ms
    },
    jump(ms) {
      wall += ms
    },
    sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 1), signal),
  }
}

export type Answer = WorkOutcome | 'never'

export interface Workers extends Pick<Dispatch, 'run' | 'resume'> {
  /** Every order that reached a worker, in order. */
  readonly orders: WorkOrder[]
  readonly resumed: { readonly id: string; readonly life: string }[]
  /** What a run ends with; `never` leaves it open until `finish`. Default: done. */
  answer: (order: WorkOrder) => Answer
  finish(outcome?: WorkOutcome): Promise<void>
}

export const done: WorkOutcome = { kind: 'done', elapsedMs: 1, generation: 1, payload: null }
export const failed: WorkOutcome = { kind: 'failed', status: 500, problem: { detail: 'it broke' }, retryable: true, elapsedMs: 1 }
export const lost: WorkOutcome = { kind: 'lost', reason: 'the worker that had it died', mayHaveRun: true }

export function scriptedWorkers(life: string): Workers {
  const open: { readonly keeper: Pick<Keeper, 'ended'>; readonly resolve: (outcome: WorkOutcome) => void }[] = []
  const wait = (keeper: Pick<Keeper, 'ended'>) => new Promise<WorkOutcome>(resolve => open.push({ keeper, resolve }))
  const workers: Workers = {
    orders: [],
    resumed: [],
    answer: () => done,
    async run(order, keeper) {
      await keeper.taken(life)
      workers.orders.push(order)
      const answer = workers.answer(order)
      if (answer === 'never') return await wait(keeper)
      await keeper.ended(answer)
      return answer
    },
    resume(id, of, keeper) {
      workers.resumed.push({ id, life: of })
      return wait(keeper)
    },
    async finish(outcome = done) {
      for (const { keeper, resolve } of open.splice(0)) {
        await keeper.ended(outcome)
        resolve(outcome)
      }
    },
  }
  return workers
}

export interface Rig extends AsyncDisposable {
  readonly clock: WallClock
  readonly store: Store
  readonly workers: Workers
  readonly scheduler: Scheduler
  readonly events: string[]
  readonly errors: string[]
  /** Declares exactly these jobs. */
  declare(jobs: Readonly<Record<string, JsonObject>>): void
  /** Declares and starts. */
  start(jobs: Readonly<Record<string, JsonObject>>): Promise<void>
  /** The process ends without a word, and another begins; `jobs` are then declared. */
  crash(jobs?: Readonly<Record<string, JsonObject>>): Promise<void>
  rows(job?: string): Promise<readonly RunRow[]>
  /** Waits until so many rows ended. */
  settled(count: number): Promise<readonly RunRow[]>
}

export async function createRig(startAt = '2026-01-01T00:00:00.500Z'): Promise<Rig> {
  const directory = await temporaryDirectory()
  const store = await openSqliteStore(join(directory.path, 'plumb.db'))
  const clock = wallClock(startAt)
  const events: string[] = []
  const errors: string[] = []
  let lives = 0
  let declared: Readonly<Record<string, JsonObject>> = {}
  let views: PersistentMap<Ref, Job> = PersistentMap.of()
  let workers = scriptedWorkers('life-0')
  let scheduler = make()

  function make(): Scheduler {
    lives += 1
    workers = scriptedWorkers(`life-${lives}`)
    const life = lives
    let cid = 0
    return new Scheduler({
      store,
      dispatch: workers,
      clock,
      monotonic: clock.steady,
      random: () => 0.5,
      newCid: () => `cid-${life}-${++cid}`,
      announce: (type, body) => events.push(`${type} ${String(body.job ?? '')}`.trim()),
      log: { info: () => undefined, warn: () => undefined, error: (_fields, message) => errors.push(message) },
    })
  }

  function declare(jobs: Readonly<Record<string, JsonObject>>): void {
    let next: PersistentMap<Ref, Job> = PersistentMap.of()
    for (const [name, spec] of Object.entries(jobs)) {
      const ref = `scheduler/${name}` as Ref // a job's ref
      const isSame = JSON.stringify(declared[name]) === JSON.stringify(spec)
      const before = views.get(ref)
      const { resource } = entryOf(ref, { service: 'work', ...spec })
      next = next.with(ref, isSame && before ? before : jobOf({ resource, secrets: new Map() }))
    }
    declared = jobs
    views = next
    scheduler.serve(views)
  }

  async function begin(): Promise<void> {
    const lease = await store.acquireLease('scheduler:all', `life-${lives}`, 6_000, lives * 1_000_000)
    if (!lease) throw new Error('nobody else holds the lease')
    await scheduler.start(lease)
  }

  const rig: Rig = {
    clock,
    store,
    get workers() {
      return workers
    },
    get scheduler() {
      return scheduler
    },
    events,
    errors,
    declare,
    async start(jobs) {
      declare(jobs)
      await begin()
    },
    async crash(jobs = declared) {
      // A process that is gone writes nothing any more: its lease has another term from here on.
      const before = scheduler
      scheduler = make()
      declared = {}
      views = PersistentMap.of()
      declare(jobs)
      await store.releaseLease('scheduler:all', `life-${lives - 1}`, (await store.listLeases())[0]?.term ?? 0)
      await before.stop().catch(error => errors.push(messageOf(error)))
      await begin()
    },
    rows: async job => [...(await store.listRuns({ limit: 1000, ...(job === undefined ? {} : { job }) }))].reverse(),
    async settled(count) {
      let rows: readonly RunRow[] = []
      const isOpen = ({ state }: RunRow) => state === 'scheduled' || state === 'running'
      await until(async () => {
        rows = await rig.rows()
        return rows.filter(row => !isOpen(row)).length >= count
      }, `${count} rows have ended`)
      return rows
    },
    async [Symbol.asyncDispose]() {
      await scheduler.stop()
      await store[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    },
  }
  return rig
}

export function brief(rows: readonly RunRow[]): string[] {
  return rows.map(({ job, nominal, state, origin, count }) => {
    const at = new Date(nominal).toISOString().replace('.000Z', 'Z')
    return `${job} ${at} ${origin} ${state}${count > 1 ? ` ${count}` : ''}`
  })
}
