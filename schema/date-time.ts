// Points in time as people declare them: a date with or without a time of day, with or without an offset.

export interface DeclaredTime {
  /** The reading of the clock on the wall, in milliseconds, as if it hung in UTC. */
  readonly wallMs: number
  /** How far the declared offset is ahead of UTC; null where none is declared: some time zone decides. */
  readonly offsetMs: number | null
}

const form = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?: ?(?:([Zz])|([+-])(\d\d):?(\d\d)))?)?$/

/** Null where the text is no date that exists. */
export function readDateTime(text: string): DeclaredTime | null {
  const found = form.exec(text)
  if (!found) return null
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '0', zulu, sign, offsetHours, offsetMinutes] = found
  const wallMs = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second))
  // What overflows, such as 30 February, comes out as another day.
  const isReal =
    new Date(wallMs).toISOString().slice(0, 19) ===
    `${year}-${month}-${day}T${hour.padStart(2, '0')}:${minute.padStart(2, '0')}:${second.padStart(2, '0')}`
  const offset = (Number(offsetHours ?? 0) * 60 + Number(offsetMinutes ?? 0)) * 60_000
  if (!isReal || offset >= 24 * 3_600_000) return null
  const ms = Number(`0.${fraction}`) * 1_000
  return { wallMs: wallMs + Math.floor(ms), offsetMs: zulu ? 0 : sign ? (sign === '-' ? -offset : offset) : null }
}
