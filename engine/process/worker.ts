// A worker: serves the channels from the generation that is live in it and follows what control says. While control is away
// it serves on; when control is back it says what it holds.

import { once } from 'node:events'
import { connect } from 'node:net'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../adapters/clock.ts'
import { hostedIn } from '../../adapters/hosted.ts'
import type { Surroundings } from '../../adapters/port.ts'
import { messageOf } from '../../adapters/redact.ts'
import { adapterTable } from '../../adapters/table.ts'
import { partsOf, type Ref } from '../../schema/ref.ts'
import { createUnsealer, type Unsealer } from '../../schema/seal.ts'
import type { Vocabulary } from '../../schema/vocabulary.ts'
import { createCatchUp } from '../debug/catch-up.ts'
import { pausingClock } from '../debug/paused-time.ts'
import { createRelay } from '../debug/relay.ts'
import { createIntake } from '../generation/activate.ts'
import type { BuiltGeneration } from '../generation/built.ts'
import { Instances } from '../generation/instances.ts'
import { createLeases } from '../generation/leases.ts'
import { Forwarder } from '../log/forward.ts'
import type { ProcessLog } from '../log/log.ts'
import { createWorkerSnapshot } from '../metrics/worker-snapshot.ts'
import { channelRow } from '../plane/channel.ts'
import { createClientAddresses } from '../plane/client-address.ts'
import { createPlane, type Place } from '../plane/listen.ts'
import { createRouter } from '../plane/router.ts'
import { clientKinds } from '../service/client-kinds.ts'
import { createServiceRuntime } from '../service/runtime.ts'
import type { ErrorFields } from '../service/service-log.ts'
import { createSubmit } from '../work/submit.ts'
import { createTaken } from '../work/taken.ts'
import { invokeService, pingConnection } from './calls.ts'
import { guarded } from './guard.ts'
import { healthOf } from './health.ts'
import { Held } from './held.ts'
import type { Lifeline } from './lifeline.ts'
import { type Link, LinkError, openLink } from './link.ts'
import type { Hello, Quarantined, Report, Welcome, WorkerMethods } from './messages.ts'
import { linkPath, socketAddress } from './paths.ts'
import type { WorkerConfig } from './worker-config.ts'

export interface WorkerOptions extends WorkerConfig {
  readonly id: number
  readonly life: string
  readonly channels: Place
  readonly vocabulary: Vocabulary
  readonly log: ProcessLog
  readonly lifeline: Lifeline
  /** Whether debuggers may attach: code then carries its source map for them. */
  readonly isDebuggable: boolean
}

export interface RunningWorker {
  /** Detaches debuggers, as the process ends at once. */
  letDebuggersGo(): void
  /** Lets what is open finish, at most `graceMs`. */
  close(graceMs: number): Promise<void>
  /** Tells control the last of the log, for a sudden end. */
  flush(): void
  /** Services that run at this instant or ran last, for the blame of a sudden end. */
  running(): string | null
  /** What the log has of what was thrown outside of a call; where its service is not known, the one that began last. */
  strayFields(error: unknown): { readonly err: ErrorFields; readonly service?: string; readonly path?: string; readonly began?: string }
}

const retryMs = 50
const reportMs = 250
/** A worker that could not let go of so many module instances is replaced. */
const recycleAfter = 200

