// When cron expressions are due: a table of what was decided, and laws against a second implementation and brute force.

import assert from 'node:assert/strict'
import { Cron as Croner } from 'croner'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { cronOf } from '../../../engine/scheduler/cron.ts'
import { zoneOf } from '../../../engine/scheduler/zone.ts'

function duesOf(expression: string, timezone: string, from: string, count: number): string[] {
  const cron = cronOf(expression, zoneOf(timezone))
  const dues: string[] = []
  for (let at = cron.next(Date.parse(from)); at !== null && dues.length < count; at = cron.next(at))
    dues.push(new Date(at).toISOString().replace(':00.000Z', 'Z'))
  return dues
}

describe('a clock that is put forward', () => {
  for (const [what, expression, timezone, from, expected] of [
    [
      'a time that is left out is due when it is put forward',
      '30 3 * * *',
      'Europe/Bucharest',
      '2026-03-28T12:00Z',
      ['2026-03-29T01:00Z', '2026-03-30T00:30Z'],
    ],
    [
      'several that are left out are one',
      '*/10 2 * * *',
      'America/New_York',
      '2026-03-08T05:00Z',
      ['2026-03-08T07:00Z', '2026-03-09T06:00Z'],
    ],
    [
      'one that is left out and one that is at its end are one',
      '0 2,3 * * *',
      'America/New_York',
      '2026-03-08T05:00Z',
      ['2026-03-08T07:00Z', '2026-03-09T06:00Z'],
    ],
    [
      'of every hour none is left out: real intervals',
      '*/30 * * * *',
      'Europe/Bucharest',
      '2026-03-29T00:20Z',
      ['2026-03-29T00:30Z', '2026-03-29T01:00Z', '2026-03-29T01:30Z'],
    ],
    ['by half an hour', '15 2 * * *', 'Australia/Lord_Howe', '2026-10-02T16:00Z', ['2026-10-03T15:30Z', '2026-10-04T15:15Z']],
    ['at midnight', '30 0 * * *', 'America/Sao_Paulo', '2018-11-03T12:00Z', ['2018-11-04T03:00Z', '2018-11-05T02:30Z']],
    ['by a whole day', '0 12 * * *', 'Pacific/Apia', '2011-12-29T00:00Z', ['2011-12-29T22:00Z', '2011-12-30T10:00Z', '2011-12-30T22:00Z']],
  ] as const)
    test(what, () => assert.deepEqual(duesOf(expression, timezone, from, expected.length), expected))
})

describe('a clock that is put back', () => {
  for (const [what, expression, timezone, from, expected] of [
    [
      'a time that comes twice is due the first time',
      '30 3 * * *',
      'Europe/Bucharest',
      '2026-10-24T12:00Z',
      ['2026-10-25T00:30Z', '2026-10-26T01:30Z'],
    ],
    [
      'of every hour both are due',
      '*/30 * * * *',
      'Europe/Bucharest',
      '2026-10-24T23:50Z',
      ['2026-10-25T00:00Z', '2026-10-25T00:30Z', '2026-10-25T01:00Z', '2026-10-25T01:30Z', '2026-10-25T02:00Z'],
    ],
    [
      'from between the two, a fixed hour waits for the next day',
      '30 1 * * *',
      'America/New_York',
      '2026-11-01T06:10Z',
      ['2026-11-02T06:30Z'],
    ],
    [
      'by half an hour',
      '45 1 * * *',
      'Australia/Lord_Howe',
      '2027-04-02T12:00Z',
      ['2027-04-02T14:45Z', '2027-04-03T14:45Z', '2027-04-04T15:15Z'],
    ],
    [
      'by half an hour, of every hour',
      '45 * * * *',
      'Australia/Lord_Howe',
      '2027-04-03T14:00Z',
      ['2027-04-03T14:45Z', '2027-04-03T15:15Z', '2027-04-03T16:15Z'],
    ],
  ] as const)
    test(what, () => assert.deepEqual(duesOf(expression, timezone, from, expected.length), expected))
})

describe('the calendar', () => {
  for (const [expression, expected] of [
    ['0 0 29 2 *', ['2028-02-29T00:00Z', '2032-02-29T00:00Z']],
    ['0 0 13 * 5', ['2026-01-02T00:00Z', '2026-01-09T00:00Z', '2026-01-13T00:00Z']],
    ['0 0 L * *', ['2026-01-31T00:00Z', '2026-02-28T00:00Z']],
    ['0 0 L,15 2 *', ['2026-02-15T00:00Z', '2026-02-28T00:00Z']],
    ['0 0 * * 5L', ['2026-01-30T00:00Z', '2026-02-27T00:00Z']],
    ['0 0 * * 5#2', ['2026-01-09T00:00Z', '2026-02-13T00:00Z']],
    ['0 0 ? * MON', ['2026-01-05T00:00Z', '2026-01-12T00:00Z']],
    ['0 0 * * 7', ['2026-01-04T00:00Z', '2026-01-11T00:00Z']],
    ['0 9 * JAN-MAR MON-FRI', ['2026-01-01T09:00Z', '2026-01-02T09:00Z', '2026-01-05T09:00Z']],
    ['59 59 23 31 12 ?', ['2026-12-31T23:59:59.000Z']],
    ['*/25 * * * * *', ['2026-01-01T00:00:25.000Z', '2026-01-01T00:00:50.000Z', '2026-01-01T00:01Z']],
  ] as const)
    test(`"${expression}" is due at ${expected.join(', ')}`, () =>
      assert.deepEqual(duesOf(expression, 'UTC', '2026-01-01T00:00:00Z', expected.length), expected))
})

