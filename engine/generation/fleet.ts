// The workers of one server as a whole: all prepare or none does; who comes new, or late, is brought to what is live. What control
// hosts takes part like a worker, and is none: it serves nobody, so an apply neither waits for it alone nor goes live on it alone.

import { messageOf } from '../../adapters/redact.ts'
import type { Digest } from '../../schema/digest.ts'
import { LinkError } from '../process/link.ts'
import { deltaBetween } from './applied.ts'
import { type Delta, emptyManifest, type Manifest } from './manifest.ts'
import { createStanding } from './standing.ts'
import type { PrepareOrder, WorkerPort, Workers } from './workers.ts'

export type Preflight = PrepareOrder['preflight']

/** A committed generation and the file it was built from. */
interface Target {
  readonly generation: number
  readonly manifest: string
}

export interface FleetOptions {
  readonly workers: Workers
  /** What control itself hosts. Default: nothing. */
  readonly local?: WorkerPort
  readonly libraries: (lockfile: Digest | null) => string | null
  readonly live: () => (Target & { readonly contents: Manifest }) | null
  readonly fallback: () => Target | null
  readonly isStopping: () => boolean
}

export interface Order {
  readonly generation: number
  readonly contents: Manifest
  /** From what is live to `contents`. */
  readonly delta: Delta
  readonly preflight: Preflight
  /** Its file, which is written meanwhile. */
  readonly manifest: Promise<string>
}

export type Prepared =
  | { readonly kind: 'ready'; readonly ready: readonly WorkerPort[] }
  | { readonly kind: 'refused'; readonly reasons: readonly string[] }

export interface Fleet {
  /** Builds it on every worker that serves what is live; where one cannot, on none. */
  prepare(order: Order): Promise<Prepared>
  /** Makes it live on the workers that are ready, and follows up on the others. A worker that cannot is replaced. */
  activate(ready: readonly WorkerPort[], generation: number, keepPrevious: boolean): Promise<void>
  abort(ready: readonly WorkerPort[], generation: number): Promise<void>
  drain(generation: number): Promise<void>
  bringUp(worker: WorkerPort): Promise<void>
  /** Somebody waits for a worker that stands at a breakpoint, as no other serves. */
  waitsForDebugger(): boolean
  /** Who has that generation built. */
  holding(target: Target): readonly WorkerPort[]
}

const drainMs = 30_000
/** How long an apply waits for a worker where all are being replaced. */
const workerWaitMs = 10_000

