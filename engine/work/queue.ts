// The queue of asynchronous calls, in control: what was accepted is in the store until a worker has said that it is done. A task is
// delivered at least once; each delivery after one that may have begun says so.
//
// Memory holds only what is being delivered. Whatever ends this process, the next one finds the rest in the store: what is ready is
// delivered when it is due, and of what was running the dispatch learns how it ended, or that it is lost.

import type { Clock, Log } from '../../adapters/port.ts'
import { messageOf } from '../../adapters/redact.ts'
import type { Store } from '../store/port.ts'
import type { NewTask, Task, TaskCounts, TaskFailure, TaskStore, TaskSummary } from '../store/tasks.ts'
import { retryMs } from './backoff.ts'
import type { Dispatch, Keeper } from './dispatch.ts'
import type { WorkOrder, WorkOutcome } from './order.ts'

export interface Queue {
  /** Resolves once it is on disk; what it resolves with, where it is not, the service that called is told. */
  accept(submission: Submission): Promise<Acceptance>
  readonly tasks: QueuedTasks
  /** For metrics. */
  snapshot(): QueueSnapshot
  /** Begins to deliver. */
  start(): void
  /** Delivers no more; what workers have goes on. */
  stop(): Promise<void>
}

/** A task as a worker submits it. */
export type Submission = Pick<NewTask, 'id' | 'service' | 'payload' | 'cid' | 'dueAt' | 'maxAttempts' | 'deadlineMs'> & {
  /** It was submitted before and nobody knows with what success: it may have been delivered since. */
  readonly isRepeated: boolean
}

export type Acceptance = { readonly kind: 'accepted' } | { readonly kind: 'refused'; readonly code: 'QUEUE_FULL'; readonly reason: string }

/** What an operator may see and do. Each journal entry bears the actor. */
export interface QueuedTasks {
  list(page: Parameters<TaskStore['listTasks']>[0]): Promise<readonly TaskSummary[]>
  get(id: string): Promise<Task | undefined>
  /** Number of dead ones that are ready again. */
  resubmit(which: { readonly id?: string; readonly service?: string }, actor: string): Promise<number>
  /** False where it runs, or is not there. */
  discard(id: string, actor: string): Promise<boolean>
}

export interface QueueSnapshot extends TaskCounts {
  /** Since this process began. */
  readonly totals: Readonly<Record<Total, number>>
}

type Total = 'accepted' | 'refused' | 'done' | 'failed' | 'lost' | 'dead' | 'resubmitted' | 'discarded'

export interface QueueOptions {
  readonly store: TaskStore & Pick<Store, 'appendJournal'>
  readonly dispatch: Pick<Dispatch, 'run' | 'resume'>
  /** What is in the store. */
  readonly counts: TaskCounts
  readonly clock: Clock
  /** From 0 up to 1. */
  readonly random: () => number
  readonly log: Log
  /** So many are being delivered, or wait for a worker, at a time. */
  readonly maxOpen: number
  /** So many may be ready; one more is refused. Default 1,000,000. */
  readonly maxReady?: number
}

/** The look at the store when nothing has happened: whoever adds a task says so. */
const idleMs = 60_000
/** Before the store is tried again that failed. */
const failedMs = 1_000
const pageSize = 1_000

