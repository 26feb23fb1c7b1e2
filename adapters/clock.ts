// The one real clock; whatever waits receives a clock, so that a test may bring its own.

import type { Clock } from './port.ts'

// A timer of node that is set to more fires at once.
const longestTimerMs = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const abort = () => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const wait = (leftMs: number): NodeJS.Timeout =>
        setTimeout(
          () => {
            if (leftMs > longestTimerMs) {
              timer = wait(leftMs - longestTimerMs)
              return
            }
            signal?.removeEventListener('abort', abort)
            resolve()
          },
          Math.min(leftMs, longestTimerMs),
        )
      let timer = wait(ms)
      signal?.addEventListener('abort', abort, { once: true })
    }),
}