export function createFleet(options: FleetOptions): Fleet {
  const { workers, local } = options
  const comingUp = new Map<WorkerPort, Promise<void>>()
  const tidied = new WeakSet<WorkerPort>()
  const standing = createStanding(workers, options.isStopping)
  return {
    prepare,
    activate,
    abort,
    drain,
    bringUp,
    waitsForDebugger: standing.isAwaited,
    holding: target => all().filter(worker => worker.holds(target)),
  }

  function all(): readonly WorkerPort[] {
    return local ? [...workers.list(), local] : workers.list()
  }

  async function prepare(order: Order): Promise<Prepared> {
    const live = options.live()
    const isCurrent = (worker: WorkerPort) => worker.live === (options.live()?.generation ?? 0)
    await workers.until(list => list.some(isCurrent), workerWaitMs)
    await standing.untilOneRuns(isCurrent)
    // Only workers that serve what is live, and run, vote; one that comes up meanwhile is built from what is current by then.
    const accept = workers.list().filter(worker => isCurrent(worker) && !worker.isPaused)
    const members = local && accept.length > 0 ? [...accept, local] : accept
    // One that came back a moment ago first lets go of what it built for an earlier control process.
    await Promise.all(members.map(worker => standing.unlessStanding(worker, bringUp(worker), null)))
    if (accept.length === 0)
      return { kind: 'refused', reasons: ['Cannot prepare as no worker is connected; workers are started anew within a second, try again'] }
    const outcomes = await Promise.all(
      members.map(async worker => {
        try {
          const preparing = worker.prepare({
            generation: order.generation,
            manifest: order.manifest,
            base: live && { generation: live.generation, manifest: live.manifest },
            delta: order.delta,
            whole: order.contents,
            ...frame(order.contents, order.preflight),
          })
          if ((await standing.unlessStanding(worker, preparing, order.generation)) !== 'left') return { worker, reason: null, gone: false }
          return { worker, reason: 'Cannot prepare as a debugger holds the worker', gone: true }
        } catch (error) {
          const gone = error instanceof LinkError
          if (gone) worker.dismiss(`did not answer to generation ${order.generation}: ${messageOf(error)}`)
          return { worker, reason: messageOf(error), gone }
        }
      }),
    )
    // A worker that died takes no part; its successor is built from what is current by then.
    const refusals = outcomes.filter(outcome => outcome.reason !== null && !outcome.gone)
    const ready = outcomes.filter(outcome => outcome.reason === null).map(outcome => outcome.worker)
    if (refusals.length === 0 && ready.some(worker => worker !== local)) return { kind: 'ready', ready }
    await abort(ready, order.generation)
    const told = refusals.length > 0 ? refusals : outcomes
    return { kind: 'refused', reasons: [...new Set(told.map(outcome => outcome.reason ?? ''))] }
  }

  async function activate(ready: readonly WorkerPort[], generation: number, keepPrevious: boolean): Promise<void> {
    const activateOn = async (worker: WorkerPort): Promise<void> => {
      if (!ready.includes(worker)) return void bringUp(worker)
      try {
        await standing.unlessStanding(worker, worker.activate(generation, { keepPrevious, drainMs }), generation)
      } catch (error) {
        worker.dismiss(`did not activate generation ${generation}: ${messageOf(error)}`)
      }
    }
    await Promise.all(workers.list().map(activateOn))
    // What it starts may call on workers.
    if (local) await activateOn(local)
  }

  async function abort(ready: readonly WorkerPort[], generation: number): Promise<void> {
    await Promise.all(
      ready.map(worker =>
        standing.unlessStanding(
          worker,
          worker.abort(generation).catch(error => worker.dismiss(`did not abort generation ${generation}: ${messageOf(error)}`)),
          generation,
        ),
      ),
    )
    standing.abort(generation)
  }

  async function bringUp(worker: WorkerPort): Promise<void> {
    const running = comingUp.get(worker)
    if (running) return await running.then(() => bringUp(worker))
    const climb = climbTo(worker)
    comingUp.set(worker, climb)
    await climb.finally(() => comingUp.delete(worker))
  }

  async function climbTo(worker: WorkerPort): Promise<void> {
    await standing.caughtUp(worker)
    // What an earlier control process had it build and never committed is nobody's. Once: later ones are of this process.
    if (!tidied.has(worker)) {
      tidied.add(worker)
      await worker.keepOnly([options.live()?.generation ?? 0, options.fallback()?.generation ?? 0]).catch(() => undefined) // a worker that is gone keeps nothing
    }
    const isBehind = (target: Target) => worker.live !== target.generation && !worker.isPaused && !options.isStopping()
    for (let target = options.live(); target && isBehind(target); target = options.live()) {
      try {
        if (!worker.holds(target))
          await worker.prepare({
            generation: target.generation,
            manifest: Promise.resolve(target.manifest),
            base: null,
            delta: deltaBetween(emptyManifest, target.contents),
            whole: target.contents,
            // What was good is never refused for a far end that is away.
            ...frame(target.contents, 'warn-all'),
          })
        // Never back to what was live a moment ago.
        if (options.live()?.generation === target.generation) await worker.activate(target.generation, { keepPrevious: false, drainMs })
      } catch (error) {
        if (!(error instanceof LinkError)) worker.dismiss(`did not build generation ${target.generation}: ${messageOf(error)}`)
        return
      }
    }
  }

  async function drain(generation: number): Promise<void> {
    await Promise.all(
      all().map(worker => {
        const draining = worker.drain(generation, drainMs).catch(() => undefined) // a worker that is gone has nothing to drain
        return standing.unlessStanding(worker, draining, generation)
      }),
    )
  }

  function frame(
    contents: Manifest,
    preflight: Preflight,
  ): Pick<PrepareOrder, 'revision' | 'settings' | 'lockfile' | 'libraries' | 'preflight'> {
    const { revision, settings, lockfile } = contents
    if (!settings) throw new Error('A manifest that goes live has settings')
    return { revision, settings, lockfile, libraries: options.libraries(lockfile), preflight }
  }
}