export function createQueue(options: QueueOptions): Queue {
  const { store, dispatch, clock, random, log, maxOpen, maxReady = 1_000_000 } = options
  const counts = { ...options.counts }
  const totals: Record<Total, number> = { accepted: 0, refused: 0, done: 0, failed: 0, lost: 0, dead: 0, resubmitted: 0, discarded: 0 }
  /** Being delivered, by id. */
  const open = new Set<string>()
  /** Of those, the ones that count as running: also where they are handed to one worker after another. */
  const marked = new Set<string>()
  let accepting = 0
  let sleeping = new AbortController()
  let stopping = false
  let running: Promise<unknown> = Promise.resolve()

  return {
    async accept({ isRepeated, ...submission }) {
      if (counts.ready + accepting >= maxReady) {
        totals.refused++
        return { kind: 'refused', code: 'QUEUE_FULL', reason: `${maxReady} tasks are ready, and no more are accepted` }
      }
      accepting++
      try {
        const task = { ...submission, acceptedAt: new Date(clock.now()).toISOString(), begun: isRepeated ? 1 : 0 }
        if (await store.enqueueTask(task)) {
          counts.ready++
          totals.accepted++
        }
      } finally {
        accepting--
      }
      wake()
      return { kind: 'accepted' }
    },
    tasks: {
      list: page => store.listTasks(page),
      get: id => store.getTask(id),
      async resubmit(which, actor) {
        const count = await store.resubmitTasks(which, clock.now())
        if (count === 0) return 0
        counts.dead -= count
        counts.ready += count
        totals.resubmitted += count
        wake()
        await store.appendJournal('task.resubmitted', { ...which, count, actor })
        return count
      },
      async discard(id, actor) {
        const was = await store.discardTask(id)
        if (was === undefined) return false
        counts[was]--
        totals.discarded++
        await store.appendJournal('task.discarded', { id, actor })
        return true
      },
    },
    snapshot: () => ({ ...counts, totals: { ...totals } }),
    start() {
      running = Promise.all([resumeAll(), deliverAll()])
    },
    async stop() {
      stopping = true
      wake()
      await running
    },
  }

  function wake(): void {
    sleeping.abort()
  }

  async function deliverAll(): Promise<void> {
    while (!stopping) {
      // Made before the look at the store, so that what comes meanwhile is looked for again.
      sleeping = new AbortController()
      const pauseMs = await deliverDue().catch(error => {
        log.error({ reason: messageOf(error) }, 'Cannot read the queue; it is tried again')
        return failedMs
      })
      if (!stopping) await clock.sleep(pauseMs, sleeping.signal).catch(() => undefined) // rejects when it is woken
    }
  }

  /** How long there is nothing to do. */
  async function deliverDue(): Promise<number> {
    const room = Math.min(maxOpen - open.size, pageSize)
    if (room <= 0) return idleMs
    const due = await store.dueTasks(clock.now(), room, [...open])
    if (stopping) return 0
    for (const task of due) void deliver(task)
    if (due.length === room) return idleMs
    const nextAt = await store.nextTaskAt([...open])
    return nextAt === undefined ? idleMs : Math.min(Math.max(nextAt - clock.now(), 0), idleMs)
  }

  async function deliver(task: Task): Promise<void> {
    let holder: string | null = null
    const isOver = await held(task, () =>
      dispatch.run(orderOf(task), {
        async taken(life) {
          if (!(await store.takeTask(task.id, task.begun, life))) throw new NotReady()
          mark(task)
          holder = life
        },
        ended: keeperOf(task).ended,
      }),
    )
    // The store says that a worker has it, and that worker never got it.
    if (!isOver && holder !== null) await resume({ ...task, holder })
  }

  function mark({ id }: TaskSummary): void {
    if (marked.has(id)) return
    marked.add(id)
    counts.ready--
    counts.running++
  }

  async function resumeAll(): Promise<void> {
    let before: number | undefined
    while (!stopping) {
      try {
        const page = await store.listTasks({ state: 'running', limit: pageSize, ...(before === undefined ? {} : { before }) })
        for (const task of page) if (!open.has(task.id)) void resume(task)
        before = page.at(-1)?.seq
        if (before === undefined || page.length < pageSize) return
      } catch (error) {
        log.error({ reason: messageOf(error) }, 'Cannot read which tasks were running; it is tried again')
        await clock.sleep(failedMs)
      }
    }
  }

  async function resume(task: TaskSummary): Promise<void> {
    marked.add(task.id)
    await held(task, () => dispatch.resume(orderId(task), task.holder ?? '', keeperOf(task)))
  }

  /** False where it was given up. Never rejects. */
  async function held(task: TaskSummary, work: () => Promise<WorkOutcome>): Promise<boolean> {
    open.add(task.id)
    try {
      await work()
      return true
    } catch (error) {
      if (stopping || error instanceof NotReady) return true
      log.error({ task: task.id, service: task.service, reason: messageOf(error) }, 'Cannot deliver a task; it is tried again')
      await clock.sleep(failedMs)
      return false
    } finally {
      open.delete(task.id)
      marked.delete(task.id)
      wake()
    }
  }

  function keeperOf(task: TaskSummary): Pick<Keeper, 'ended'> {
    return {
      async ended(outcome) {
        if (outcome.kind === 'done') {
          if (await store.finishTask(task.id, task.begun)) count('done', null)
        } else if (outcome.kind === 'lost' && !outcome.mayHaveRun) {
          const { begun, attempts, failure } = task
          if (await store.returnTask(task.id, begun, { state: 'ready', begun, attempts, dueAt: clock.now(), failure })) count(null, 'ready')
        } else await failed(task, outcome)
      },
    }
  }

  async function failed(task: TaskSummary, outcome: Exclude<WorkOutcome, { kind: 'done' }>): Promise<void> {
    const attempts = task.attempts + 1
    const failure = failureOf(outcome, new Date(clock.now()).toISOString())
    const isDead = attempts >= task.maxAttempts || (outcome.kind === 'failed' && !outcome.retryable)
    const state = isDead ? 'dead' : 'ready'
    const next = { state, begun: task.begun + 1, attempts, dueAt: clock.now() + retryMs(attempts, random), failure } as const
    const { id, service, cid } = task
    // Asked in one tick, so on disk together.
    const [isReturned] = await Promise.all([
      store.returnTask(id, task.begun, next),
      isDead ? store.appendJournal('task.dead', { id, service, cid, attempts, status: failure.status, reason: failure.reason }) : null,
    ])
    if (isReturned) count(outcome.kind, state)
  }

  function count(total: 'done' | 'failed' | 'lost' | null, state: 'ready' | 'dead' | null): void {
    counts.running--
    if (total !== null) totals[total]++
    if (state !== null) counts[state]++
    if (state === 'dead') totals.dead++
  }
}

/** Somebody discarded it since it was read. */
class NotReady extends Error {}

function orderOf(task: Task): WorkOrder {
  const { id, service, payload, cid, deadlineMs, attempts, begun } = task
  return {
    id: orderId(task),
    service,
    payload,
    cid,
    deadlineMs,
    delivery: { kind: 'async', id, attempt: attempts + 1, redelivered: begun > 0, job: null, nominalAt: null },
  }
}

/** The same for whoever finds the task in the store. */
function orderId({ id, begun }: TaskSummary): string {
  return `${id}.${begun + 1}`
}

function failureOf(outcome: Exclude<WorkOutcome, { kind: 'done' }>, at: string): TaskFailure {
  if (outcome.kind === 'lost') return { at, status: null, reason: outcome.reason }
  const { status, problem } = outcome
  return { at, status, reason: String(problem.detail ?? problem.title ?? 'the service failed').slice(0, maxReason) }
}

const maxReason = 2_000
