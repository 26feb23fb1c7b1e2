// The one real clock; whatever waits receives a clock, so that a test may bring its own.

import { setTimeout } from 'node:timers/promises'
import type { Clock } from './port.ts'

export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    signal?.throwIfAborted()
    try {
      await setTimeout(ms, undefined, signal ? { signal } : {})
    } catch (error) {
      // The timer rejects with an AbortError of its own; callers are promised the reason of their signal.
      signal?.throwIfAborted()
      throw error
    }
  },
}
