// What the plane counts: for each channel and in total, as long as the process lives; and for each generation by the second, which is
// what probation judges. Plain typed arrays, so that counting one request is a handful of additions.

import type { Generation } from '../generation/generation.ts'
import { Latency } from './latency.ts'

export interface Tally {
  readonly requests: number
  /** By first digit of the status, `1` to `5`; a caller that went away counts as 4 (499). */
  readonly statuses: readonly number[]
  /** One more than `latencyBoundsMs`; each holds its own, not those below it. */
  readonly latency: readonly number[]
  readonly totalMs: number
}

export interface Window {
  readonly requests: number
  readonly serverErrors: number
  /** Of the server errors: 502, 503, 504 that were excused, for they tell of a far end that no change touched. */
  readonly excused: number
}

/** Counters of channels that were removed long ago make room. */
const maxRoutes = 100_000

export class Counters {
  readonly #total = new RouteCounters()
  /** Of requests that no channel was found for. */
  readonly #unrouted = new RouteCounters()
  readonly #routes = new Map<string, RouteCounters>()
  readonly #seconds = new WeakMap<Generation, Seconds>()
  #last: { readonly generation: Generation; readonly seconds: Seconds } | null = null

  /** @param ref the channel's, null where none matched; `generation` null where none is live */
  count(
    generation: Generation | null,
    ref: string | null,
    answer: { status: number; elapsedMs: number; excused: boolean; now: number },
  ): void {
    this.#total.count(answer.status, answer.elapsedMs)
    const counters = ref === null ? this.#unrouted : this.#of(ref)
    counters.count(answer.status, answer.elapsedMs)
    if (generation !== null) this.#secondsOf(generation).count(answer.now, answer.status, answer.excused)
  }

  snapshot(): { readonly total: Tally; readonly unrouted: Tally; readonly routes: Readonly<Record<string, Tally>> } {
    return {
      total: this.#total.tally(),
      unrouted: this.#unrouted.tally(),
      routes: Object.fromEntries([...this.#routes].map(([ref, counters]) => [ref, counters.tally()])),
    }
  }

  /** What `generation` answered since `sinceMs` of `performance.now()`, to the second, at most the last five minutes. */
  window(generation: Generation, sinceMs: number): Window {
    return this.#secondsOf(generation).window(sinceMs, performance.now())
  }

  #of(ref: string): RouteCounters {
    let counters = this.#routes.get(ref)
    if (counters === undefined) {
      if (this.#routes.size >= maxRoutes) for (const oldest of this.#routes.keys()) if (this.#routes.delete(oldest)) break
      counters = new RouteCounters()
      this.#routes.set(ref, counters)
    }
    return counters
  }

  #secondsOf(generation: Generation): Seconds {
    if (this.#last?.generation === generation) return this.#last.seconds
    let seconds = this.#seconds.get(generation)
    if (seconds === undefined) {
      seconds = new Seconds()
      this.#seconds.set(generation, seconds)
    }
    this.#last = { generation, seconds }
    return seconds
  }
}

class RouteCounters {
  readonly #statuses = new Float64Array(6)
  readonly #latency = new Latency()
  #requests = 0

  count(status: number, elapsedMs: number): void {
    this.#requests++
    increment(this.#statuses, Math.floor(status / 100))
    this.#latency.count(elapsedMs)
  }

  tally(): Tally {
    const { buckets, totalMs } = this.#latency.tally()
    return { requests: this.#requests, statuses: [...this.#statuses.slice(1)], latency: buckets, totalMs }
  }
}

const ringSeconds = 300

/** A ring of seconds by the monotonic clock. */
class Seconds {
  /** Which second a place of the ring holds. */
  readonly #second = new Float64Array(ringSeconds).fill(-1)
  readonly #requests = new Float64Array(ringSeconds)
  readonly #serverErrors = new Float64Array(ringSeconds)
  readonly #excused = new Float64Array(ringSeconds)

  count(now: number, status: number, excused: boolean): void {
    const second = Math.floor(now / 1_000)
    const place = second % ringSeconds
    if (this.#second[place] !== second) {
      this.#second[place] = second
      this.#requests[place] = 0
      this.#serverErrors[place] = 0
      this.#excused[place] = 0
    }
    increment(this.#requests, place)
    if (status >= 500) increment(this.#serverErrors, place)
    if (excused) increment(this.#excused, place)
  }

  window(sinceMs: number, now: number): Window {
    const from = Math.max(Math.floor(sinceMs / 1_000), Math.floor(now / 1_000) - ringSeconds + 1)
    let [requests, serverErrors, excused] = [0, 0, 0]
    for (let place = 0; place < ringSeconds; place++) {
      if ((this.#second[place] ?? -1) < from) continue
      requests += this.#requests[place] ?? 0
      serverErrors += this.#serverErrors[place] ?? 0
      excused += this.#excused[place] ?? 0
    }
    return { requests, serverErrors, excused }
  }
}

function increment(counts: Float64Array, place: number): void {
  counts[place] = (counts[place] ?? 0) + 1
}
