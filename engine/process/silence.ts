// Why a loop does not turn: because its code keeps it, or because the machine lets it wait. Only the first is the code's fault.

import { readFileSync } from 'node:fs'

/** So long a loop may be kept before it counts as stuck. */
const stuckMs = 2000

/** @param heldUpMs of `silentMs`, how long it was ready to run and was not let */
export function judgeSilence(silentMs: number, heldUpMs: number): 'held up' | 'slow' | 'stuck' {
  if (silentMs - heldUpMs > stuckMs) return 'stuck'
  return heldUpMs > silentMs / 2 ? 'held up' : 'slow'
}

/**
 * Milliseconds that the main thread of this process was ready to run and was not let, since it began; 0 where the kernel does not tell.
 * @see Linux, Documentation/scheduler/sched-stats.rst: the second number of schedstat, in nanoseconds
 */
export function heldUpSinceStartMs(): number {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6
  } catch {
    return 0 // as above
  }
}
