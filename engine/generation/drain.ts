// The end of a generation: wait for its calls, then give back what it holds.

import { failpoint } from '#failpoint'
import type { Clock } from '../../adapters/port.ts'
import type { BuiltGeneration } from './built.ts'
import { DeadlineError } from './deadline.ts'
import type { Instances } from './instances.ts'
import { settledWithin } from './settled.ts'

export type DrainOutcome =
  | { readonly kind: 'drained'; readonly elapsedMs: number }
  /** `abandoned` units of work were still running and had their signal aborted. */
  | { readonly kind: 'deadline'; readonly abandoned: number; readonly elapsedMs: number }

/**
 * Waits until no unit of work runs in `generation`, then releases its instances; those no other generation holds are closed.
 * @param deadlineMs milliseconds to wait; 0 waits for nothing. What still runs then gets `signal` aborted with `DeadlineError`
 * @returns when everything is closed. Never rejects
 */
export async function drainGeneration(
  generation: BuiltGeneration,
  { instances, clock, deadlineMs }: { readonly instances: Instances; readonly clock: Clock; readonly deadlineMs: number },
): Promise<DrainOutcome> {
  failpoint('drain.start')
  const startedAt = clock.now()
  const abandoned = await stillRunningAfter(generation, deadlineMs, clock)
  if (abandoned > 0)
    generation.expire(new DeadlineError(`Generation ${generation.number} was drained for ${deadlineMs} ms; the call is ended`))
  await releaseGeneration(generation, instances)
  failpoint('drain.done')
  const elapsedMs = clock.now() - startedAt
  return abandoned > 0 ? { kind: 'deadline', abandoned, elapsedMs } : { kind: 'drained', elapsedMs }
}

async function stillRunningAfter(generation: BuiltGeneration, deadlineMs: number, clock: Clock): Promise<number> {
  if (generation.inFlight === 0) return 0
  await settledWithin(generation.whenIdle(), deadlineMs, clock)
  return generation.inFlight
}

/** Gives back what a generation holds without waiting for anyone: one that never went live. Does nothing the second time. */
export async function releaseGeneration(generation: BuiltGeneration, instances: Instances): Promise<void> {
  if (!generation.markReleased()) return
  await instances.release(generation.hold)
}
