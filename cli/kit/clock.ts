// Time of an application under test: the system's, or one that moves only when the test says so and drives what the engine waits for,
// the timers of services and the date that they read.

import * as nodeTimers from 'node:timers'
import { systemClock } from '../../adapters/clock.ts'
import type { Clock } from '../../adapters/port.ts'
import { type ServiceTime, systemTime } from '../../engine/service/timers.ts'
import { durationMs } from '../../schema/duration.ts'
import type { AppOptions, TestClock } from './test-api.ts'

export interface AppTime {
  readonly clock: Clock
  readonly test: TestClock
  readonly service: ServiceTime
}

/** @param startAt undefined: time runs */
export function createTime(startAt: AppOptions['clock']): AppTime {
  if (startAt !== undefined) return new StandingTime(instantOf(startAt))
  const advance = () => {
    throw new Error('Cannot advance the clock as time runs: createApp({ clock: "2026-01-01T08:00:00Z" }) makes it stand still')
  }
  return { clock: systemClock, test: { now: () => Date.now(), advance: async () => advance() }, service: systemTime }
}

function instantOf(startAt: string | number | Date): number {
  const at = new Date(startAt).getTime()
  if (Number.isNaN(at))
    throw new TypeError(`Cannot start the clock at "${String(startAt)}": an ISO 8601 instant is accepted, or milliseconds`)
  return at
}

interface Due {
  at: number
  readonly everyMs: number | null
  readonly fire: () => void
}

class StandingTime implements AppTime {
  readonly clock: Clock
  readonly test: TestClock
  readonly service: ServiceTime
  #now: number
  /** In the order they were set: of two that are due at once the earlier one fires first. */
  readonly #due = new Set<Due>()

  constructor(startAt: number) {
    this.#now = startAt
    const now = () => this.#now
    this.clock = { now, sleep: (ms, signal) => this.#sleep(ms, signal) }
    this.test = { now, advance: by => this.#advance(by) }
    this.service = { timers: this.#timers(), Date: standingDate(now) }
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const abort = () => {
        this.#due.delete(due)
        reject(signal?.reason)
      }
      const due = this.#add(ms, null, () => {
        signal?.removeEventListener('abort', abort)
        resolve()
      })
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  #add(ms: number, everyMs: number | null, fire: () => void): Due {
    const due = { at: this.#now + ms, everyMs, fire }
    this.#due.add(due)
    return due
  }

  async #advance(by: string | number): Promise<void> {
    const ms = typeof by === 'number' ? by : durationMs(by)
    if (ms === undefined || !(ms >= 0))
      throw new TypeError(`Cannot advance the clock by "${by}": a duration such as "30s" or "2h" is accepted`)
    const end = this.#now + ms
    for (;;) {
      await settled()
      let next: Due | null = null
      for (const due of this.#due) if (due.at <= end && (next === null || due.at < next.at)) next = due
      if (next === null) break
      this.#now = Math.max(this.#now, next.at)
      if (next.everyMs === null) this.#due.delete(next)
      else next.at = this.#now + next.everyMs
      next.fire()
    }
    this.#now = end
    await settled()
  }

  #timers(): ServiceTime['timers'] {
    const start = (callback: (...values: unknown[]) => void, ms: number | undefined, values: unknown[], repeats: boolean) => {
      // As Node takes them: at least 1 ms, and 1 ms for what is no number of them.
      const waitMs = ms !== undefined && ms >= 1 ? ms : 1
      const due = this.#add(waitMs, repeats ? waitMs : null, () => callback(...values))
      return new StandingTimer(due, { due: this.#due, now: () => this.#now, waitMs })
    }
    const clear = (timer: unknown) => {
      if (timer instanceof StandingTimer) timer.close()
    }
    const timers = {
      setTimeout: (callback: () => void, ms?: number, ...values: unknown[]) => start(callback, ms, values, false),
      setInterval: (callback: () => void, ms?: number, ...values: unknown[]) => start(callback, ms, values, true),
      clearTimeout: clear,
      clearInterval: clear,
    }
    return timers as unknown as ServiceTime['timers'] // a timer that stands has all that node's has for its users
  }
}

/** What `setTimeout` gives. It never keeps a process, whether it is referenced or not. */
class StandingTimer {
  readonly #entry: Due
  readonly #time: { readonly due: Set<Due>; readonly now: () => number; readonly waitMs: number }
  #isReferenced = true

  constructor(entry: Due, time: { readonly due: Set<Due>; readonly now: () => number; readonly waitMs: number }) {
    this.#entry = entry
    this.#time = time
  }

  ref(): this {
    this.#isReferenced = true
    return this
  }

  unref(): this {
    this.#isReferenced = false
    return this
  }

  hasRef(): boolean {
    return this.#isReferenced
  }

  refresh(): this {
    this.#entry.at = this.#time.now() + this.#time.waitMs
    this.#time.due.add(this.#entry)
    return this
  }

  close(): this {
    this.#time.due.delete(this.#entry)
    return this
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** `Date` whose present is `now`. Its instances are plain dates, and every date is an instance of it. */
function standingDate(now: () => number): DateConstructor {
  return new Proxy(Date, {
    construct: (target, given, made) => Reflect.construct(target, given.length === 0 ? [now()] : given, made) as object, // a constructor gives an object
    apply: target => new target(now()).toString(),
    get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
  })
}

/** What was started has run as far as it goes without time or the network. */
function settled(): Promise<void> {
  return new Promise(resolve => nodeTimers.setImmediate(() => nodeTimers.setImmediate(resolve)))
}
