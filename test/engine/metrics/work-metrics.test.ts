import assert from 'node:assert/strict'
import { test } from 'vitest'
import { exposition } from '../../../engine/metrics/exposition.ts'
import { workMetrics } from '../../../engine/metrics/work-metrics.ts'
import { createTally } from '../../../engine/scheduler/tally.ts'
import { readExposition } from './exposition-lint.ts'

const totals = { accepted: 9, refused: 0, done: 5, failed: 2, lost: 1, dead: 1, resubmitted: 0, discarded: 0 }
const queue = () => ({ ready: 3, running: 1, dead: 2, totals })

async function read(tally: ReturnType<typeof createTally>) {
  const text = await exposition(await workMetrics({ jobs: tally.snapshot, queue }).collect())
  const { faults, series } = readExposition(text)
  assert.deepEqual(faults, [])
  return { text, series }
}

test('runs of jobs are counted by how they ended, and how late they began', async () => {
  const tally = createTally()
  tally.ended('nightly', 'done')
  tally.ended('nightly', 'done')
  tally.ended('nightly', 'skipped', 3)
  tally.began(7)
  tally.began(90_000)
  const { text } = await read(tally)
  for (const line of [
    'plumb_job_runs_total{job="nightly",outcome="done"} 2',
    'plumb_job_runs_total{job="nightly",outcome="skipped"} 3',
    'plumb_job_lateness_seconds_bucket{le="0.005"} 0',
    'plumb_job_lateness_seconds_bucket{le="0.01"} 1',
    'plumb_job_lateness_seconds_bucket{le="+Inf"} 2',
    'plumb_job_lateness_seconds_sum 90.007',
  ])
    assert(text.split('\n').includes(line), `${line} in\n${text}`)
})

test('asynchronous calls are counted by where they are and what became of them', async () => {
  const { text } = await read(createTally())
  for (const line of ['plumb_tasks{state="ready"} 3', 'plumb_tasks{state="dead"} 2', 'plumb_tasks_total{event="accepted"} 9'])
    assert(text.split('\n').includes(line), line)
})

test('of ten thousand jobs a thousand have a series of their own, and none is left out of the sum', async () => {
  const tally = createTally()
  for (let at = 0; at < 10_000; at++) tally.ended(`job ${at}`, 'done')
  const { series } = await read(tally)
  const runs = series.filter(({ name }) => name === 'plumb_job_runs_total')
  assert.deepEqual([runs.length, runs.find(({ labels }) => labels.job === '_other_')?.value], [1_001, 9_000])
})
