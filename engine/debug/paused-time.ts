// Time as a call under a debugger has it: while its process stands at a breakpoint, none passes.

import type { Clock } from '../../adapters/port.ts'

/** Milliseconds that the process has stood still so far. */
export type PausedMs = () => number

export const neverPaused: PausedMs = () => 0

/** Calls `expire` after `ms` milliseconds in which the process ran. @returns calls it off */
export function startDeadline(ms: number, pausedMs: PausedMs, expire: () => void): () => void {
  let counted = pausedMs()
  let timer = setTimeout(look, ms)
  return () => clearTimeout(timer)

  function look(): void {
    const missedMs = pausedMs() - counted
    if (missedMs < 1) return expire()
    counted += missedMs
    timer = setTimeout(look, missedMs)
  }
}

/** The same clock, whose sleepers sleep longer by as long as the process stood still. */
export function pausingClock(clock: Clock, pausedMs: PausedMs): Clock {
  return {
    ...clock,
    async sleep(ms, signal) {
      let counted = pausedMs()
      for (let leftMs = ms; leftMs > 0; ) {
        await clock.sleep(leftMs, signal)
        const now = pausedMs()
        leftMs = now - counted
        counted = now
      }
    },
  }
}
