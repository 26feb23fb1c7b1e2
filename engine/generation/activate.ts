// Hands intake over from one generation to the next, each instance as its adapter says. It happens after the commit point,
// so it only goes forward: a start that fails leaves that instance degraded and is tried again.
//
// Two instances of one name that may never take in work together meet in its *lane*, where one act follows another: stop, drain,
// let go of the lease, only then start. The name is the resource's, or that of the key resources share an instance by.

import type { Wrapped } from '../../adapters/wrap.ts'
import type { BuiltGeneration, Served } from './built.ts'
import type { Hold, Leases } from './leases.ts'
import { PersistentMap } from './persistent-map.ts'

/** How long an exclusive instance may finish the work it took before its successor begins. */
const handoverMs = 10_000

/** What starts and stops intake in a worker; one for all its generations. */
export interface Intake {
  /**
   * Tells each instance what it serves in `next`, starts what does not run yet, then stops what runs and is not in it; going back is
   * the same call.
   * Resolves when the overlapping instances are handed over; exclusive ones follow as fast as their predecessors let go. Never rejects.
   */
  activate(next: Pick<BuiltGeneration, 'intake'>): Promise<void>
  /** Stops everything and gives up every lease. Never rejects. */
  stop(): Promise<void>
}

interface Running {
  readonly wrapped: Wrapped
  served: Served | null
  hold: Hold | null
}

export function createIntake(leases: Leases): Intake {
  const running = new Map<Wrapped, Running>()
  const lanes = new Map<string, Promise<void>>()
  let turn: Promise<void> = Promise.resolve()

  function inLane({ name }: Wrapped, act: () => Promise<void>): void {
    const acted = (lanes.get(name) ?? Promise.resolve()).then(act)
    lanes.set(name, acted)
    acted.then(() => {
      if (lanes.get(name) === acted) lanes.delete(name)
    })
  }

  async function handOver(wanted: BuiltGeneration['intake']): Promise<void> {
    const gone = [...running.values()].filter(({ wrapped }) => wanted.get(wrapped.name)?.wrapped !== wrapped)
    for (const one of gone) {
      running.delete(one.wrapped)
      if (isExclusive(one.wrapped)) inLane(one.wrapped, () => stopExclusive(one))
    }
    const started: Promise<void>[] = []
    for (const { wrapped, served } of wanted.values()) {
      const known = running.get(wrapped)
      const one: Running = known ?? { wrapped, served: null, hold: null }
      if (one.served !== served) wrapped.serve(served)
      one.served = served
      if (known) continue
      running.set(wrapped, one)
      if (isExclusive(wrapped)) inLane(wrapped, () => startExclusive(one))
      else started.push(wrapped.start())
    }
    await Promise.all(started)
    await Promise.all(gone.filter(({ wrapped }) => !isExclusive(wrapped)).map(({ wrapped }) => wrapped.stop()))
  }

  async function startExclusive(one: Running): Promise<void> {
    const { wrapped } = one
    if (running.get(wrapped) !== one) return
    const { scope } = wrapped.traits
    if (scope === 'worker') return wrapped.start()
    const { name } = wrapped
    one.hold = leases.hold(name, scope, { start: term => wrapped.start({ name, term }), stop: () => stopAndDrain(wrapped) })
  }

  async function stopExclusive({ wrapped, hold }: Running): Promise<void> {
    if (hold) await hold.end()
    else await stopAndDrain(wrapped)
  }

  return {
    activate(next) {
      turn = turn.then(() => handOver(next.intake))
      return turn
    },
    async stop() {
      turn = turn.then(() => handOver(PersistentMap.of()))
      await turn
      await Promise.all(lanes.values())
    },
  }
}

/** What holds a lease cannot overlap: both would hold it under one name. */
function isExclusive({ traits }: Wrapped): boolean {
  return traits.handover === 'stopThenStart' || traits.scope !== 'worker'
}

async function stopAndDrain(wrapped: Wrapped): Promise<void> {
  await wrapped.stop()
  await wrapped.drain(handoverMs)
}
