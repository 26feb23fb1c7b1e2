// The check of new connections before a generation may go live. Connections that were there before are never asked.

import type { Clock } from '../../adapters/port.ts'
import type { Wrapped } from '../../adapters/wrap.ts'
import type { Ref } from '../../schema/ref.ts'
import type { PrepareFailure } from './prepare-error.ts'
import { orAborted, settledWithin } from './settled.ts'
import { createSlices } from './slice.ts'

/** How many connections are pinged at a time. */
const concurrency = 32
/** What is begun when it is spent comes on top of it, once for each of them. */
const sliceMs = 2
/** How long the ones that only warn are waited for; the rest of their answers is learned while they are live. */
const warnPatienceMs = 250

export interface Candidate {
  readonly ref: Ref
  readonly wrapped: Wrapped
  /** require: its failure is one of the build. warn: it goes live degraded. */
  readonly preflight: 'require' | 'warn'
}

/** Pings every candidate once and keeps watching it from then on. Rejects only with the reason of `signal`. */
export async function preflight(
  candidates: readonly Candidate[],
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal | undefined },
): Promise<PrepareFailure[]> {
  const failures: PrepareFailure[] = []
  const required = candidates.filter(candidate => candidate.preflight === 'require')
  const warned = candidates.filter(candidate => candidate.preflight === 'warn')
  const warnedPings = pingEach(warned, () => undefined)
  const requiredPings = pingEach(required, ({ ref }, reason) => {
    failures.push({ ref, reason: `Cannot prepare "${ref}" as ${reason}`, retryable: true })
  })
  await orAborted(requiredPings, signal)
  if (warned.length > 0) await orAborted(settledWithin(warnedPings, warnPatienceMs, clock), signal)
  return failures
}

/** Never rejects. */
async function pingEach(candidates: readonly Candidate[], onFailure: (candidate: Candidate, reason: string) => void): Promise<void> {
  const rest = candidates.values()
  const slices = createSlices({ budgetMs: sliceMs })
  const pingRest = async () => {
    for (const candidate of rest) {
      const status = await candidate.wrapped.ping()
      if (!status.ready) onFailure(candidate, status.reason)
      candidate.wrapped.watch()
      if (slices.isSpent()) await slices.rest()
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, candidates.length) }, pingRest))
}
