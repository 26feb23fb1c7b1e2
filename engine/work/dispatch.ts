// Hands orders to workers and hears what became of them. Nothing is assumed of a worker that cannot be reached: an order is lost
// only once the life of its worker is over, or once that worker, back on a new link, says that it never got it.
//
// A worker keeps each order it took, and how it ended, until control says that the outcome is on disk. So neither end of the link may
// lose an outcome: control that was restarted asks for the orders it finds in its store by `resume`.

import type { Clock } from '../../adapters/port.ts'
import { LinkError } from '../process/link.ts'
import type { WorkOrder, WorkOutcome } from './order.ts'

export interface Keeper {
  /**
   * Before the order goes to the worker of that life: puts it on disk. Comes again, with another life, where the first did not get it.
   * Where it rejects, the order goes nowhere and `run` rejects with the same.
   */
  taken(life: string): Promise<unknown>
  /** Puts the outcome on disk; after that its worker forgets it. Comes again where it rejects. */
  ended(outcome: WorkOutcome): Promise<unknown>
}

export interface Dispatch {
  /** Resolves with the outcome once `keeper.ended` has it. Waits its turn while no worker is free. Rejects where the order goes nowhere. */
  run(order: WorkOrder, keeper: Keeper): Promise<WorkOutcome>
  /** The outcome of an order that an earlier control process handed to the worker of that life. */
  resume(id: string, life: string, keeper: Pick<Keeper, 'ended'>): Promise<WorkOutcome>
  /** How many orders workers have, and how many wait for one. */
  counts(): { readonly running: number; readonly waiting: number }
}

/** A worker as far as orders go, on one link. */
export interface DispatchWorker {
  readonly life: string
  /** The generation that is live in it; 0: none. */
  readonly live: number
  /** What it said it holds. */
  readonly orders: readonly string[]
  /** False where it takes no more. */
  take(order: WorkOrder): Promise<boolean>
}

/** What the links tell. */
export interface DispatchEnds {
  up(worker: DispatchWorker): void
  down(worker: DispatchWorker): void
  /** It will end, and takes no more. */
  leaving(worker: DispatchWorker): void
  /** Resolves once the outcome is on disk, and the worker may forget it. */
  told(worker: DispatchWorker, id: string, outcome: WorkOutcome): Promise<void>
  /** A worker may serve another generation. */
  changed(): void
}

export interface DispatchOptions {
  /** Whether what is live in the server is live in that worker. */
  readonly isServing: (worker: DispatchWorker) => boolean
  /** Whether that process is certainly dead. */
  readonly isOver: (life: string) => boolean
  readonly clock: Clock
  /** Orders of less than five seconds that one worker has at a time. */
  readonly perWorker: number
}

/** An order that takes longer does not count against `perWorker` any more, so that what hangs keeps nothing else waiting … */
const longMs = 5_000
/** … as long as a worker has no more than so many times as many. */
const mostTimes = 32
const lookMs = 200
const retryMs = 1_000
/** So long an end in good order waits for what workers have; a worker gives itself about as much. */
const closeMs = 30_000
/** So long after its start control may still find, in its store, an order that a worker tells of. */
const unknownMs = 600_000

