// When a cron expression is due, on a wall whose clock is put forward and back. cron-parser reads the expression; the times are our
// own, as those of every library that was looked at are late, missing or without end in some zone (docs/decisions/scheduler.md).
//
// An expression that names every hour goes by elapsed time: an hour that comes twice counts twice, one that is left out not at all.
// Any other goes by the wall: each time is due once, the first time the wall shows it, or when the clock is put forward past it.

import { CronExpressionParser } from 'cron-parser'
import type { Zone } from './zone.ts'

export interface Cron {
  /** The first instant after `after` at which it is due; null where there is none within 50 years. */
  next(after: number): number | null
}

const dayMs = 86_400_000
/** 29 February that is a Monday comes every 28 years, or after 40 where a century is none. */
const longestYears = 50

/** @throws Error where the expression is malformed */
export function cronOf(expression: string, zone: Zone): Cron {
  const pattern = readPattern(expression)
  return { next: pattern.hours.length === 24 ? byElapsedTime(pattern, zone) : byTheWall(pattern, zone) }
}

function byTheWall(pattern: Pattern, zone: Zone): Cron['next'] {
  return after => {
    for (let wall = after + zone.offsetAt(after); ; ) {
      const next = nextWall(pattern, wall)
      if (next === null) return null
      const instant = zone.firstInstantOf(next)
      if (instant > after) return instant
      wall = next
    }
  }
}

function byElapsedTime(pattern: Pattern, zone: Zone): Cron['next'] {
  return after => {
    let from = after
    let offset = zone.offsetAt(from)
    let wall = from + offset
    for (;;) {
      const next = nextWall(pattern, wall)
      if (next === null) return null
      const change = zone.changeWithin(from, next - offset)
      if (change === null) return next - offset
      // The wall goes on from what it shows then, and that instant may be due itself.
      from = change
      offset = zone.offsetAt(from)
      wall = from + offset - 1
    }
  }
}

interface Pattern {
  readonly seconds: readonly number[]
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
  /** 1 to 12. */
  readonly months: ReadonlySet<number>
  /** @param weekday of the day, Sunday is 0 */
  isDay(day: number, weekday: number, daysOfMonth: number): boolean
}

/** The first wall time after `after` that fits. */
function nextWall(pattern: Pattern, after: number): number | null {
  const from = after - (((after % 1_000) + 1_000) % 1_000) + 1_000
  const firstDay = Math.floor(from / dayMs)
  const start = new Date(firstDay * dayMs)
  const timeOfDay = nextTimeOfDay(pattern, (from - firstDay * dayMs) / 1_000)
  const firstYear = start.getUTCFullYear()
  let fromDate = start.getUTCDate()
  for (
    let month = start.getUTCMonth(), year = firstYear;
    year <= firstYear + longestYears;
    month = (month + 1) % 12, year += month === 0 ? 1 : 0
  ) {
    if (pattern.months.has(month + 1)) {
      const monthStart = Date.UTC(year, month, 1) / dayMs
      const days = Date.UTC(year, month + 1, 1) / dayMs - monthStart
      for (let date = fromDate; date <= days; date++) {
        const day = monthStart + date - 1
        // 1 January 1970 was a Thursday.
        if (!pattern.isDay(date, (((day + 4) % 7) + 7) % 7, days)) continue
        if (day > firstDay) return day * dayMs + (nextTimeOfDay(pattern, 0) ?? 0) * 1_000
        if (timeOfDay !== null) return day * dayMs + timeOfDay * 1_000
      }
    }
    fromDate = 1
  }
  return null
}

/** In seconds, from `from` on; null where the day has no more. */
function nextTimeOfDay({ hours, minutes, seconds }: Pattern, from: number): number | null {
  const [hour, minute, second] = [Math.floor(from / 3_600), Math.floor(from / 60) % 60, from % 60]
  const [firstMinute = 0] = minutes
  const [firstSecond = 0] = seconds
  if (hours.includes(hour)) {
    if (minutes.includes(minute)) {
      const inMinute = seconds.find(each => each >= second)
      if (inMinute !== undefined) return hour * 3_600 + minute * 60 + inMinute
    }
    const inHour = minutes.find(each => each > minute)
    if (inHour !== undefined) return hour * 3_600 + inHour * 60 + firstSecond
  }
  const later = hours.find(each => each > hour)
  return later === undefined ? null : later * 3_600 + firstMinute * 60 + firstSecond
}

function readPattern(expression: string): Pattern {
  const { second, minute, hour, dayOfMonth, month, dayOfWeek } = CronExpressionParser.parse(expression).fields
  const dates = new Set(dayOfMonth.values.map(String))
  const weekdays = new Set(dayOfWeek.values.map(value => (String(value) === '7' ? '0' : String(value))))
  const { nthDay } = dayOfWeek
  const isDate = (date: number, days: number) => dates.has(String(date)) || (date === days && dates.has('L'))
  const isWeekday = (date: number, weekday: number, days: number) =>
    (weekdays.has(String(weekday)) && (nthDay === 0 || Math.ceil(date / 7) === nthDay)) ||
    (date > days - 7 && (weekdays.has(`${weekday}L`) || (weekday === 0 && weekdays.has('7L'))))
  return {
    seconds: numbers(second.values),
    minutes: numbers(minute.values),
    hours: numbers(hour.values),
    months: new Set(numbers(month.values)),
    // Where both are restricted, either makes a day: the rule of cron since 1987.
    isDay: (date, weekday, days) => {
      if (dayOfMonth.isWildcard) return dayOfWeek.isWildcard || isWeekday(date, weekday, days)
      return isDate(date, days) || (!dayOfWeek.isWildcard && isWeekday(date, weekday, days))
    },
  }
}

function numbers(values: readonly (number | string)[]): number[] {
  return [...new Set(values.map(Number))].sort((a, b) => a - b)
}
