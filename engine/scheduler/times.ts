// The times of a job, as its declaration gives them: at intervals, once, or when a cron expression says. Data in, data out.

import { readDateTime } from '../../schema/date-time.ts'
import type { JsonObject } from '../../schema/json.ts'
import { cronOf } from './cron.ts'
import { zoneOf } from './zone.ts'

export interface Times {
  /**
   * The first time after `after`, both in milliseconds since the epoch; null where there is none.
   * @param anchor when the times were first live: where no start is declared they begin there
   */
  next(after: number, anchor: number): number | null
  /** What all of it follows from: times that are equal have equal ones. */
  readonly identity: string
  /** It begins where it is first live, or later: an earlier start is no missed one. */
  readonly isOnce: boolean
}

const unitMs = { weeks: 604_800_000, days: 86_400_000, hours: 3_600_000, minutes: 60_000, seconds: 1_000 } as const

/** @param spec of a job, as its schema has it */
export function timesOf(spec: JsonObject): Times {
  const timezone = typeof spec.timezone === 'string' ? spec.timezone : 'UTC'
  const start = typeof spec.start_date === 'string' ? startOf(spec.start_date, timezone) : null
  const repeats = typeof spec.repeats === 'number' ? spec.repeats : null
  switch (spec.job_type) {
    case 'cron': {
      const expression = String(spec.cron)
      let cron: ReturnType<typeof cronOf> | null = null
      return {
        // Read when it is first asked for: most of an estate's jobs are not due soon.
        next(after) {
          cron ??= cronOf(expression, zoneOf(timezone))
          return cron.next(after)
        },
        identity: JSON.stringify(['cron', expression, timezone, repeats]),
        isOnce: false,
      }
    }
    case 'one_time':
      return {
        next: (after, anchor) => ((start ?? anchor) > after ? (start ?? anchor) : null),
        identity: JSON.stringify(['one_time', start]),
        isOnce: true,
      }
    default: {
      const intervalMs = Object.entries(unitMs).reduce((total, [unit, ms]) => total + (Number(spec[unit]) || 0) * ms, 0)
      return {
        next(after, anchor) {
          const from = start ?? anchor
          return after < from ? from : from + (Math.floor((after - from) / intervalMs) + 1) * intervalMs
        },
        identity: JSON.stringify(['interval_based', intervalMs, start, repeats]),
        isOnce: false,
      }
    }
  }
}

function startOf(text: string, timezone: string): number | null {
  const declared = readDateTime(text)
  if (!declared) return null
  const { wallMs, offsetMs } = declared
  return offsetMs === null ? zoneOf(timezone).firstInstantOf(wallMs) : wallMs - offsetMs
}
