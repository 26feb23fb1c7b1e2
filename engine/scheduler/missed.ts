// The times of a job that are due at one moment. Usually that is one; after a stop, or a jump of the clock, it may be very many, of
// which only the latest are looked at one by one.

import type { Job } from './job.ts'
import type { Times } from './times.ts'

export interface Due {
  /** Oldest first, the latest `limit` at most. */
  readonly latest: readonly number[]
  /** How many there are; where `isExact` is false, at least. */
  readonly count: number
  readonly isExact: boolean
  /** The first that is not due; null where there is none. */
  readonly next: number | null
}

/** So many times are looked at before those of long ago are only counted. */
const lookedAt = 5_000

/** @param first a time that is due at `now` */
export function dueAt(
  times: Times,
  anchor: number,
  { first, now, limit }: { readonly first: number; readonly now: number; readonly limit: number },
): Due {
  let latest: number[] = [first]
  let count = 1
  let isExact = true
  for (;;) {
    const last = latest.at(-1) ?? first
    const next = times.next(last, anchor)
    if (next === null || next > now) return { latest: latest.slice(-limit), count, isExact, next }
    latest.push(next)
    count += 1
    if (latest.length > 2 * limit + 10) latest = latest.slice(-limit)
    if (count % lookedAt !== 0) continue
    // As dense as they were so far, a few more than are wanted lie behind this.
    const jumpTo = now - Math.ceil(((next - first) / count) * limit * 2)
    const beyond = jumpTo > next ? times.next(jumpTo, anchor) : null
    if (beyond === null || beyond > now) continue
    latest = [beyond]
    isExact = false
    count += 1
  }
}

/** What the policies of a job make of the times that are due together. */
export interface Verdict {
  /** Passed over, with the row that tells of them. */
  readonly skipped: { readonly count: number; readonly isExact: boolean; readonly nominal: number } | null
  /** Made up for, oldest first. */
  readonly caughtUp: readonly number[]
  /** The last of them, where it runs now. */
  readonly runs: { readonly nominal: number; readonly origin: 'time' | 'missed' } | null
  /** The last of them, whatever becomes of it. */
  readonly last: number
}

/** @param fires how many times of the job count as run, for `repeats` */
export function judgeDue(
  job: Job,
  { latest, count, isExact }: Due,
  { now, fires }: { readonly now: number; readonly fires: number },
): Verdict {
  const { misfire, repeats, jitterMs } = job
  const last = latest.at(-1) ?? now
  const earlier = latest.slice(0, -1)
  const left = repeats === null ? Number.POSITIVE_INFINITY : repeats - fires
  const isOnTime = now - last <= misfire.afterMs + jitterMs
  const missed = isOnTime ? earlier : latest
  const wanted = misfire.policy === 'all' ? missed.slice(-misfire.limit) : []
  // Those after the last repeat are no times of the job.
  const caughtUp = wanted.slice(0, left)
  const runsLast = isOnTime || misfire.policy === 'once'
  const skipped = count - wanted.length - (runsLast ? 1 : 0)
  const before = wanted[0] ?? last
  const isLastSkipped = !runsLast && wanted.length === 0
  // The times before the first that is kept are not known one by one.
  const nominal = isLastSkipped ? last : (earlier.findLast(time => time < before) ?? before - 1)
  return {
    skipped: skipped > 0 ? { count: skipped, isExact, nominal } : null,
    caughtUp,
    runs: runsLast && left > caughtUp.length ? { nominal: last, origin: isOnTime ? 'time' : 'missed' } : null,
    last,
  }
}
