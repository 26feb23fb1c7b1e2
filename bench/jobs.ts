// From the time a job is due to the first line of its service, in a server with 10,000 jobs of which 20 are due in each second. Its row
// is on disk before the worker hears of it, so what a flush takes on this disk meanwhile is measured beside it.

import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRemote, startServer } from '../test/e2e/server.ts'
import { until } from '../test/until.ts'
import type { Rest } from './rest.ts'
import type { BenchRow } from './row.ts'

const jobs = 10_000
const perSecond = 20
const perFile = 1_000
const measuredMs = 12_000
/** What a run may take beside the flush. */
const goalMs = 20
const flushEveryMs = 25

export async function run(rest: Rest): Promise<readonly BenchRow[]> {
  const home = await mkdtemp(join(tmpdir(), 'plumb-jobs-'))
  try {
    const seen = join(home, 'seen')
    await using remote = await createRemote(estate(seen))
    await using server = await startServer({ source: remote.url, workers: 2 })
    await server.ready()
    await until(async () => (await latenesses(seen)).length > 2 * perSecond, 'jobs run', 60_000)
    await rest()
    const before = (await latenesses(seen)).length
    const flushes = await flushesOf(join(home, 'flush'))
    const late = (await latenesses(seen)).slice(before)
    const expected = (measuredMs / 1_000) * perSecond
    if (late.length < expected * 0.9) throw new Error(`Only ${late.length} of ${expected} runs began`)
    const flushMs = percentile(flushes, 0.99)
    return [
      rowFor(`p99 of a flush, beside ${perSecond} jobs a second`, flushes),
      rowFor(`p99 from due to begun, ${perSecond} of ${jobs} jobs a second`, late, goalMs + flushMs),
    ]
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  }
}

function estate(seen: string): Record<string, string> {
  const start = Date.parse('2026-01-01T00:00:00Z')
  const declared = Array.from({ length: jobs }, (_, at) => {
    const from = new Date(start + Math.floor(at / perSecond) * 1_000).toISOString()
    return `  - { name: job-${at}, service: record, job_type: interval_based, seconds: ${jobs / perSecond}, start_date: '${from}' }`
  })
  const files = Array.from({ length: jobs / perFile }, (_, at): [string, string] => [
    `environments/dev/jobs-${at}.yaml`,
    `scheduler:\n${declared.slice(at * perFile, (at + 1) * perFile).join('\n')}\n`,
  ])
  return {
    ...Object.fromEntries(files),
    'environments/dev/environment.yaml': "environment: dev\nrequireSecurity: false\nsync: { schedule: '0 0 1 1 *', probation: 0s }\n",
    'services/record.ts': `import { appendFileSync } from 'node:fs'
import { service } from 'plumb-server'

export const record = service<object, null>({
  name: 'record',
  async handle(_request, ctx) {
    appendFileSync(${JSON.stringify(seen)}, (Date.now() - Date.parse(ctx.delivery?.nominalAt ?? '')) + '\\n')
    return null
  },
})
`,
  }
}

async function latenesses(seen: string): Promise<number[]> {
  const text = await readFile(seen, 'utf8').catch(() => '') // none yet
  return text.split('\n').filter(Boolean).map(Number)
}

/** Milliseconds of flushes of a few bytes, one after the other with pauses. */
async function flushesOf(path: string): Promise<number[]> {
  const file = openSync(path, 'w')
  const found: number[] = []
  try {
    for (const endsAt = performance.now() + measuredMs; performance.now() < endsAt; await sleep(flushEveryMs)) {
      const startedAt = performance.now()
      writeSync(file, 'a row of a run')
      fsyncSync(file)
      found.push(performance.now() - startedAt)
    }
  } finally {
    closeSync(file)
  }
  return found
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

function rowFor(bench: string, values: readonly number[], goal: number | null = null): BenchRow {
  const round = (value: number) => Number(value.toPrecision(4))
  const value = round(percentile(values, 0.99))
  const spread = [round(Math.min(...values)), round(Math.max(...values))] as const
  return { bench, value, unit: 'ms', goal: goal === null ? null : round(goal), holds: goal === null ? null : value <= goal, spread }
}
