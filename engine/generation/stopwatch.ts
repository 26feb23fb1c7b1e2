// How long each phase of an apply took, in milliseconds.

import type { Phases } from './engine.ts'

export interface Stopwatch {
  /** Ends a phase; the next one begins. */
  lap(phase: string): void
  readonly laps: Phases
}

export function stopwatch(): Stopwatch {
  const laps: Record<string, number> = {}
  let at = performance.now()
  return {
    laps,
    lap(phase) {
      const next = performance.now()
      laps[phase] = Math.round((next - at) * 100) / 100
      at = next
    },
  }
}
