import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { jobOf } from '../../../engine/scheduler/job.ts'
import { judgeDue } from '../../../engine/scheduler/missed.ts'
import type { JsonObject } from '../../../schema/json.ts'
import { entryOf } from '../generation/fixtures.ts'

const second = 1_000
const job = (spec: JsonObject) =>
  jobOf({
    resource: entryOf('scheduler/tick', { name: 'tick', service: 'a', job_type: 'interval_based', minutes: 1, ...spec }).resource,
    secrets: new Map(),
  })
const due = (...latest: readonly number[]) => ({ latest, count: latest.length, isExact: true, next: null })

/** Times in seconds before now; the grace is ten seconds. */
const rows: readonly (readonly [
  what: string,
  spec: JsonObject,
  times: readonly number[],
  caughtUp: readonly number[],
  runs: string | null,
  skipped: number,
])[] = [
  ['one that is on time', {}, [1], [], 'time -1', 0],
  ['one that is late by less than the grace', {}, [9], [], 'time -9', 0],
  ['one that is late', { misfire: 'skip' }, [60], [], null, 1],
  ['one that is late', { misfire: 'once' }, [60], [], 'missed -60', 0],
  ['one that is late', { misfire: 'all' }, [60], [-60], null, 0],
  ['three of which the last is on time', { misfire: 'skip' }, [121, 61, 1], [], 'time -1', 2],
  ['three of which the last is on time', { misfire: 'once' }, [121, 61, 1], [], 'time -1', 2],
  ['three of which the last is on time', { misfire: 'all' }, [121, 61, 1], [-121, -61], 'time -1', 0],
  ['three that are late, two at most', { misfire: 'all', misfire_limit: 2 }, [180, 120, 60], [-120, -60], null, 1],
  ['three with two repeats left', { misfire: 'all', repeats: 2 }, [121, 61, 1], [-121, -61], null, 0],
  ['three with one repeat left', { misfire: 'all', repeats: 1 }, [121, 61, 1], [-121], null, 0],
]

for (const [what, spec, times, caughtUp, runs, skipped] of rows)
  test(`judgeDue() by ${JSON.stringify(spec)} of ${what}`, () => {
    const verdict = judgeDue(job({ misfire_after_ms: 10 * second, ...spec }), due(...times.map(at => -at * second)), { now: 0, fires: 0 })
    assert.deepEqual(
      [verdict.caughtUp, verdict.runs && `${verdict.runs.origin} ${verdict.runs.nominal / second}`, verdict.skipped?.count ?? 0],
      [caughtUp.map(at => at * second), runs, skipped],
    )
  })

test('judgeDue() accounts for every time up to the last repeat, once each', () => {
  const times = fc
    .uniqueArray(fc.integer({ min: -1_000, max: 0 }), { minLength: 1, maxLength: 30 })
    .map(found => found.sort((a, b) => a - b))
  const spec = fc.record({ misfire: fc.constantFrom('skip', 'once', 'all'), misfire_limit: fc.integer({ min: 1, max: 20 }) })
  fc.assert(
    fc.property(times, spec, fc.integer({ min: 1, max: 40 }), (latest, given, repeats) => {
      const { caughtUp, runs, skipped } = judgeDue(job({ ...given, repeats, misfire_after_ms: 10 }), due(...latest), { now: 0, fires: 0 })
      const kept = [...caughtUp, ...(runs ? [runs.nominal] : [])]
      assert(kept.length <= repeats)
      assert.deepEqual(new Set(kept).size, kept.length)
      assert(kept.every(time => latest.includes(time)))
      if (skipped) assert(!kept.includes(skipped.nominal))
      const accounted = kept.length + (skipped?.count ?? 0)
      assert(kept.length === repeats ? accounted <= latest.length : accounted === latest.length)
    }),
  )
})
