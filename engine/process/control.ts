// The engine in the control process: what is live, the one way to change it, and the workers that serve it.

import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../../adapters/clock.ts'
import { hostedIn } from '../../adapters/hosted.ts'
import type { Log, Surroundings } from '../../adapters/port.ts'
import { messageOf } from '../../adapters/redact.ts'
import type { AdapterRow } from '../../adapters/table.ts'
import type { Ref } from '../../schema/ref.ts'
import { createUnsealer, type SealKey } from '../../schema/seal.ts'
import { debuggerCondition } from '../debug/condition.ts'
import { createDebugHost, type DebugHost, removeLeftSockets } from '../debug/host.ts'
import { createIntake } from '../generation/activate.ts'
import { type CurrentState, readCurrent } from '../generation/current.ts'
import type { Engine, EngineStatus } from '../generation/engine.ts'
import { Instances } from '../generation/instances.ts'
import { createLeaseGrants } from '../generation/lease-grants.ts'
import { createLeases } from '../generation/leases.ts'
import type { Delta } from '../generation/manifest.ts'
import { readManifest } from '../generation/manifests.ts'
import { judgeProbation } from '../generation/probation.ts'
import { orAborted } from '../generation/settled.ts'
import { createSwap, type Swap, type SwapOptions } from '../generation/swap.ts'
import type { Line } from '../log/filter.ts'
import type { LogHub } from '../log/hub.ts'
import type { WorkerSnapshot } from '../metrics/worker-snapshot.ts'
import { createRouter } from '../plane/router.ts'
import type { HistoryRow, Store } from '../store/port.ts'
import type { Certificates } from '../tls/certificates.ts'
import { createDispatch, type Dispatch } from '../work/dispatch.ts'
import { createQueue, type Queue } from '../work/queue.ts'
import { type Blame, blamedLife, blamePath } from './blame.ts'
import { serviceRef } from './guard.ts'
import { isOver, lifeOf } from './life.ts'
import { createLocal, type Local } from './local.ts'
import type { Quarantined, Report } from './messages.ts'
import { debugSocketPath } from './paths.ts'
import { acceptWorkers, type ConnectedWorkers } from './workers.ts'

export interface EngineOptions {
  readonly environment: string
  readonly dataDirectory: string
  readonly store: Store
  readonly sealKey: SealKey | null
  readonly workers: number
  readonly sourceRoot: string | null
  readonly certificates: Pick<Certificates, 'served' | 'follow'>
  readonly check: SwapOptions['check']
  readonly libraries: SwapOptions['libraries']
  readonly onBad: SwapOptions['onBad']
  readonly announce: SwapOptions['announce']
  readonly fail: SwapOptions['fail']
  readonly log: Log
  readonly logs: LogHub
  /** Rows whose adapters may run in this process; those of `host: 'control'` do. They hand their work to workers. */
  readonly rows: (dispatch: Dispatch) => readonly AdapterRow[]
}

export interface ProcessEngine extends Engine, AsyncDisposable {
  /** Hands work that nobody waits for to workers. */
  readonly dispatch: Dispatch
  /** Asynchronous calls. */
  readonly queue: Pick<Queue, 'tasks' | 'snapshot'>
  /** What the workers have counted, by number; one that does not answer within a second is absent. */
  snapshots(): Promise<ReadonlyMap<number, WorkerSnapshot>>
  readonly debug: DebugHost
  /** Resolves when every worker serves what is live, after `ms`, or when `signal` is aborted. */
  served(ms: number, signal: AbortSignal): Promise<void>
}

/** A service that was running so often when a worker had to be killed is not called any more. */
const killsToQuarantine = 3
const killWindowMs = 10 * 60 * 1000
/** What nobody waits for must leave room for requests. */
const ordersPerWorker = 32
const logsTimeoutMs = 2_000
const snapshotTimeoutMs = 1_000

/**
 * What a previous life left behind, whole: what `current` names, else `current.previous`, else the newest of `rows` whose manifest
 * is good. Null where there is none; `recovered` then says why, unless nothing was ever live.
 */
export async function readLive(
  dataDirectory: string,
  rows: readonly HistoryRow[],
): Promise<{ boot: SwapOptions['boot']; recovered: string | null }> {
  const found = await readCurrent(dataDirectory)
  const states = [found.state, found.previous, ...(found.state || found.recovered ? rows.map(stateOf) : [])].filter(state => state !== null)
  let recovered = found.recovered
  for (const state of states) {
    try {
      const manifest = await readManifest(dataDirectory, state.manifest)
      return { boot: { state, manifest }, recovered: recovered && `${recovered}; serial ${state.serial} is used` }
    } catch (error) {
      recovered ??= messageOf(error)
    }
  }
  return { boot: null, recovered }
}