const zones = [
  'UTC',
  'Europe/Bucharest',
  'America/New_York',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Asia/Kathmandu',
  'Africa/Casablanca',
  'America/Sao_Paulo',
]
const within = (min: number, max: number) => fc.integer({ min, max }).map(String)
const field = (min: number, max: number) =>
  fc.oneof(
    fc.constant('*'),
    within(min, max),
    fc.integer({ min: 1, max: max - min }).map(step => `*/${step}`),
    fc
      .tuple(fc.integer({ min, max }), fc.integer({ min, max }))
      .map(([a, b]) => (a === b ? String(a) : `${Math.min(a, b)},${Math.max(a, b)}`)),
  )
const expressions = fc
  .tuple(
    field(0, 59),
    field(0, 23),
    fc.oneof(fc.constant('*'), within(1, 28)),
    fc.oneof(fc.constant('*'), within(1, 12)),
    fc.oneof(fc.constant('*'), within(0, 6)),
  )
  .map(fields => fields.join(' '))
const instants = fc.integer({ min: Date.parse('2010-01-01'), max: Date.parse('2030-01-01') })

test('next() is strictly after what it is asked for, and skips nothing that it would give later', () => {
  fc.assert(
    fc.property(expressions, fc.constantFrom(...zones), instants, (expression, timezone, from) => {
      const cron = cronOf(expression, zoneOf(timezone))
      const first = cron.next(from)
      assert(first !== null && first > from)
      assert.equal(cron.next(first - 1), first)
      const second = cron.next(first)
      assert(second !== null && second > first)
    }),
    { numRuns: 400 },
  )
})

test('next() agrees with croner wherever the clock stays as it is', () => {
  fc.assert(
    fc.property(expressions, instants, (expression, from) => {
      const found = cronOf(expression, zoneOf('UTC')).next(from)
      const theirs = new Croner(expression, { timezone: 'UTC', paused: true }).nextRun(new Date(from))
      assert.equal(found, theirs?.getTime() ?? null, expression)
    }),
    { numRuns: 400 },
  )
})

/** Every change of a clock between 2010 and 2030 that lasts for six hours. */
function changesOf(timezone: string): number[] {
  const zone = zoneOf(timezone)
  const changes: number[] = []
  for (let at = Date.parse('2010-01-01'); at < Date.parse('2030-01-01'); at += 6 * 3_600_000) {
    const change = zone.changeWithin(at, at + 6 * 3_600_000)
    if (change !== null) changes.push(change)
  }
  return changes
}

/** Every minute from `from` to `to` is looked at; `*` of the hour goes by elapsed time, all else by the wall. */
function bruteForce(expression: string, timezone: string, from: number, to: number): number[] {
  const zone = zoneOf(timezone)
  // The wall alone, in which nothing is ever left out or comes twice.
  const plain = cronOf(expression, zoneOf('UTC'))
  const fits = (wall: number) => plain.next(wall - 1) === wall
  const [, hours = ''] = expression.split(' ')
  const everyHour = hours === '*' || hours === '*/1'
  const found: number[] = []
  const dayBefore = from - 86_400_000
  let highest = Number.NEGATIVE_INFINITY
  for (let at = dayBefore; at <= to; at += 60_000) {
    const wall = at + zone.offsetAt(at)
    const isNews = wall > highest
    const leftOut = highest + 60_000
    let due = everyHour ? fits(wall) : isNews && fits(wall)
    if (!everyHour && isNews && highest > 0 && leftOut < wall) {
      const missed = plain.next(leftOut - 1)
      due ||= missed !== null && missed < wall
    }
    highest = Math.max(highest, wall)
    if (due && at > from) found.push(at)
  }
  return found
}

for (const timezone of zones.filter(name => name !== 'UTC' && name !== 'Asia/Kathmandu')) {
  test(`next() agrees with a look at every minute around each change of the clock in ${timezone}`, () => {
    const changes = changesOf(timezone)
    assert(changes.length > 0)
    fc.assert(
      fc.property(expressions, fc.constantFrom(...changes), (expression, change) => {
        const [from, to] = [change - 10 * 3_600_000, change + 14 * 3_600_000]
        const cron = cronOf(expression, zoneOf(timezone))
        const found: number[] = []
        for (let at = cron.next(from); at !== null && at <= to; at = cron.next(at)) found.push(at)
        const iso = (list: number[]) => list.map(at => new Date(at).toISOString())
        assert.deepEqual(
          iso(found),
          iso(bruteForce(expression, timezone, from, to)),
          `${expression} around ${new Date(change).toISOString()}`,
        )
      }),
      { numRuns: 15 },
    )
  })
}

test('a day, a month and a leap day in New York are found within a millisecond each', () => {
  const zone = zoneOf('America/New_York')
  for (const expression of ['30 3 * * *', '0 9 1 * *', '0 0 29 2 *']) {
    const cron = cronOf(expression, zone)
    const startedAt = performance.now()
    for (let turn = 0; turn < 100; turn++) cron.next(Date.parse('2026-01-01') + turn * 86_400_000)
    assert(performance.now() - startedAt < 100 * 5, expression)
  }
})
