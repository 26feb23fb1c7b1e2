// Which jobs there are: what is declared is met with how far each job had come, which is on disk.

import type { Ref } from '../../schema/ref.ts'
import { PersistentMap } from '../generation/persistent-map.ts'
import { createSlices } from '../generation/slice.ts'
import type { JobState, RunStore } from '../store/runs.ts'
import type { Job } from './job.ts'
import { firstState, type Tracked, trackedOf } from './tracked.ts'

export interface RosterOptions {
  readonly store: Pick<RunStore, 'putJobStates'>
  /** Milliseconds of the wall. */
  readonly now: () => number
}

/** How many states are written in one go. */
const statesAtOnce = 500

export class Roster {
  readonly #options: RosterOptions
  #tracked = new Map<string, Tracked>()
  /** Of jobs that nothing has declared since `begin`. */
  #states = new Map<string, JobState>()
  #served: PersistentMap<Ref, Job> = PersistentMap.of()

  constructor(options: RosterOptions) {
    this.#options = options
  }

  /** Begins anew with what is on disk. */
  begin(states: readonly JobState[]): void {
    this.#states = new Map(states.map(state => [state.job, state]))
    this.#tracked = new Map()
    this.#served = PersistentMap.of()
  }

  get(name: string): Tracked | undefined {
    return this.#tracked.get(name)
  }

  all(): Iterable<Tracked> {
    return this.#tracked.values()
  }

  /** Takes what is declared from now on. Resolves, once it is on disk, with what is not declared any more and what is new or changed. */
  async adopt(jobs: ReadonlyMap<Ref, Job>): Promise<{ readonly left: readonly Tracked[]; readonly found: readonly Tracked[] }> {
    const [before, wanted] = [this.#served, PersistentMap.of(jobs)]
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
      const tracked = this.#tracked.get(job.name) ?? trackedOf(job)
      tracked.job = job
      const known = this.#states.get(job.name) ?? (tracked.state.times === null ? undefined : tracked.state)
      tracked.state = known?.times === job.times.identity ? known : firstState(job, known, this.#options.now())
      this.#states.delete(job.name)
      if (tracked.state !== known) renewed.push(tracked.state)
      found.push(tracked)
      if (slices.isSpent()) await slices.rest()
    }
    await this.#put([...renewed, ...left.map(({ job, state }) => ({ ...state, job: job.name, times: null }))])
    this.#served = wanted
    for (const tracked of left) {
      this.#tracked.delete(tracked.job.name)
      tracked.version += 1
    }
    for (const tracked of found) this.#tracked.set(tracked.job.name, tracked)
    return { left, found }
  }

  /** Jobs that left while no scheduler ran: when they come back they begin anew. */
  async forgetUndeclared(): Promise<void> {
    const gone = [...this.#states.values()].filter(({ times }) => times !== null).map(state => ({ ...state, times: null }))
    this.#states.clear()
    await this.#put(gone)
  }

  /** Nothing is declared any more. */
  async abandon(): Promise<void> {
    const left = [...this.#tracked.values()].map(({ state }) => ({ ...state, times: null }))
    this.#tracked.clear()
    await this.#put(left)
  }

  async #put(states: readonly JobState[]): Promise<void> {
    for (let at = 0; at < states.length; at += statesAtOnce) await this.#options.store.putJobStates(states.slice(at, at + statesAtOnce))
  }
}
