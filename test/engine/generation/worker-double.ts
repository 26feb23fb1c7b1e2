// Workers in memory, for tests of the swap: each builds what it is told from what it holds, as a real one does, and a test decides
// which of them refuses, dies or hangs, and when.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { applied } from '../../../engine/generation/applied.ts'
import type { Manifest } from '../../../engine/generation/manifest.ts'
import { digestManifest } from '../../../engine/generation/state-digest.ts'
import type { PrepareOrder, WorkerPort, Workers } from '../../../engine/generation/workers.ts'
import { LinkError } from '../../../engine/process/link.ts'

type Step = 'prepare' | 'activate' | 'abort' | 'drain'

export class WorkerDouble implements WorkerPort {
  readonly id: number
  readonly pid: number
  live = 0
  draining: readonly number[] = []
  /** Why the next prepare is refused; null: it is not. */
  refusal: string | null = null
  /** The step at whose beginning it dies. */
  diesAt: Step | null = null
  isDead = false
  /** It stands at a breakpoint: what it is told is done when it goes on. */
  isPaused = false
  /** Milliseconds that its next prepare takes. */
  delayMs = 0
  readonly steps: string[] = []
  /** How many entries it was sent with each prepare. */
  readonly sent: number[] = []
  readonly #held = new Map<number, { readonly manifest: string; readonly contents: Manifest }>()
  readonly #onDeath: (worker: WorkerDouble) => void

  constructor(id: number, pid: number, onDeath: (worker: WorkerDouble) => void) {
    this.id = id
    this.pid = pid
    this.#onDeath = onDeath
  }

  get isDebugged(): boolean {
    return this.isPaused
  }

  get held(): readonly number[] {
    return [...this.#held.keys()].sort((a, b) => a - b)
  }

  /** Of what it serves. */
  get digest(): string | null {
    const live = this.#held.get(this.live)
    return live ? digestManifest(live.contents).digest : null
  }

  holds({ generation, manifest }: { readonly generation: number; readonly manifest: string }): boolean {
    return this.#held.get(generation)?.manifest === manifest
  }

  async prepare({ generation, manifest, base, delta, whole }: PrepareOrder): Promise<void> {
    await this.#step('prepare', generation)
    if (this.delayMs > 0) await sleep(this.delayMs)
    if (this.refusal !== null) {
      const reason = this.refusal
      this.refusal = null
      throw new Error(reason)
    }
    const name = await manifest
    const from = base && this.holds(base) ? this.#held.get(base.generation) : undefined
    const contents = from ? applied(from.contents, delta) : whole
    assert.equal(digestManifest(contents).digest, digestManifest(whole).digest, 'the delta leads to the whole')
    this.sent.push(from ? delta.set.length : whole.entries.size)
    this.#held.set(generation, { manifest: name, contents })
  }

  async abort(generation: number): Promise<void> {
    await this.#step('abort', generation)
    assert.notEqual(generation, this.live, 'what is live is never aborted')
    this.#held.delete(generation)
  }

  async keepOnly(generations: readonly number[]): Promise<void> {
    for (const generation of this.held) if (generation !== this.live && !generations.includes(generation)) await this.abort(generation)
  }

  async activate(generation: number, { keepPrevious }: { readonly keepPrevious: boolean }): Promise<void> {
    await this.#step('activate', generation)
    assert(this.#held.has(generation), `worker ${this.id} activates generation ${generation}, which it has not built`)
    if (!keepPrevious && this.live !== generation) this.#held.delete(this.live)
    this.live = generation
  }

  async drain(generation: number): Promise<void> {
    await this.#step('drain', generation)
    assert.notEqual(generation, this.live, 'what is live is never drained')
    this.#held.delete(generation)
  }

  dismiss(reason: string): void {
    this.steps.push(`dismiss: ${reason}`)
    this.die()
  }

  die(): void {
    if (this.isDead) return
    this.isDead = true
    this.#onDeath(this)
  }

  /** As an answer over a socket, which takes a turn of the loop. */
  async #step(step: Step, generation: number): Promise<void> {
    this.steps.push(`${step} ${generation}`)
    do await new Promise(resolve => setImmediate(resolve))
    while (this.isPaused && !this.isDead)
    if (this.diesAt === step) this.die()
    if (this.isDead) throw new LinkError('Cannot go on as the link to the other process closed')
  }
}

export interface WorkerDoubles extends Workers {
  readonly alive: readonly WorkerDouble[]
  /** Starts one; the swap is told of it by the test. */
  start(): WorkerDouble
}

export function createWorkerDoubles(count: number): WorkerDoubles {
  const alive: WorkerDouble[] = []
  let lastPid = 0
  const doubles: WorkerDoubles = {
    alive,
    list: () => [...alive],
    async until(holds, ms) {
      // Nobody comes by itself where nobody is.
      for (const giveUpAt = performance.now() + ms; alive.length > 0 && performance.now() < giveUpAt; await sleep(1))
        if (holds([...alive])) return true
      // As anything that waits, it takes a turn of the loop.
      await sleep(1)
      return holds([...alive])
    },
    start() {
      lastPid += 1
      const worker = new WorkerDouble(lastPid, lastPid, dead => alive.splice(alive.indexOf(dead), 1))
      alive.push(worker)
      return worker
    },
  }
  for (let at = 0; at < count; at += 1) doubles.start()
  return doubles
}
