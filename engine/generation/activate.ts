// Hands intake over from one generation to the next, each instance as its adapter says. It happens after the commit point,
// so it only goes forward: a start that fails leaves that instance degraded and is tried again.
//
// Two instances of one resource that may never take in work together meet in the resource's *lane*, where one act follows
// another: stop, drain, let go of the lease, only then start.

import type { Wrapped } from '../../adapters/wrap.ts'
import type { Ref } from '../../schema/ref.ts'
import type { BuiltGeneration } from './built.ts'
import type { Hold, Leases } from './leases.ts'

/** How long an exclusive instance may finish the work it took before its successor begins. */
const handoverMs = 10_000

/** What starts and stops intake in a worker; one for all its generations. */
export interface Intake {
  /**
   * Starts what `next` has and does not run yet, then stops what runs and is not in it; going back is the same call.
   * Resolves when the overlapping instances are handed over; exclusive ones follow as fast as their predecessors let go. Never rejects.
   */
  activate(next: Pick<BuiltGeneration, 'intake'>): Promise<void>
  /** Stops everything and gives up every lease. Never rejects. */
  stop(): Promise<void>
}

interface Running {
  readonly wrapped: Wrapped
  readonly refs: readonly Ref[]
  hold: Hold | null
}

export function createIntake(leases: Leases): Intake {
  const running = new Map<Wrapped, Running>()
  const lanes = new Map<Ref, Promise<void>>()
  let turn: Promise<void> = Promise.resolve()

  function inLane(refs: readonly Ref[], act: () => Promise<void>): void {
    const acted = Promise.all(refs.map(ref => lanes.get(ref))).then(act)
    for (const ref of refs) lanes.set(ref, acted)
    acted.then(() => {
      for (const ref of refs) if (lanes.get(ref) === acted) lanes.delete(ref)
    })
  }

  async function handOver(wanted: ReadonlyMap<Wrapped, readonly Ref[]>): Promise<void> {
    const gone = [...running.values()].filter(({ wrapped }) => !wanted.has(wrapped))
    for (const one of gone) {
      running.delete(one.wrapped)
      if (isExclusive(one.wrapped)) inLane(one.refs, () => stopExclusive(one))
    }
    const started: Promise<void>[] = []
    for (const [wrapped, refs] of wanted) {
      if (running.has(wrapped)) continue
      const one: Running = { wrapped, refs, hold: null }
      running.set(wrapped, one)
      if (isExclusive(wrapped)) inLane(refs, () => startExclusive(one))
      else started.push(wrapped.start())
    }
    await Promise.all(started)
    await Promise.all(gone.filter(({ wrapped }) => !isExclusive(wrapped)).map(({ wrapped }) => wrapped.stop()))
  }

  async function startExclusive(one: Running): Promise<void> {
    const { wrapped, refs } = one
    if (running.get(wrapped) !== one) return
    const { scope } = wrapped.traits
    if (scope === 'worker') return wrapped.start()
    const [name = wrapped.ref] = refs
    one.hold = leases.hold(name, scope, { start: () => wrapped.start(), stop: () => stopAndDrain(wrapped) })
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
      turn = turn.then(() => handOver(new Map()))
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
