import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'vitest'
import { engineMetrics } from '../../engine/metrics/engine-metrics.ts'
import { failedSources } from '../../engine/metrics/exposition.ts'
import { workMetrics } from '../../engine/metrics/work-metrics.ts'
import { workerMetrics } from '../../engine/metrics/worker-metrics.ts'
import { createPassMetrics } from '../../reconcile/sync/pass-metrics.ts'
import { root } from './repository.ts'

test('docs/observability.md has every metric with its type, labels and help, and no other', () => {
  const unasked = {} as never // only the tables of metrics are read
  const events = { subscribe: () => () => undefined }
  const sources = [
    engineMetrics({ engine: unasked, conditions: unasked, environment: '', version: '', events }),
    workerMetrics({ snapshots: unasked, log: unasked }),
    workMetrics({ jobs: unasked, queue: unasked }),
    createPassMetrics(),
  ]
  const metrics = [...sources.flatMap(source => source.metrics), failedSources]
  const told = metrics.map(
    ({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.map(label => `\`${label}\``).join(', ')} | ${help} |`,
  )
  const page = readFileSync(join(root, 'docs/observability.md'), 'utf8')
  assert.deepEqual(
    page
      .split('\n')
      .filter(line => line.startsWith('| `plumb_'))
      .sort(),
    told.sort(),
  )
})