export function createDispatch({ isServing, isOver, clock, perWorker }: DispatchOptions): Dispatch & DispatchEnds & AsyncDisposable {
  const startedAt = clock.now()
  const places = new Map<string, Place>()
  const open = new Map<string, Open>()
  const watched = new Set<string>()
  const ending = new AbortController()
  const waiting: Waiting[] = []
  let isLooking = false

  return {
    async run(order, keeper) {
      for (;;) {
        const place = await nextPlace(order.id)
        const { life } = place.worker
        try {
          await keeper.taken(life)
        } catch (error) {
          leave(place, order.id)
          throw error
        }
        // Its link closed meanwhile, so nothing was sent.
        if (places.get(life) !== place) continue
        const ended = outcome(order.id, life, keeper)
        if (!(await isTaken(place, order))) {
          place.takesMore = false
          open.delete(order.id)
          leave(place, order.id)
          continue
        }
        const found = await ended
        if (found.kind !== 'lost' || found.mayHaveRun) return found
      }
    },
    resume(id, life, keeper) {
      const ended = outcome(id, life, keeper, true)
      const place = places.get(life)
      if (!place) watch(life)
      else if (!place.orders.has(id)) void open.get(id)?.settle(neverGot)
      return ended
    },
    counts: () => ({ running: [...places.values()].reduce((total, { orders }) => total + orders.size, 0), waiting: waiting.length }),
    up(worker) {
      const place = { worker, orders: new Map(worker.orders.map(id => [id, clock.now()])), takesMore: true }
      places.set(worker.life, place)
      for (const [id, { life, settle }] of open) if (life === worker.life && !place.orders.has(id)) void settle(neverGot)
      handOut()
    },
    down(worker) {
      const { life } = worker
      if (places.get(life)?.worker !== worker) return
      places.delete(life)
      watch(life)
    },
    leaving({ life }) {
      const place = places.get(life)
      if (place) place.takesMore = false
    },
    async told({ life }, id, outcome) {
      const asked = open.get(id)
      if (asked?.life === life) await asked.settle(outcome)
      // Nobody waits for it any more: it was on disk when the link closed before its worker heard so.
      else if (clock.now() - startedAt < unknownMs)
        throw new Error(`Cannot keep the outcome of order "${id}" as nobody has asked for it yet`)
      const place = places.get(life)
      if (place) leave(place, id)
    },
    changed: handOut,
    /** Hands out no more and waits for what workers have. */
    async [Symbol.asyncDispose]() {
      ending.abort(new Error('Cannot hand out the order as the server is stopping'))
      for (const { reject } of waiting.splice(0)) reject(ending.signal.reason)
      const until = clock.now() + closeMs
      while (open.size > 0 && places.size > 0 && clock.now() < until) await clock.sleep(20)
    },
  }

  function nextPlace(id: string): Promise<Place> {
    return new Promise((resolve, reject) => {
      if (ending.signal.aborted) return reject(ending.signal.reason)
      waiting.push({ id, resolve, reject })
      handOut()
    })
  }

  function handOut(): void {
    while (waiting.length > 0) {
      const free = [...places.values()].filter(hasRoom)
      const [first, ...others] = free
      if (!first) return lookAgain()
      const least = others.reduce((one, other) => (other.orders.size < one.orders.size ? other : one), first)
      const next = waiting.shift()
      if (!next) return
      least.orders.set(next.id, clock.now())
      next.resolve(least)
    }
  }

  function hasRoom({ worker, orders, takesMore }: Place): boolean {
    if (!takesMore || !isServing(worker)) return false
    if (orders.size < perWorker) return true
    const since = clock.now() - longMs
    const recent = orders.values().filter(at => at > since)
    return orders.size < perWorker * mostTimes && [...recent].length < perWorker
  }

  /** Nobody tells of an order that became a long one. */
  function lookAgain(): void {
    if (isLooking) return
    isLooking = true
    void clock.sleep(lookMs).then(() => {
      isLooking = false
      handOut()
    })
  }

  function leave(place: Place, id: string): void {
    place.orders.delete(id)
    handOut()
  }

  async function isTaken({ worker }: Place, order: WorkOrder): Promise<boolean> {
    try {
      return await worker.take(order)
    } catch (error) {
      // Sent or not, who knows: the worker says so when it is back.
      return error instanceof LinkError
    }
  }

  /** @param isResumed what never began is an outcome as well */
  function outcome(id: string, life: string, keeper: Pick<Keeper, 'ended'>, isResumed = false): Promise<WorkOutcome> {
    const ended = Promise.withResolvers<WorkOutcome>()
    let settling: Promise<void> | null = null
    const settle = async (found: WorkOutcome): Promise<void> => {
      if (isResumed || found.kind !== 'lost' || found.mayHaveRun) await keeper.ended(found)
      if (open.get(id) === entry) open.delete(id)
      const place = places.get(life)
      if (place) leave(place, id)
      ended.resolve(found)
    }
    const entry: Open = {
      life,
      settle: found => {
        settling ??= settle(found).finally(() => {
          settling = null
        })
        return settling
      },
    }
    open.set(id, entry)
    return ended.promise
  }

  /** Until that life is on a link again, or over and nobody waits for what it had. */
  function watch(life: string): void {
    if (watched.has(life)) return
    watched.add(life)
    void look(life)
  }

  async function look(life: string): Promise<void> {
    for (;;) {
      // Looked at anew each time: what is resumed meanwhile may be of the same life.
      const waitFor = [...open.values()].filter(each => each.life === life)
      if (waitFor.length === 0 || places.has(life)) break
      if (isOver(life)) {
        const settled = await Promise.allSettled(waitFor.map(({ settle }) => settle(gone)))
        if (settled.some(({ status }) => status === 'rejected')) await clock.sleep(retryMs)
      } else await clock.sleep(lookMs)
    }
    watched.delete(life)
  }
}

const gone: WorkOutcome = { kind: 'lost', reason: 'the worker that had it died', mayHaveRun: true }
const neverGot: WorkOutcome = { kind: 'lost', reason: 'the worker it was meant for never got it', mayHaveRun: false }

interface Place {
  readonly worker: DispatchWorker
  /** What it has, until the outcome is on disk, and since when. */
  readonly orders: Map<string, number>
  takesMore: boolean
}

interface Open {
  readonly life: string
  settle(outcome: WorkOutcome): Promise<void>
}

interface Waiting {
  readonly id: string
  resolve(place: Place): void
  reject(reason: unknown): void
}
