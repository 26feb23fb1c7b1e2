// The times of a job that are due at one moment. Usually that is one; after a stop, or a jump of the clock, it may be very many, of
// which only the latest are looked at one by one.

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
