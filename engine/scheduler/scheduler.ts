// The scheduler of an environment: which job is due when, and what is done about it. It lives while it holds the lease of its name,
// and goes on from what is on disk: how far each job has come, and which runs nobody has ended yet.
// That no nominal time is run twice is the store's word alone, whatever the clock says.

import type { Clock, HeldLease, Log } from '../../adapters/port.ts'
import { messageOf } from '../../adapters/redact.ts'
import type { Ref } from '../../schema/ref.ts'
import { createSlices } from '../generation/slice.ts'
import type { JobState, RunRow, RunStore } from '../store/runs.ts'
import type { Dispatch } from '../work/dispatch.ts'
import { type Agenda, createAgenda } from './agenda.ts'
import type { Job } from './job.ts'
import { dueAt, judgeDue, type Verdict } from './missed.ts'
import { createNotices } from './notices.ts'
import { Roster } from './roster.ts'
import { createRunner, isAside, type Runner } from './runner.ts'
import { createTally, type JobsSnapshot, type Tally } from './tally.ts'
import { createTimekeeper, type Timekeeper } from './timekeeper.ts'
import { rowOf, type Tracked } from './tracked.ts'

export interface SchedulerOptions {
  readonly store: RunStore
  readonly dispatch: Pick<Dispatch, 'run' | 'resume'>
  readonly clock: Clock
  readonly log: Log
  readonly announce: (type: string, body: Readonly<Record<string, string | number | boolean | null>>) => void
  readonly newCid: () => string
  /** Milliseconds that never jump; default `performance.now`. */
  readonly monotonic?: () => number
  /** From 0 up to 1, for jitter; default `Math.random`. */
  readonly random?: () => number
}

type Item = { readonly tracked: Tracked; readonly version: number } | { readonly row: RunRow }

/** After so long a row that could not be written is tried again. */
const againMs = 500
const pruneEveryMs = 600_000
/** Rows are kept so long, and the newest of each job for ever. */
const keptMs = 2 * 3_600_000
const keptRows = 100

