// The scheduler of an environment: which job is due when, and what is done about it. It lives while it holds the lease of its name,
// and goes on from what is on disk: how far each job has come, and which runs nobody has ended yet.
//
// The clock on the wall may jump and the machine may sleep, so no wait is longer than half a second: after each the clock is read
// anew. That no nominal time is run twice is the store's word alone, whatever the clock says.

import type { Clock, HeldLease, Log } from '../../adapters/port.ts'
import { messageOf } from '../../adapters/redact.ts'
import type { Ref } from '../../schema/ref.ts'
import { PersistentMap } from '../generation/persistent-map.ts'
import { createSlices } from '../generation/slice.ts'
import type { JobState, RunRow, RunStore } from '../store/runs.ts'
import type { Dispatch } from '../work/dispatch.ts'
import { type Agenda, createAgenda } from './agenda.ts'
import type { Job } from './job.ts'
import { dueAt } from './missed.ts'
import { createRunner, isAside, keyOf, type Runner } from './runner.ts'
import { createTally, type JobsSnapshot, type Tally } from './tally.ts'

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

type Item = { readonly tracked: Tracked; readonly version: number } | { readonly row: RunRow }

const longestNapMs = 500
/** A clock that goes back by less is being corrected, and nothing is looked at anew. */
const jumpMs = 1_000
const statesAtOnce = 500
const pruneEveryMs = 600_000
/** Rows are kept so long, and the newest of each job for ever. */
const keptMs = 2 * 3_600_000
const keptRows = 100
/** Of one kind of event, a job's are told so often; the journal is for people. */
const toldEveryMs = 60_000

