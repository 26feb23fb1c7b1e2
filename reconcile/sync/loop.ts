// Runs passes by the clock: at the times of a cron expression, with jitter so that many servers do not ask one remote at once, and with
// growing waits after a failure. A pass that is asked for in between (`plumb sync`, a saved file) does not wait for the clock.

import { CronExpressionParser } from 'cron-parser'
import type { Clock } from '../../adapters/port.ts'
import type { SyncOutcome } from './outcome.ts'
import type { Sync } from './sync.ts'

export interface LoopOptions {
  readonly sync: Sync
  readonly clock: Clock
  /** From 0 up to 1. */
  readonly random: () => number
  /** Five or six fields, asked again before every wait; null: every 60 seconds. `never`: only when asked. */
  readonly schedule: () => string | null | 'never'
  readonly signal: AbortSignal
}

export interface Loop {
  /** Runs a pass now. Never rejects. */
  poke(pass: { readonly actor: string; readonly force?: boolean }): Promise<SyncOutcome>
  /** Resolves when the signal has ended the loop and the pass that ran then is over. Never rejects. */
  readonly done: Promise<void>
}

const defaultIntervalMs = 60_000
const firstRetryMs = 2_000
const longestRetryMs = 300_000
const maxJitterMs = 5_000

/** Begins with a pass at once. */
export function createLoop(options: LoopOptions): Loop {
  const { sync } = options
  return { poke: pass => sync.run(pass), done: turn(options) }
}

async function turn({ sync, clock, random, schedule, signal }: LoopOptions): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    const outcome = await sync.run({ actor: 'schedule' })
    failures = needsRetry(outcome) ? failures + 1 : 0
    const cron = schedule()
    const waitMs = failures > 0 ? retryMs(failures, random) : cron === 'never' ? null : untilNextMs(cron, clock.now(), random)
    if (waitMs === null) return aborted(signal)
    try {
      await clock.sleep(waitMs, signal)
    } catch {
      return // the signal, which is the only reason a sleep ends early
    }
  }
}

function needsRetry(outcome: SyncOutcome): boolean {
  return outcome.kind === 'failed' || (outcome.kind === 'refused' && !outcome.isFinal)
}

/** 2 s, 4 s, 8 s … 5 min, each between one half and the whole of it. */
export function retryMs(failures: number, random: () => number): number {
  return Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(failures - 1, 20)) * (0.5 + random() / 2)
}

/** Milliseconds until the expression fires after `now`, and up to a tenth of the interval later. */
export function untilNextMs(cron: string | null, now: number, random: () => number): number {
  if (cron === null) return defaultIntervalMs + random() * maxJitterMs
  const times = CronExpressionParser.parse(cron, { currentDate: new Date(now) })
  const next = times.next().getTime()
  const interval = times.next().getTime() - next
  return next - now + random() * Math.min(maxJitterMs, interval / 10)
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}