export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #tally: Tally = createTally()
  readonly #agenda: Agenda<Item> = createAgenda()
  readonly #runner: Runner
  readonly #timekeeper: Timekeeper
  readonly #tell: (type: string, row: RunRow) => void
  readonly #roster: Roster
  #wanted: ReadonlyMap<Ref, Job> = new Map()
  #lease: HeldLease | null = null
  #stopping: AbortController | null = null
  #turn: Promise<void> = Promise.resolve()
  #loop: Promise<void> = Promise.resolve()
  #isEnding = false
  #prunedAt = 0

  constructor(options: SchedulerOptions) {
    this.#options = options
    const { store, clock, monotonic, announce } = options
    this.#roster = new Roster({ store, now: clock.now })
    this.#tell = createNotices({ announce, now: clock.now })
    this.#timekeeper = createTimekeeper({
      agenda: this.#agenda,
      clock,
      monotonic,
      meet: item => this.#meetSafely(item),
      wentBack: byMs => this.#inTurn(() => this.#goBack(byMs)).catch(() => undefined), // it is logged by the turn
      looked: now => {
        if (now - this.#prunedAt >= pruneEveryMs || now < this.#prunedAt) void this.#prune(now)
      },
    })
    this.#runner = createRunner({
      ...options,
      lease: () => this.#lease,
      onBegun: row => {
        this.#roster.get(row.job)?.unwritten.delete(row.nominal)
        if (row.attempt === 1) this.#tally.began((row.startedAt ?? row.dueAt) - row.dueAt)
      },
      onEnded: (row, following) => this.#ended(row, following),
      onRefused: (row, why) => this.#refused(row, why),
    })
  }

  /** Which jobs there are from now on. */
  serve(jobs: ReadonlyMap<Ref, Job>): void {
    this.#wanted = jobs
    if (this.#lease) void this.#inTurn(() => this.#adopt())
  }

  /** Goes on from what is on disk. Rejects where the store cannot be read. */
  async start(lease: HeldLease): Promise<void> {
    const { store } = this.#options
    await this.#loop
    const [states, last, open] = [await store.listJobStates(), await store.lastRuns(), await store.openRuns()]
    this.#roster.begin(states)
    this.#agenda.clear()
    this.#lease = lease
    this.#stopping = new AbortController()
    try {
      await this.#inTurn(async () => {
        await this.#adopt()
        await this.#roster.forgetUndeclared()
        for (const row of last) {
          const tracked = this.#roster.get(row.job)
          if (tracked) tracked.last = row
        }
        for (const row of open) await this.#goOn(row)
      })
    } catch (error) {
      this.#lease = null
      throw error
    }
    this.#loop = this.#timekeeper.keep(this.#stopping.signal)
  }

  /** Starts nothing more. What workers have goes on, and is written down when it ends. */
  async stop(): Promise<void> {
    this.#lease = null
    this.#stopping?.abort(new Error('The scheduler was stopped'))
    await Promise.all([this.#loop, this.#turn])
  }

  /** The process ends: that nothing is served any more is not the jobs' end. */
  end(): void {
    this.#isEnding = true
  }

  /** Nothing is declared any more. */
  async abandon(): Promise<void> {
    if (this.#isEnding) return
    this.#wanted = new Map()
    await this.#roster.abandon().catch(error => this.#logStore(error))
  }

  snapshot(): JobsSnapshot {
    return this.#tally.snapshot()
  }

  get isActive(): boolean {
    return this.#lease !== null
  }

  tracked(name: string): Tracked | undefined {
    return this.#roster.get(name)
  }

  /** Runs the job once, however it is paused or finished. Null where a run is under way that it may not overlap. */
  async runNow(tracked: Tracked, by: string): Promise<RunRow | null> {
    if (tracked.job.overlap === 'skip' && tracked.underWay.size > 0) return null
    const now = this.#options.clock.now()
    for (let nominal = now; this.#lease; nominal++) {
      const row = this.#rowOf(tracked, nominal, { origin: 'manual', by, state: 'scheduled' })
      const [isNew] = (await this.#options.store.putRuns(this.#lease, [row])) ?? [true]
      if (!isNew) continue
      this.#offer(tracked, row)
      return row
    }
    throw new Error('Cannot run the job as this server holds no lease for it at present')
  }

  async pause(tracked: Tracked, pause: NonNullable<JobState['pause']>): Promise<void> {
    await this.#options.store.setPause(tracked.job.name, pause)
    tracked.state = { ...tracked.state, pause }
    this.#plan(tracked)
    this.#options.announce('job.paused', { job: tracked.job.name, actor: pause.by, note: pause.note })
  }

  /** Times that passed meanwhile are not made up for. */
  async resume(tracked: Tracked, by: string): Promise<void> {
    const cursor = this.#options.clock.now()
    await this.#options.store.setPause(tracked.job.name, null, cursor)
    tracked.state = { ...tracked.state, pause: null, cursor: Math.max(cursor, tracked.state.cursor) }
    this.#plan(tracked)
    this.#timekeeper.wake()
    this.#options.announce('job.resumed', { job: tracked.job.name, actor: by })
  }

  // Which jobs there are

  #inTurn(act: () => Promise<void>): Promise<void> {
    const acted = this.#turn.then(act)
    this.#turn = acted.catch(error => this.#logStore(error))
    return acted
  }

  async #adopt(): Promise<void> {
    if (this.#lease === null) return
    const { left, found } = await this.#roster.adopt(this.#wanted)
    for (const { waiting } of left) for (const row of waiting.splice(0)) await this.#skipRow(row, 'the job is not declared any more')
    const slices = createSlices()
    for (const tracked of found) {
      this.#plan(tracked)
      await this.#sayTooLate(tracked)
      if (slices.isSpent()) await slices.rest()
    }
    this.#timekeeper.wake()
  }

  /** A run that an earlier life of this scheduler left open. */
  async #goOn(row: RunRow): Promise<void> {
    const tracked = this.#roster.get(row.job)
    if (row.state === 'running') {
      if (!isAside(row)) tracked?.underWay.add(row.nominal)
      if (!this.#runner.isHeld(row)) this.#runner.resume(row, tracked?.job ?? null)
    } else if (!tracked) await this.#skipRow(row, 'the job is not declared any more')
    else if (row.attempt > 1) this.#again(tracked, row)
    else this.#offer(tracked, row)
  }

  // What is due

  #plan(tracked: Tracked): void {
    const { job, state } = tracked
    tracked.version += 1
    tracked.next = null
    tracked.problem = job.problem
    if (job.problem !== null || state.pause || (job.repeats !== null && state.fires >= job.repeats)) return
    let next: number | null = null
    try {
      next = job.times.next(state.cursor, state.anchor)
    } catch (error) {
      tracked.problem = messageOf(error)
    }
    tracked.next = next
    if (next !== null) this.#agenda.add(next + this.#jitterOf(tracked, next), { tracked, version: tracked.version })
  }

  #jitterOf({ job, state }: Tracked, nominal: number): number {
    if (job.jitterMs === 0) return 0
    const gap = (job.times.next(nominal, state.anchor) ?? Number.POSITIVE_INFINITY) - nominal
    return Math.floor((this.#options.random ?? Math.random)() * Math.min(job.jitterMs, gap))
  }

  /** The wall shows again what it has shown: times that have no row by then are due when it comes to them. */
  async #goBack(byMs: number): Promise<void> {
    const { clock, log, announce } = this.#options
    const jumpMs = -Math.round(byMs)
    log.warn({ jumpMs }, 'The clock was put back; no nominal time is run twice')
    announce('jobs.clock', { jumpMs })
    const slices = createSlices()
    for (const tracked of this.#roster.all()) {
      const now = clock.now()
      if (tracked.state.cursor < now) continue
      tracked.state = { ...tracked.state, cursor: now - 1, anchor: Math.min(tracked.state.anchor, now) }
      this.#plan(tracked)
      if (slices.isSpent()) await slices.rest()
    }
  }

  /** What one job has wrong stops no other. */
  #meetSafely(item: Item): void {
    try {
      this.#meet(item)
    } catch (error) {
      const job = 'row' in item ? item.row.job : item.tracked.job.name
      this.#options.log.error({ job, reason: messageOf(error) }, `Cannot run job "${job}" at its time`)
    }
  }

  #meet(item: Item): void {
    if ('row' in item) {
      const tracked = this.#roster.get(item.row.job)
      if (tracked) this.#begin(tracked, item.row)
      else void this.#skipRow(item.row, 'the job is not declared any more')
      return
    }
    const { tracked, version } = item
    if (tracked.version === version && tracked.next !== null) this.#fire(tracked, tracked.next)
  }

  /** The time `first`, and any that passed with it, by the policies of the job. */
  #fire(tracked: Tracked, first: number): void {
    const { job, state } = tracked
    const now = this.#options.clock.now()
    const due = dueAt(job.times, state.anchor, { first, now, limit: job.misfire.limit + 1 })
    const { skipped, caughtUp, runs, last } = judgeDue(job, due, { now, fires: state.fires })
    if (skipped) this.#skipMissed(tracked, skipped)
    if (caughtUp.length > 0) void this.#catchUp(tracked, caughtUp)
    if (runs) this.#comeDue(tracked, runs.nominal, runs.origin)
    tracked.state = { ...tracked.state, cursor: last }
    this.#plan(tracked)
  }

  /** One row tells of all of them, at the latest of them. */
  #skipMissed(tracked: Tracked, { count, isExact, nominal }: NonNullable<Verdict['skipped']>): void {
    const times = `${isExact ? '' : 'at least '}${count} ${count === 1 ? 'time' : 'times'}`
    const reason = `${times} passed while nothing could run; misfire is ${tracked.job.misfire.policy}`
    this.#writeSkipped(tracked, this.#rowOf(tracked, nominal, { origin: 'missed', state: 'skipped', reason, count }))
  }

  async #catchUp(tracked: Tracked, times: readonly number[]): Promise<void> {
    if (this.#lease === null) return
    const rows = times.map(nominal => this.#rowOf(tracked, nominal, { origin: 'missed', state: 'scheduled' }))
    tracked.state = { ...tracked.state, fires: tracked.state.fires + rows.length }
    const written = await this.#options.store.putRuns(this.#lease, rows).catch(error => this.#logStore(error))
    for (const [at, row] of rows.entries()) if (written?.[at]) this.#offer(tracked, row)
  }

  #comeDue(tracked: Tracked, nominal: number, origin: 'time' | 'missed'): void {
    const { job, underWay, waiting } = tracked
    const row = this.#rowOf(tracked, nominal, { origin, state: 'running' })
    tracked.state = { ...tracked.state, fires: tracked.state.fires + 1 }
    if (job.overlap === 'allow' || underWay.size + waiting.length === 0) return this.#begin(tracked, row)
    const [other = nominal] = underWay
    const reason = `the run of ${new Date(other).toISOString()} was under way`
    if (job.overlap === 'queue' && !waiting.some(each => each.origin === 'time'))
      return void this.#queue(tracked, { ...row, state: 'scheduled' })
    tracked.state = { ...tracked.state, fires: tracked.state.fires - 1 }
    this.#writeSkipped(tracked, { ...row, state: 'skipped', reason: job.overlap === 'queue' ? `${reason}, and another waits` : reason })
  }

  async #queue(tracked: Tracked, row: RunRow): Promise<void> {
    // Counted as waiting from now on, as the next time may come before this one is on disk.
    tracked.waiting.push(row)
    const written = this.#lease && (await this.#options.store.putRuns(this.#lease, [row]).catch(error => this.#logStore(error)))
    if (!written?.[0]) this.#leaveQueue(tracked, row)
    this.#next(tracked)
  }

  #leaveQueue({ waiting }: Tracked, row: RunRow): void {
    const at = waiting.indexOf(row)
    if (at >= 0) waiting.splice(at, 1)
  }

  // Runs

  /** A row that waits on disk: begins it now, or when the runs before it have ended. */
  #offer(tracked: Tracked, row: RunRow): void {
    const { job, underWay } = tracked
    if (isAside(row) || job.overlap === 'allow' || underWay.size === 0) return this.#begin(tracked, row)
    if (job.overlap === 'skip' && row.origin === 'follow-up') return void this.#skipRow(row, 'another run was under way')
    tracked.waiting.push(row)
  }

  #begin(tracked: Tracked, row: RunRow): void {
    if (!isAside(row)) tracked.underWay.add(row.nominal)
    if (row.origin === 'time' && row.state === 'running') tracked.unwritten.set(row.nominal, row)
    this.#runner.begin(row.service === '' ? { ...row, service: tracked.job.service } : row, tracked.job)
  }

  #again(tracked: Tracked, row: RunRow): void {
    if (!isAside(row)) tracked.underWay.add(row.nominal)
    this.#agenda.add(row.dueAt, { row })
    this.#timekeeper.wake()
  }

  #ended(row: RunRow, following: readonly RunRow[]): void {
    const tracked = this.#roster.get(row.job)
    if (row.state === 'scheduled') {
      if (tracked && this.#lease) this.#again(tracked, row)
      return
    }
    if (row.state !== 'running') this.#tally.ended(row.job, row.state, row.count)
    if (row.state === 'failed' || row.state === 'unknown') this.#tell(`job.${row.state}`, row)
    if (tracked) {
      if (!isAside(row)) {
        tracked.underWay.delete(row.nominal)
        tracked.last = row
      }
      this.#next(tracked)
    }
    for (const next of following) {
      const other = this.#roster.get(next.job)
      if (other && this.#lease) this.#offer(other, next)
    }
  }

  #refused(row: RunRow, why: 'known' | 'stopped'): void {
    const tracked = this.#roster.get(row.job)
    if (!tracked) return
    tracked.underWay.delete(row.nominal)
    tracked.unwritten.delete(row.nominal)
    if (why === 'known' && row.origin === 'time') tracked.state = { ...tracked.state, fires: tracked.state.fires - 1 }
    if (why === 'stopped' && this.#lease !== null) {
      // The store did not write: the time is not passed, and is met again.
      this.#options.log.error(
        { job: row.job, nominal: new Date(row.nominal).toISOString() },
        `Cannot start job "${row.job}" as its row could not be written; it is tried again`,
      )
      this.#agenda.add(this.#options.clock.now() + againMs, { row })
    } else this.#next(tracked)
  }

  /** Begins what waits, where nothing is under way any more. */
  #next(tracked: Tracked): void {
    if (tracked.underWay.size > 0 || this.#lease === null) return
    const row = tracked.waiting.shift()
    if (row) this.#begin(tracked, row)
  }

  #writeSkipped(tracked: Tracked, row: RunRow): void {
    if (this.#lease === null) return
    this.#tally.ended(tracked.job.name, 'skipped', row.count)
    this.#tell('job.skipped', row)
    // With it the job passes its time, so the earlier ones that still wait for a worker must be on disk as well.
    const earlier = [...tracked.unwritten.values()].map(each => ({ ...each, state: 'scheduled' as const }))
    this.#options.store.putRuns(this.#lease, [...earlier, row]).catch(error => this.#logStore(error))
  }

  async #skipRow(row: RunRow, reason: string): Promise<void> {
    const endedAt = this.#options.clock.now()
    // Of one that was tried before it is known that it did not end well.
    const state = row.attempt > 1 ? 'failed' : 'skipped'
    const end = { state, endedAt, reason: row.reason ?? reason } as const
    await this.#options.store.endRun(row, end, []).catch(error => this.#logStore(error))
    this.#ended({ ...row, ...end }, [])
  }

  /** One time that had passed before its job was first live. */
  async #sayTooLate(tracked: Tracked): Promise<void> {
    const { job, state } = tracked
    if (!job.times.isOnce || tracked.next !== null || state.fires > 0 || state.pause) return
    const start = job.times.next(Number.MIN_SAFE_INTEGER, state.anchor)
    if (start === null || start > state.cursor || state.cursor >= state.anchor) return
    this.#writeSkipped(
      tracked,
      this.#rowOf(tracked, start, { origin: 'missed', state: 'skipped', reason: 'its time had passed when it was first live' }),
    )
  }

  #rowOf(tracked: Tracked, nominal: number, rest: Pick<RunRow, 'origin' | 'state'> & Partial<RunRow>): RunRow {
    return rowOf(tracked, { nominal, cid: this.#options.newCid(), ...rest })
  }

  async #prune(now: number): Promise<void> {
    this.#prunedAt = now
    await this.#options.store.pruneRuns(now - keptMs, keptRows).catch(error => this.#logStore(error))
  }

  #logStore(error: unknown): undefined {
    this.#options.log.error({ reason: messageOf(error) }, 'The scheduler cannot use the store')
    return undefined
  }
}