export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #tally: Tally = createTally()
  readonly #agenda: Agenda<Item> = createAgenda()
  readonly #runner: Runner
  readonly #told = new Map<string, { readonly at: number; untold: number }>()
  #tracked = new Map<string, Tracked>()
  #states = new Map<string, JobState>()
  #wanted: ReadonlyMap<Ref, Job> = new Map()
  #served: PersistentMap<Ref, Job> = PersistentMap.of()
  #lease: HeldLease | null = null
  #stopping: AbortController | null = null
  #nap: AbortController | null = null
  #turn: Promise<void> = Promise.resolve()
  #loop: Promise<void> = Promise.resolve()
  #isEnding = false
  #prunedAt = 0

  constructor(options: SchedulerOptions) {
    this.#options = options
    this.#runner = createRunner({
      ...options,
      lease: () => this.#lease,
      onBegun: row => {
        this.#tracked.get(row.job)?.unwritten.delete(row.nominal)
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
    this.#states = new Map(states.map(state => [state.job, state]))
    this.#tracked = new Map()
    this.#served = PersistentMap.of()
    this.#agenda.clear()
    this.#lease = lease
    this.#stopping = new AbortController()
    try {
      await this.#inTurn(async () => {
        await this.#adopt()
        await this.#forgetUndeclared()
        for (const row of last) {
          const tracked = this.#tracked.get(row.job)
          if (tracked) tracked.last = row
        }
        for (const row of open) await this.#goOn(row)
      })
    } catch (error) {
      this.#lease = null
      throw error
    }
    this.#loop = this.#watch(this.#stopping.signal)
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
    const left = [...this.#tracked.values()].map(({ state }) => ({ ...state, times: null }))
    this.#tracked.clear()
    await this.#options.store.putJobStates(left).catch(error => this.#logStore(error))
  }

  snapshot(): JobsSnapshot {
    return this.#tally.snapshot()
  }

  get isActive(): boolean {
    return this.#lease !== null
  }

  tracked(name: string): Tracked | undefined {
    return this.#tracked.get(name)
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
    this.#wake()
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
    const [before, wanted] = [this.#served, PersistentMap.of(this.#wanted)]
    const slices = createSlices()
    const left: Tracked[] = []
    const found: Tracked[] = []
    const renewed: JobState[] = []
    for (const [ref, job] of before.notIn(wanted)) {
      const tracked = this.#tracked.get(job.name)
      if (!wanted.has(ref) && tracked) left.push(tracked)
      if (slices.isSpent()) await slices.rest()
    }
    for (const [, job] of wanted.notIn(before)) {
      const tracked = this.#tracked.get(job.name) ?? this.#newcomer(job)
      tracked.job = job
      const known = this.#states.get(job.name) ?? (tracked.state.times === null ? undefined : tracked.state)
      tracked.state = known?.times === job.times.identity ? known : this.#firstState(job, known)
      this.#states.delete(job.name)
      if (tracked.state !== known) renewed.push(tracked.state)
      found.push(tracked)
      if (slices.isSpent()) await slices.rest()
    }
    for (const { job, state } of left) renewed.push({ ...state, job: job.name, times: null })
    for (let at = 0; at < renewed.length; at += statesAtOnce) await this.#options.store.putJobStates(renewed.slice(at, at + statesAtOnce))
    this.#served = wanted
    for (const tracked of left) await this.#drop(tracked)
    for (const tracked of found) {
      this.#tracked.set(tracked.job.name, tracked)
      this.#plan(tracked)
      await this.#sayTooLate(tracked)
      if (slices.isSpent()) await slices.rest()
    }
    this.#wake()
  }

  #newcomer(job: Job): Tracked {
    const state = { job: job.name, times: null, anchor: 0, cursor: 0, fires: 0, prunedTo: Number.MIN_SAFE_INTEGER, pause: null }
    return { job, state, next: null, version: 0, underWay: new Set(), waiting: [], unwritten: new Map(), problem: null, last: null }
  }

  #firstState({ name, times, misfire }: Job, before: JobState | undefined): JobState {
    const now = this.#options.clock.now()
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

  async #drop(tracked: Tracked): Promise<void> {
    this.#tracked.delete(tracked.job.name)
    tracked.version += 1
    for (const row of tracked.waiting.splice(0)) await this.#skipRow(row, 'the job is not declared any more')
  }

  /** Jobs that left while no scheduler ran: when they come back they begin anew. */
  async #forgetUndeclared(): Promise<void> {
    const gone = [...this.#states.values()].filter(({ times }) => times !== null).map(state => ({ ...state, times: null }))
    this.#states.clear()
    for (let at = 0; at < gone.length; at += statesAtOnce) await this.#options.store.putJobStates(gone.slice(at, at + statesAtOnce))
  }

  /** A run that an earlier life of this scheduler left open. */
  async #goOn(row: RunRow): Promise<void> {
    const tracked = this.#tracked.get(row.job)
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

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, monotonic = () => performance.now() } = this.#options
    const slices = createSlices()
    let before = { wall: clock.now(), steady: monotonic() }
    while (!signal.aborted) {
      const at = { wall: clock.now(), steady: monotonic() }
      const jump = at.wall - before.wall - (at.steady - before.steady)
      before = at
      if (jump < -jumpMs) await this.#inTurn(() => this.#goBack(jump)).catch(() => undefined) // it is logged by the turn
      for (let item = this.#agenda.take(clock.now()); item && !signal.aborted; item = this.#agenda.take(clock.now())) {
        this.#meetSafely(item)
        if (slices.isSpent()) await slices.rest()
      }
      if (at.wall - this.#prunedAt >= pruneEveryMs || at.wall < this.#prunedAt) void this.#prune(at.wall)
      await this.#napUntil(this.#agenda.earliest(), signal)
    }
  }

  async #napUntil(at: number | null, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const napMs = Math.min(longestNapMs, Math.max(0, (at ?? Number.POSITIVE_INFINITY) - clock.now()))
    const nap = new AbortController()
    this.#nap = nap
    await clock.sleep(napMs, AbortSignal.any([nap.signal, signal])).catch(() => undefined) // somebody woke it
  }

  #wake(): void {
    this.#nap?.abort(new Error('There is something to do'))
  }

  /** The wall shows again what it has shown: times that have no row by then are due when it comes to them. */
  async #goBack(jump: number): Promise<void> {
    const { clock, log, announce } = this.#options
    log.warn({ jumpMs: Math.round(jump) }, 'The clock was put back; no nominal time is run twice')
    announce('jobs.clock', { jumpMs: Math.round(jump) })
    const slices = createSlices()
    for (const tracked of this.#tracked.values()) {
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
      const tracked = this.#tracked.get(item.row.job)
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
    const { misfire } = job
    const due = dueAt(job.times, state.anchor, { first, now, limit: misfire.limit + 1 })
    const left = job.repeats === null ? Number.POSITIVE_INFINITY : job.repeats - state.fires
    const last = due.latest.at(-1) ?? first
    const isOnTime = now - last <= misfire.afterMs + job.jitterMs
    const earlier = due.latest.slice(0, -1)
    const caughtUp = misfire.policy === 'all' ? [...earlier, ...(isOnTime ? [] : [last])].slice(-misfire.limit).slice(0, left) : []
    const runsLast = isOnTime || misfire.policy === 'once'
    const skipped = due.count - caughtUp.length - (runsLast ? 1 : 0)
    if (skipped > 0)
      this.#skipMissed(tracked, {
        skipped,
        isExact: due.isExact,
        before: caughtUp[0] ?? last,
        isLast: !runsLast && caughtUp.length === 0,
        earlier,
      })
    if (caughtUp.length > 0) void this.#catchUp(tracked, caughtUp)
    if (runsLast && left > caughtUp.length) this.#comeDue(tracked, last, isOnTime ? 'time' : 'missed')
    tracked.state = { ...tracked.state, cursor: last }
    this.#plan(tracked)
  }

  /** One row tells of all of them, at the latest of them. */
  #skipMissed(
    tracked: Tracked,
    found: {
      readonly skipped: number
      readonly isExact: boolean
      readonly before: number
      readonly isLast: boolean
      readonly earlier: readonly number[]
    },
  ): void {
    const { skipped, isExact, before, isLast, earlier } = found
    const nominal = isLast ? before : earlier.findLast(time => time < before)
    const reason = `${isExact ? '' : 'at least '}${skipped} ${skipped === 1 ? 'time' : 'times'} passed while nothing could run; misfire is ${tracked.job.misfire.policy}`
    // The times before the first that is kept are not known one by one.
    const row = this.#rowOf(tracked, nominal ?? before - 1, { origin: 'missed', state: 'skipped', reason, count: skipped })
    this.#writeSkipped(tracked, row)
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
    this.#wake()
  }

  #ended(row: RunRow, following: readonly RunRow[]): void {
    const tracked = this.#tracked.get(row.job)
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
      const other = this.#tracked.get(next.job)
      if (other && this.#lease) this.#offer(other, next)
    }
  }

  #refused(row: RunRow, why: 'known' | 'stopped'): void {
    const tracked = this.#tracked.get(row.job)
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
      this.#agenda.add(this.#options.clock.now() + longestNapMs, { row })
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

  #rowOf({ job }: Tracked, nominal: number, rest: Pick<RunRow, 'origin' | 'state'> & Partial<RunRow>): RunRow {
    const row = { job: job.name, nominal, service: job.service, by: null, attempt: 1, dueAt: nominal, startedAt: null, endedAt: null }
    return { ...row, life: null, cid: this.#options.newCid(), reason: null, count: 1, ...rest }
  }

  #tell(type: string, row: RunRow): void {
    const now = this.#options.clock.now()
    const key = `${type} ${row.job}`
    const before = this.#told.get(key)
    if (before && now - before.at < toldEveryMs && now >= before.at) {
      before.untold += 1
      return
    }
    this.#told.set(key, { at: now, untold: 0 })
    this.#options.announce(type, {
      job: row.job,
      run: keyOf(row),
      nominal: new Date(row.nominal).toISOString(),
      attempt: row.attempt,
      count: row.count,
      reason: row.reason,
      untold: before?.untold ?? 0,
    })
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