export function startWorker(options: WorkerOptions): RunningWorker {
  const { id, life, log, lifeline, vocabulary } = options
  const instances = new Instances()
  const quarantined = new Map<string, string>()
  let named: readonly Ref[] = []
  let names = new Map<string, number>()
  let lastRun: string | null = null
  let unsealer: Unsealer | null = null
  let sourceRoot: string | null = null
  let poolShare = 1
  let control: Link | null = null
  let listening: Promise<unknown> | null = null
  let judged: { live: BuiltGeneration; previousShare: number | null; at: number } | null = null
  let lastReport = ''
  let lastDegraded: Report['degraded'] = null
  let closing = false

  const { pauses } = lifeline
  const pausedMs = () => pauses.totalMs
  const relay = createRelay({ dataDirectory: options.dataDirectory, life, pauses })
  const runtime = createServiceRuntime({
    moduleOf: digest => held.moduleOf(digest),
    dependencies: lockfile => held.librariesOf(lockfile),
    fileName: path => (sourceRoot === null ? path : join(sourceRoot, path)),
    clients: clientKinds(vocabulary),
    submit: createSubmit({ ask: (submission, timeoutMs) => ask('submit', submission, { timeoutMs }) }),
    log,
    inlineMaps: options.isDebuggable,
    pausedMs,
  })
  const guard = { begins, refuses: (name: string) => quarantined.get(name) ?? null }
  const surroundings: Surroundings = {
    clock: pausingClock(systemClock, pausedMs),
    log,
    get workers() {
      return poolShare
    },
  }
  const leases = createLeases({
    port: { acquire: (name, ttlMs) => ask('acquire', { name, ttlMs }), release: (name, term) => ask('release', { name, term }) },
    clock: systemClock,
    log,
  })
  const held: Held = new Held({
    table: hostedIn(adapterTable([channelRow, { kind: runtime.kind, adapter: guarded(runtime.adapter, guard) }]).values(), 'worker'),
    instances,
    surroundings,
    intake: createIntake(leases),
    emptyRouter: createRouter(),
    unsealer: () => unsealer,
    onLive,
  })
  const taken = createTaken({
    canRun: () => held.slots.live !== null,
    run: order => invokeService(held.slots.live, order, { delivery: order.delivery, pausedMs }),
    tell: (id, outcome) => ask('outcome', { id, outcome }),
    clock: systemClock,
  })
  const plane = createPlane({
    select: () => held.slots.select(),
    log,
    degraded: () => held.slots.live?.degraded().length ?? 0,
    isExcused: (error, generation) => held.isExcused(error, generation),
    errorFields: error => runtime.errorFields(error),
    onAnswered: access => log.book.writeAccess(access),
    tls: options.tls,
    clients: createClientAddresses(options.trustedProxies),
    ...(options.isDebuggable ? { pauses, ready: createCatchUp(pauses, count => ask('resumed', { count })) } : {}),
  })
  const forwarder = new Forwarder(log.book)
  const snapshot = createWorkerSnapshot({ live: () => held.slots.live, counters: plane.counters, services: runtime.kind, log })
  const reports = setInterval(report, reportMs)
  void stayConnected()

  return {
    flush: () => forwarder.flush(),
    running: () => lastRun,
    strayFields(error) {
      const fields = runtime.strayFields(error)
      return fields.path !== undefined || lastRun === null ? fields : { ...fields, began: lastRun }
    },
    async close(graceMs) {
      closing = true
      clearInterval(reports)
      control?.notify('leaving', null)
      await Promise.all([plane.close({ graceMs }), taken.close(graceMs)])
      await held.close()
      control?.close()
    },
    letDebuggersGo: () => relay.close(),
  }

  async function stayConnected(): Promise<void> {
    while (!closing) {
      const link = await dial()
      if (link) {
        control = link
        await greet(link).catch(error => {
          log.warn({ reason: messageOf(error) }, 'Cannot greet control; it is tried again')
          link.close()
        })
        await link.closed
        control = null
        forwarder.to(null)
        await held.abandonDrafts()
      }
      await sleep(retryMs)
    }
  }

  /** Null where control is away, or not yet there. */
  async function dial(): Promise<Link | null> {
    try {
      using address = socketAddress(options.dataDirectory, basename(linkPath(options.dataDirectory)))
      const socket = connect(address.path)
      await once(socket, 'connect')
      return openLink(socket, methods())
    } catch {
      return null // as above
    }
  }

  async function greet(link: Link): Promise<void> {
    const hello: Hello = { id, pid: process.pid, life, held: held.list(), live: held.slots.live?.number ?? 0, orders: taken.held() }
    const welcome = await link.call<Welcome>('hello', hello)
    unsealer = welcome.sealKey === null ? null : createUnsealer(welcome.sealKey)
    sourceRoot = welcome.sourceRoot
    poolShare = welcome.workers
    setQuarantine(welcome.quarantined)
    if (welcome.certificate !== null) plane.serveAs(welcome.certificate)
    forwarder.follow(welcome.followed)
    forwarder.to({
      send: batch => link.notify('lines', batch),
      get waitingBytes() {
        return link.waitingBytes
      },
    })
    lastDegraded = null
    // Where there is no generation at all there is nothing to wait for: answers are 503 until there is one.
    if (!welcome.hasLive) await listen()
  }

  function methods(): WorkerMethods {
    return {
      begin: body => held.begin(body),
      part: async body => held.part(body),
      name: async body => held.name(body),
      prepare: ({ generation }) => held.prepare(generation),
      abort: ({ generation }) => held.abort(generation),
      activate: async body => {
        held.activate(body)
        await listen()
      },
      drain: async ({ generation, deadlineMs }) => held.drain(generation, deadlineMs),
      quarantine: async ({ list }) => setQuarantine(list),
      certificate: async served => plane.serveAs(served),
      invoke: invocation => invokeService(held.slots.live, invocation, { pausedMs }),
      debug: takeDebuggers,
      take: async order => taken.take(order),
      logs: async ({ filter, limit }) => log.book.newest(filter, limit),
      metrics: async () => snapshot(),
      follow: async ({ filters }) => forwarder.follow(filters),
      ping: ({ ref }) => pingConnection(held.slots.live, ref),
    }
  }

  async function takeDebuggers(): Promise<void> {
    if (!options.isDebuggable) throw new Error('Cannot take a debugger as this worker was not started for it')
    await relay.open()
  }

  function listen(): Promise<unknown> {
    listening ??= plane.listen(options.channels)
    return listening
  }

  function onLive(live: BuiltGeneration, previous: BuiltGeneration | null): void {
    const minuteAgo = performance.now() - 60_000
    const before = previous && plane.counters.window(previous, minuteAgo)
    judged = {
      live,
      previousShare: before && before.requests > 0 ? (before.serverErrors - before.excused) / before.requests : null,
      at: performance.now(),
    }
    const refs = live.refsByKind.get(runtime.kind) ?? []
    if (refs !== named) {
      named = refs
      const services = refs.map(ref => partsOf(ref).name)
      names = new Map(services.map((name, at) => [name, at]))
      lifeline.name(services)
    }
    // Control waits for the answer, which goes first.
    setImmediate(report)
  }

  function begins(name: string): void {
    lastRun = name
    lifeline.blame(names.get(name) ?? -1)
  }

  function setQuarantine(list: readonly Quarantined[]): void {
    quarantined.clear()
    for (const { ref, reason } of list) quarantined.set(ref.slice(ref.indexOf('/') + 1), reason)
  }

  function report(): void {
    if (!control || !judged) return
    const current: Report = {
      live: judged.live.number,
      draining: [...held.slots.draining].map(({ number }) => number),
      degraded: null,
      leaks: runtime.leaks().map(({ path, count, holders }) => ({ path, count, holders })),
      health: healthOf({ ...judged, counters: plane.counters, kind: runtime.kind }),
    }
    const text = JSON.stringify(current)
    const degraded = judged.live.degraded()
    const isSame = lastDegraded !== null && isSameList(degraded, lastDegraded)
    if (text !== lastReport || !isSame) control.notify('report', isSame ? current : { ...current, degraded })
    lastReport = text
    lastDegraded = degraded
    // A debugger holds code of its own, and would lose its process.
    if (pauses.sessions === 0 && runtime.uncollected() >= recycleAfter) recycle()
  }

  /** Ends in good order; the supervisor starts the next. */
  function recycle(): void {
    log.warn({ uncollected: runtime.uncollected() }, 'This worker ends and is replaced, as code that was released is still held')
    process.kill(process.pid, 'SIGTERM')
  }

  function ask<Answer>(method: string, body: unknown, options: { readonly timeoutMs?: number } = {}): Promise<Answer> {
    return control ? control.call<Answer>(method, body, options) : Promise.reject(new LinkError('Cannot ask control as it is away'))
  }
}

type Degraded = NonNullable<Report['degraded']>

function isSameList(one: Degraded, other: Degraded): boolean {
  return (
    one.length === other.length &&
    one.every(({ ref, reason, since }, at) => ref === other[at]?.ref && reason === other[at]?.reason && since === other[at]?.since)
  )
}
