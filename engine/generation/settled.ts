// Waiting for work no longer than it makes sense.

import type { Clock } from '../../adapters/port.ts'

/** What `work` comes to; rejects with the signal's reason where it is aborted first. The work itself goes on. */
export async function orAborted<Result>(work: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (!signal) return work
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** True where `work` settled within `ms`. Rejects as the work does. */
export async function settledWithin(work: Promise<unknown>, ms: number, clock: Clock): Promise<boolean> {
  const settled = new AbortController()
  const patience = clock.sleep(ms, settled.signal).then(() => false)
  try {
    return await Promise.race([work.then(() => true), patience])
  } finally {
    settled.abort()
  }
}
