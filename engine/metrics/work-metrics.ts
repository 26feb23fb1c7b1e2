// What no client waits for, as families: runs of jobs, and asynchronous calls.

import type { JobsSnapshot } from '../scheduler/tally.ts'
import type { QueueSnapshot } from '../work/queue.ts'
import { counter, gauge, histogram, histogramSamples, type MetricSource, type Sample } from './family.ts'
import { maxNames, otherName } from './worker-snapshot.ts'

export interface WorkMetricsOptions {
  readonly jobs: () => JobsSnapshot
  readonly queue: () => QueueSnapshot
}

const runs = counter('plumb_job_runs_total', 'Runs of jobs that ended, by how: unknown where what ran them is gone', ['job', 'outcome'])
const lateness = histogram('plumb_job_lateness_seconds', 'Time from when a run was due to its going to a worker')
const waiting = gauge('plumb_tasks', 'Asynchronous calls that are accepted and not done, by state', ['state'])
const tasks = counter('plumb_tasks_total', 'What became of asynchronous calls since the control process began', ['event'])

const states = ['ready', 'running', 'dead'] as const

export function workMetrics({ jobs, queue }: WorkMetricsOptions): MetricSource {
  return {
    metrics: [runs, lateness, waiting, tasks],
    async collect() {
      const { runs: ended, lateness: late } = jobs()
      const { totals, ...counts } = queue()
      const { boundsMs, counts: buckets, sumMs: totalMs } = late
      return [
        { metric: runs, samples: runSamples(ended) },
        { metric: lateness, samples: histogramSamples({}, { buckets, totalMs }, boundsMs) },
        { metric: waiting, samples: states.map(state => ({ labels: { state }, value: counts[state] })) },
        { metric: tasks, samples: Object.entries(totals).map(([event, value]) => ({ labels: { event }, value })) },
      ]
    },
  }
}

/** A series for each of the first jobs; the rest are one. */
function runSamples(ended: JobsSnapshot['runs']): readonly Sample[] {
  const named = new Set<string>()
  const samples = new Map<string, Sample>()
  for (const { job, outcome, count } of ended) {
    if (named.size < maxNames) named.add(job)
    const labels = { job: named.has(job) ? job : otherName, outcome }
    const key = JSON.stringify(labels)
    samples.set(key, { labels, value: count + (samples.get(key)?.value ?? 0) })
  }
  return [...samples.values()]
}