/** A row of the history as a state to start from. */
function stateOf(row: HistoryRow): CurrentState {
  const { serial, generation, manifest } = row
  return { serial, generation, manifest, fallback: null, probationUntil: null, crashes: 0, history: row }
}

export async function startEngine(options: EngineOptions & { readonly boot: SwapOptions['boot'] }): Promise<ProcessEngine> {
  const { dataDirectory, store, announce } = options
  const kills = new Map<Ref, number[]>()
  const quarantined = new Map<Ref, string>()
  let trial = { generation: 0, deaths: 0 }
  let swap: Swap | undefined

  const grants = createLeaseGrants({ store, isGone: isOver, now: Date.now })
  const dispatch = createDispatch({
    isServing: ({ live }) => live > 0 && live === swap?.live().generation,
    isOver,
    clock: systemClock,
    perWorker: ordersPerWorker,
  })
  const queue = createQueue({
    store,
    dispatch,
    counts: await store.countTasks(),
    clock: systemClock,
    random: Math.random,
    log: options.log,
    maxOpen: (options.workers + 1) * ordersPerWorker,
  })
  const local = createHost()
  await removeLeftBlames()
  await removeLeftSockets(dataDirectory)
  const workers: ConnectedWorkers = await acceptWorkers({
    dataDirectory,
    welcome: () => ({
      sealKey: options.sealKey?.sealingKey ?? null,
      workers: options.workers,
      quarantined: quarantineList(),
      hasLive: swap ? swap.live().generation > 0 : options.boot !== null,
      sourceRoot: options.sourceRoot,
      certificate: options.certificates.served('channels'),
      followed: options.logs.followed(),
    }),
    onUp: worker => void swap?.bringUp(worker),
    onDown: ({ id, pid, life, isDeath, wasDebugged }) => {
      announce('worker.gone', { worker: id, pid })
      void rm(debugSocketPath(dataDirectory, life), { force: true })
      // One that was debugged has ended for reasons that no generation is to be judged by.
      if (isDeath && !wasDebugged) void afterDeath(pid, life)
    },
    onResumed: async worker => await swap?.bringUp(worker),
    onReport: (_worker, report) => judge(report),
    acquire: grants.acquire,
    release: grants.release,
    work: dispatch,
    submit: queue.accept,
    onLines: batch => options.logs.take(batch),
  })
  options.logs.attach({
    async logs(filter, limit) {
      const answers = await workers.ask<readonly Line[]>('logs', { filter, limit }, logsTimeoutMs)
      return answers.map(({ worker, answer }) => ({ worker, lines: answer }))
    },
    follow: filters => workers.tell('follow', { filters }),
  })
  options.certificates.follow('channels', workers.certificate)
  const debug = createDebugHost({
    dataDirectory,
    workers,
    announce,
    now: Date.now,
    // It may have missed an apply; nobody has to call for that.
    onResumed: worker => void swap?.bringUp(worker),
  })
  const started = await createSwap({ ...options, workers, local: local.port, boot: options.boot, now: Date.now })
  swap = started
  for (const worker of [...workers.list(), local.port]) void started.bringUp(worker)
  queue.start()

  return {
    debug,
    dispatch,
    queue,
    live: started.live,
    apply: async request => {
      const outcome = await started.apply(request)
      if (outcome.kind === 'live') pardon(request.delta)
      return outcome
    },
    rollback: started.rollback,
    endProbation: async actor => {
      announce('probation.cut', { actor })
      return await started.endProbation()
    },
    status,
    async snapshots() {
      const answers = await workers.ask<WorkerSnapshot>('metrics', null, snapshotTimeoutMs)
      return new Map(answers.flatMap(({ worker, answer }) => (answer === null ? [] : [[worker, answer] as const])))
    },
    async served(ms, signal) {
      const serving = workers.until(list => {
        const { generation } = started.live()
        return list.length >= options.workers && list.every(({ live }) => live === generation)
      }, ms)
      await orAborted(serving, signal).catch(() => undefined) // rejects with the signal's reason alone
    },
    manifestOf: started.manifestOf,
    async invoke(invocation) {
      const worker = serving()
      if (!worker)
        return {
          kind: 'failed',
          status: 503,
          problem: { title: 'Service Unavailable', status: 503, detail: 'No worker serves yet' },
          elapsedMs: 0,
        }
      return await workers.invoke(worker.id, invocation, (invocation.deadlineMs ?? 60_000) + 5_000)
    },
    async ping(ref) {
      const worker = serving()
      if (!worker) return { ok: false, elapsedMs: 0, reason: 'No worker serves yet' }
      return await workers.ping(worker.id, ref)
    },
    async [Symbol.asyncDispose]() {
      await queue.stop()
      await local.quiesce()
      await dispatch[Symbol.asyncDispose]()
      await started[Symbol.asyncDispose]()
      await workers[Symbol.asyncDispose]()
      await local[Symbol.asyncDispose]()
    },
  }

  function createHost(): Local {
    const { log } = options
    const life = lifeOf(process.pid) ?? String(process.pid)
    const surroundings: Surroundings = { clock: systemClock, workers: 1, log }
    const leases = createLeases({
      port: { acquire: (name, ttlMs) => grants.acquire(name, life, ttlMs), release: (name, term) => grants.release(name, life, term) },
      clock: systemClock,
      log,
    })
    const unsealer = options.sealKey && createUnsealer(options.sealKey.sealingKey)
    return createLocal({
      table: hostedIn(options.rows(dispatch), 'control'),
      instances: new Instances(),
      surroundings,
      intake: createIntake(leases),
      emptyRouter: createRouter(),
      unsealer: () => unsealer,
      log,
    })
  }

  function serving() {
    const found = workers.list().filter(worker => worker.live === started.live().generation && worker.live > 0)
    return found.find(worker => !worker.isPaused) ?? found[0]
  }

  function status(): EngineStatus {
    const { serial, generation, manifest, digest, probationUntil } = started.live()
    const sessions = debug.sessions()
    const condition = debuggerCondition(sessions, started.waitsForDebugger())
    const reports = [...workers.reports()].sort((a, b) => a.worker.id - b.worker.id)
    return {
      live: { serial, generation, revision: manifest.revision, digest, probationUntil },
      workers: reports.map(({ worker }) => ({
        id: worker.id,
        pid: worker.pid,
        generation: worker.live,
        state: worker.isPaused ? 'paused' : worker.live === generation && generation > 0 ? 'serving' : 'booting',
      })),
      draining: [...new Set(reports.flatMap(({ report }) => report?.draining ?? []))],
      degraded: [
        ...new Map([...reports.flatMap(({ report }) => report?.degraded ?? []), ...local.degraded()].map(one => [one.ref, one])).values(),
      ],
      debuggers: sessions,
      conditions: condition ? [condition] : [],
      quarantined: quarantineList(),
      leaks: reports.flatMap(({ report }) => report?.leaks ?? []),
    }
  }

  function judge(report: Report): void {
    const current = started.probation()
    if (!current || report.health.generation !== current.generation) return
    // What a debugger made of answers is no fault of what is on trial.
    const judged = workers.reports().filter(({ worker }) => !worker.isDebugged)
    const health = judged.flatMap(each => (each.report?.health.generation === current.generation ? [each.report.health] : []))
    const deaths = trial.generation === current.generation ? trial.deaths : 0
    const reason = judgeProbation({ deaths, health, changed: new Set(current.pairs.map(([ref]) => ref)) })
    if (reason !== null) void started.failProbation(current.generation, reason)
  }

  async function afterDeath(pid: number, life: string): Promise<void> {
    const current = swap?.probation()
    if (current) {
      trial = { generation: current.generation, deaths: trial.generation === current.generation ? trial.deaths + 1 : 1 }
      const reason = judgeProbation({ deaths: trial.deaths, health: [], changed: new Set() })
      if (reason !== null) void swap?.failProbation(current.generation, reason)
    }
    await takeBlame(pid, life).catch(error => announce('worker.unexplained', { pid, reason: messageOf(error) }))
  }

  async function takeBlame(pid: number, life: string): Promise<void> {
    const path = blamePath(dataDirectory, life)
    const text = await readFile(path, 'utf8').catch(() => null) // None is written where nothing was stuck.
    if (text === null) return
    await rm(path, { force: true })
    const { name, reason } = JSON.parse(text) as Blame // written by a worker of ours
    const ref = serviceRef(name)
    announce('worker.blamed', { pid, ref, reason })
    const recent = [...(kills.get(ref) ?? []), Date.now()].filter(at => Date.now() - at < killWindowMs)
    kills.set(ref, recent)
    if (recent.length < killsToQuarantine) return
    quarantined.set(ref, `it ${reason} and took ${recent.length} workers with it`)
    announce('service.quarantined', { ref, kills: recent.length })
    workers.quarantine(quarantineList())
  }

  /** Of workers that died while there was no control process: nobody counts them any more. */
  async function removeLeftBlames(): Promise<void> {
    const names = await readdir(dataDirectory).catch(() => []) // who needs the directory tells why it cannot be read
    for (const name of names) {
      const life = blamedLife(name)
      if (life !== null && isOver(life)) await rm(join(dataDirectory, name), { force: true })
    }
  }

  /** A service that changed gets another chance. */
  function pardon(delta: Delta): void {
    let pardoned = false
    for (const { resource } of delta.set) {
      kills.delete(resource.ref)
      pardoned = quarantined.delete(resource.ref) || pardoned
    }
    if (pardoned) workers.quarantine(quarantineList())
  }

  function quarantineList(): Quarantined[] {
    return [...quarantined].map(([ref, reason]) => ({ ref, reason }))
  }
}
