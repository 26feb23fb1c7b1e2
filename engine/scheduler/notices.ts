// What people are told of runs that did not end well: of each job and kind at most once a minute, with how many went untold before.

import type { RunRow } from '../store/runs.ts'
import { keyOf } from './runner.ts'

export interface NoticesOptions {
  readonly announce: (type: string, body: Readonly<Record<string, string | number | boolean | null>>) => void
  /** Milliseconds of the wall. */
  readonly now: () => number
}

/** The journal is for people. */
const toldEveryMs = 60_000

export function createNotices({ announce, now }: NoticesOptions): (type: string, row: RunRow) => void {
  const told = new Map<string, { readonly at: number; untold: number }>()
  return (type, row) => {
    const at = now()
    const key = `${type} ${row.job}`
    const before = told.get(key)
    if (before && at - before.at < toldEveryMs && at >= before.at) {
      before.untold += 1
      return
    }
    told.set(key, { at, untold: 0 })
    const { job, nominal, attempt, count, reason } = row
    const untold = before?.untold ?? 0
    announce(type, { job, run: keyOf(row), nominal: new Date(nominal).toISOString(), attempt, count, reason, untold })
  }
}
