// The law of asynchronous calls over interleavings of everything that may die: real queue, dispatch and worker side, joined by links
// that break, over the real statements. Only the processes are played.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { LinkError } from '../../engine/process/link.ts'
import { createDispatch, type DispatchWorker } from '../../engine/work/dispatch.ts'
import type { WorkOrder } from '../../engine/work/order.ts'
import { createQueue } from '../../engine/work/queue.ts'
import { createTaken, type Taken } from '../../engine/work/taken.ts'
import { memoryStore } from '../engine/work/memory-store.ts'
import { type FakeClock, fakeClock } from '../fake-clock.ts'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

interface Run {
  readonly id: string
  readonly redelivered: boolean
  isEnded: boolean
}

/** A server of two workers on one disk, whose processes die when they are told to. */
class World {
  readonly clock: FakeClock = fakeClock(1)
  readonly accepted: string[] = []
  readonly runs: Run[] = []
  readonly #dead = new Set<string>()
  readonly #workers = new Map<number, Worker>()
  #store = memoryStore()
  #control: Control | null = null
  #lives = 0
  #tasks = 0

  async start(): Promise<void> {
    await this.startControl()
    for (const id of [0, 1]) this.startWorker(id)
  }

  async startControl(): Promise<void> {
    // What the one before asks for from here on never happens: it is dead.
    this.#store = this.#store.takenOver()
    const { clock } = this
    const dispatch = createDispatch({ isServing: () => true, isOver: life => this.#dead.has(life), clock, perWorker: 2 })
    const counts = await this.#store.countTasks()
    const queue = createQueue({ store: this.#store, dispatch, counts, clock, random: () => 0.5, log: silent, maxOpen: 6 })
    this.#control = { dispatch, queue }
    queue.start()
    for (const worker of this.#workers.values()) this.#link(worker)
  }

  killControl(): void {
    this.#control = null
    this.#store = this.#store.takenOver()
    for (const worker of this.#workers.values()) unlink(worker)
  }

  startWorker(id: number): void {
    const life = `life-${++this.#lives}`
    const worker: Worker = {
      life,
      link: null,
      taken: createTaken({
        canRun: () => true,
        run: order => this.#run(life, order),
        tell: async (orderId, outcome) => {
          const { link } = worker
          if (link === null || this.#dead.has(life)) throw new LinkError('away')
          await Promise.race([link.control.dispatch.told(link.end, orderId, outcome), link.closed.promise])
        },
        clock: this.clock,
      }),
    }
    this.#workers.set(id, worker)
    this.#link(worker)
  }

  killWorker(id: number): void {
    const worker = this.#workers.get(id)
    if (!worker) return
    this.#dead.add(worker.life)
    this.#workers.delete(id)
    const { link } = worker
    unlink(worker)
    link?.control.dispatch.down(link.end)
  }

  breakLink(id: number): void {
    const worker = this.#workers.get(id)
    const link = worker?.link
    if (!worker || !link) return
    unlink(worker)
    link.control.dispatch.down(link.end)
  }

  /** What is cut off finds its way back, what is dead is started. */
  async mend(): Promise<void> {
    if (this.#control === null) await this.startControl()
    for (const id of [0, 1]) {
      const worker = this.#workers.get(id)
      if (!worker) this.startWorker(id)
      else if (worker.link === null) this.#link(worker)
    }
  }

  /** Never waits for the answer: it may never come. */
  accept(): void {
    const id = `t${++this.#tasks}`
    const submission = { id, service: 's', payload: null, cid: id, dueAt: 0, maxAttempts: 100, deadlineMs: 1_000, isRepeated: false }
    void this.#control?.queue.accept(submission).then(({ kind }) => {
      if (kind === 'accepted') this.accepted.push(id)
    })
  }

  async close(): Promise<void> {
    const { queue } = this.#control ?? {}
    await queue?.stop()
  }

  async isEmpty(): Promise<boolean> {
    const { ready, running, dead } = await this.#store.countTasks()
    const told = this.#control?.queue.snapshot()
    assert.equal(dead, 0)
    if (ready + running > 0) return false
    assert.deepEqual([told?.ready, told?.running, told?.dead], [0, 0, 0])
    return true
  }

  #link(worker: Worker): void {
    const control = this.#control
    if (control === null) return
    const end: DispatchWorker = {
      life: worker.life,
      live: 1,
      orders: worker.taken.held(),
      take: async order => {
        if (worker.link?.end !== end || this.#dead.has(worker.life)) throw new LinkError('closed')
        const isTaken = worker.taken.take(order)
        await Promise.resolve()
        if (worker.link?.end !== end) throw new LinkError('closed', { mayHaveArrived: true })
        return isTaken
      },
    }
    const closed = Promise.withResolvers<never>()
    closed.promise.catch(() => undefined) // whoever calls over it is told
    worker.link = { control, end, closed }
    control.dispatch.up(end)
  }

  async #run(life: string, { delivery }: WorkOrder) {
    const run: Run = { id: delivery.id, redelivered: delivery.redelivered, isEnded: false }
    this.runs.push(run)
    await this.clock.sleep(30)
    // A dead worker goes nowhere.
    if (this.#dead.has(life)) return await new Promise<never>(() => undefined)
    run.isEnded = true
    return { kind: 'answered', payload: null, elapsedMs: 30, generation: 1 } as const
  }
}

interface Control {
  readonly dispatch: ReturnType<typeof createDispatch>
  readonly queue: ReturnType<typeof createQueue>
}

interface Worker {
  readonly life: string
  readonly taken: Taken
  link: { readonly control: Control; readonly end: DispatchWorker; readonly closed: PromiseWithResolvers<never> } | null
}

/** Whatever is asked over the link is not answered any more. */
function unlink(worker: Worker): void {
  worker.link?.closed.reject(new LinkError('closed', { mayHaveArrived: true }))
  worker.link = null
}

const steps = {
  accept: world => world.accept(),
  'kill worker 0': world => world.killWorker(0),
  'kill worker 1': world => world.killWorker(1),
  'break link 0': world => world.breakLink(0),
  'break link 1': world => world.breakLink(1),
  'kill control': world => world.killControl(),
  mend: world => world.mend(),
} satisfies Record<string, (world: World) => void | Promise<void>>

const step = fc.oneof(
  { weight: 5, arbitrary: fc.constant('accept' as const) },
  { weight: 2, arbitrary: fc.constant('mend' as const) },
  { weight: 3, arbitrary: fc.constantFrom(...(Object.keys(steps) as (keyof typeof steps)[])) },
)
/** Turns of the event loop, or milliseconds, between two steps. */
const pause = fc.oneof(fc.record({ turns: fc.nat(8) }), fc.record({ ms: fc.constantFrom(1, 29, 30, 200, 1_000) }))

test('whatever dies in whatever order, what was accepted runs to its end, and each run after the first of a task is marked', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(step, pause), { minLength: 5, maxLength: 40 }), async plan => {
      const world = new World()
      await world.start()
      for (const [name, between] of plan) {
        await steps[name](world)
        if ('ms' in between) await world.clock.advance(between.ms)
        else for (let turn = 0; turn < between.turns; turn++) await new Promise(setImmediate)
      }
      await world.mend()
      for (let round = 0; round < 200 && !(await world.isEmpty()); round++) await world.clock.advance(10_000)
      assert(await world.isEmpty(), 'the queue does not become empty')
      const byId = Map.groupBy(world.runs, ({ id }) => id)
      const lost = world.accepted.filter(id => !byId.get(id)?.some(({ isEnded }) => isEnded))
      const unmarked = [...byId.values()].flatMap(([, ...further]) => further.filter(({ redelivered }) => !redelivered))
      await world.close()
      assert.deepEqual({ lost, unmarked }, { lost: [], unmarked: [] })
    }),
    { numRuns: 60 },
  )
})
