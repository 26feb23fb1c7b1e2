// A time zone as a pair of clocks: the one that never jumps (epoch milliseconds, an *instant*), and the one on the wall. A *wall*
// time is written as the milliseconds it would be if the wall hung in UTC.

export interface Zone {
  /** How far the wall is ahead of UTC at that instant, in milliseconds. */
  offsetAt(instant: number): number
  /** The first instant at which the wall shows `wall`; where the clock is put forward past it, the instant at which it is. */
  firstInstantOf(wall: number): number
  /** The first instant after `from`, and not after `to`, at which the offset is another than before it; null where it stays. */
  changeWithin(from: number, to: number): number | null
}

const hourMs = 3_600_000
/** No wall was ever further from UTC, the day that Apia left out included. */
const mostBehindMs = 13 * hourMs
const mostAheadMs = 15 * hourMs

const utc: Zone = { offsetAt: () => 0, firstInstantOf: wall => wall, changeWithin: () => null }

/** @param name of the IANA database; @throws RangeError where the machine knows none of that name */
export function zoneOf(name: string): Zone {
  if (name === 'UTC') return utc
  const read = wallReader(name)
  // Offsets change at full minutes at the most, and jobs are due at few different ones.
  let knownMinute = Number.NaN
  let knownOffset = 0

  return { offsetAt, firstInstantOf, changeWithin }

  function offsetAt(instant: number): number {
    const minute = Math.floor(instant / 60_000)
    if (minute === knownMinute) return knownOffset
    knownMinute = minute
    knownOffset = read(minute * 60_000) - minute * 60_000
    return knownOffset
  }

  function firstInstantOf(wall: number): number {
    const [from, to] = [wall - mostAheadMs, wall + mostBehindMs]
    const [before, after] = [offsetAt(from), offsetAt(to)]
    if (before === after) return wall - before
    // The clock that was right longer is the first to show it.
    for (const offset of [before, after]) if (offsetAt(wall - offset) === offset) return wall - offset
    return changeWithin(from, to) ?? wall - after
  }

  function changeWithin(from: number, to: number): number | null {
    let [low, high] = [Math.floor(from / 60_000), Math.floor(to / 60_000)]
    const before = offsetAt(from)
    if (offsetAt(to) === before) return null
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (offsetAt(middle * 60_000) === before) low = middle
      else high = middle
    }
    return high * 60_000
  }
}

function wallReader(timeZone: string): (instant: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    calendar: 'iso8601',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  return instant => {
    const read: Record<string, number> = {}
    for (const { type, value } of format.formatToParts(instant)) read[type] = Number(value)
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = read
    return Date.UTC(year, month - 1, day, hour, minute, second)
  }
}
