// What a service wrote down of its deliveries, compared with what the server tells of its jobs' runs.

import assert from 'node:assert/strict'
import type { JsonObject } from '../../schema/json.ts'

export interface Delivered {
  readonly id: string
  readonly job: string
  readonly nominalAt: string
  readonly attempt: number
}

/**
 * Compares what ran with what is written: a nominal time ran at most once, never without a row; one that is done did run; and of every second
 * that a job was declared for, a row tells, or one that counts what passed while nothing could run.
 */
export function checkHistory(
  runs: readonly JsonObject[],
  deliveries: readonly Delivered[],
  { everyMs, from, to }: { everyMs: number; from: number; to: number },
): void {
  const ran = new Map<string, number>()
  for (const { id } of deliveries) ran.set(id, (ran.get(id) ?? 0) + 1)
  const byId = new Map(runs.map(run => [`${run.job}@${run.nominal}`, run]))
  for (const [id, times] of ran) {
    assert.equal(times, 1, `${id} ran ${times} times`)
    const row = byId.get(id)
    assert(row, `${id} ran without a row`)
    assert.notEqual(row.state, 'skipped', `${id} ran and is told as skipped`)
  }
  for (const [id, { state }] of byId) if (state === 'done') assert(ran.has(id), `${id} is done and did not run`)
  for (const [job, ofJob] of Map.groupBy(runs, run => String(run.job))) {
    const ordered = ofJob
      .map(run => ({ at: Date.parse(String(run.nominal)), count: Number(run.count), state: run.state }))
      .sort((a, b) => a.at - b.at)
    const covered = new Map<number, number>()
    for (const { at, count } of ordered)
      for (let back = 0; back < count; back++) covered.set(at - back * everyMs, (covered.get(at - back * everyMs) ?? 0) + 1)
    for (let at = Math.ceil(from / everyMs) * everyMs; at <= to; at += everyMs)
      assert.equal(covered.get(at) ?? 0, 1, `${job} has ${covered.get(at) ?? 0} rows for ${new Date(at).toISOString()}`)
  }
}
