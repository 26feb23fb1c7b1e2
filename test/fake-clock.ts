// Time that moves only when a test says so.

import type { Clock } from '../adapters/port.ts'

export interface FakeClock extends Clock {
  /** Moves on by `ms`; whoever slept shorter wakes in order, and what that starts has run when it resolves. */
  advance(ms: number): Promise<void>
  /** How many sleep. */
  readonly sleeping: number
}

export function fakeClock(startAt = 0): FakeClock {
  let now = startAt
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>()
  return {
    now: () => now,
    get sleeping() {
      return sleepers.size
    },
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const abort = () => {
          sleepers.delete(sleeper)
          reject(signal?.reason)
        }
        const sleeper = {
          at: now + ms,
          wake: () => {
            sleepers.delete(sleeper)
            signal?.removeEventListener('abort', abort)
            resolve()
          },
        }
        sleepers.add(sleeper)
        signal?.addEventListener('abort', abort, { once: true })
      }),
    async advance(ms) {
      const end = now + ms
      for (;;) {
        await new Promise(setImmediate)
        const [next] = [...sleepers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
        if (!next) break
        now = Math.max(now, next.at)
        next.wake()
      }
      now = end
      await new Promise(setImmediate)
    },
  }
}
