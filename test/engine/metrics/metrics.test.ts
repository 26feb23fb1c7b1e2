import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { createMetrics, exposition } from '../../../engine/metrics/exposition.ts'
import { counter, gauge, histogram, histogramSamples } from '../../../engine/metrics/family.ts'
import { createProcessFacts } from '../../../engine/metrics/process-facts.ts'
import { workerMetrics } from '../../../engine/metrics/worker-metrics.ts'
import { maxNames, type WorkerSnapshot } from '../../../engine/metrics/worker-snapshot.ts'
import { Counters } from '../../../engine/plane/counters.ts'
import { readExposition } from './exposition-lint.ts'

for (const [what, text, fault] of [
  [
    'a counter without _total',
    '# HELP plumb_x a\n# TYPE plumb_x counter\nplumb_x 1\n',
    'plumb_x: "_total" is for counters, and for all of them',
  ],
  [
    'a gauge with it',
    '# HELP plumb_x_total a\n# TYPE plumb_x_total gauge\nplumb_x_total 1\n',
    'plumb_x_total: "_total" is for counters, and for all of them',
  ],
  ['milliseconds', '# HELP plumb_x_ms a\n# TYPE plumb_x_ms gauge\nplumb_x_ms 1\n', 'plumb_x_ms: not a base unit'],
  ['a series twice', '# HELP plumb_x a\n# TYPE plumb_x gauge\nplumb_x{a="1"} 1\nplumb_x{a="1"} 2\n', 'plumb_x: the same series twice'],
  ['a label that is not escaped', '# HELP plumb_x a\n# TYPE plumb_x gauge\nplumb_x{a="""} 1\n', 'not a sample: plumb_x{a="""} 1'],
  ['a sample of another', '# HELP plumb_x a\n# TYPE plumb_x gauge\nplumb_y 1\n', 'plumb_y: not below its TYPE'],
] as const)
  test(`the reader of the format notices ${what}`, () => assert.deepEqual(readExposition(text).faults, [fault]))

test('labels and helps may hold anything, and come out as they went in', async () => {
  const text = fc.string({
    unit: fc.oneof(fc.constantFrom('"', '\\', '\n', '{', '}', ',', '=', ' '), fc.string({ minLength: 1, maxLength: 1 })),
  })
  await fc.assert(
    fc.asyncProperty(text, text, async (label, help) => {
      const written = await exposition([{ metric: gauge('plumb_x', `h${help}`, ['a']), samples: [{ labels: { a: label }, value: 1 }] }])
      // A carriage return is no end of a line to Prometheus.
      const { faults, series } = readExposition(written)
      assert.deepEqual([faults, series[0]?.labels.a], [[], label])
    }),
  )
})

test('families of one name are one, and one without samples is left out', async () => {
  const metric = counter('plumb_x_total', 'x', ['a'])
  const text = await exposition([
    { metric, samples: [{ labels: { a: '1' }, value: 1 }] },
    { metric: gauge('plumb_empty', 'x'), samples: [] },
    { metric, samples: [{ labels: { a: '2' }, value: 2 }] },
  ])
  assert.equal(text, '# HELP plumb_x_total x\n# TYPE plumb_x_total counter\nplumb_x_total{a="1"} 1\nplumb_x_total{a="2"} 2\n')
})

test('a histogram has cumulative buckets in seconds', async () => {
  const metric = histogram('plumb_x_duration_seconds', 'x')
  const text = await exposition([{ metric, samples: histogramSamples({}, { buckets: [1, 2, 3], totalMs: 1_500 }, [5, 250]) }])
  assert.deepEqual(text.split('\n').slice(2), [
    'plumb_x_duration_seconds_bucket{le="0.005"} 1',
    'plumb_x_duration_seconds_bucket{le="0.25"} 3',
    'plumb_x_duration_seconds_bucket{le="+Inf"} 6',
    'plumb_x_duration_seconds_sum 1.5',
    'plumb_x_duration_seconds_count 6',
    '',
  ])
})

test('a source that fails is told, and costs the others nothing', async () => {
  const metrics = createMetrics([
    { metrics: [], collect: () => Promise.reject(new Error('away')) },
    { metrics: [], collect: async () => [{ metric: gauge('plumb_x', 'x'), samples: [{ labels: {}, value: 1 }] }] },
  ])
  const { series, faults } = readExposition(await metrics.text())
  assert.deepEqual(faults, [])
  assert.deepEqual(
    series.map(({ name, value }) => [name, value]),
    [
      ['plumb_x', 1],
      ['plumb_metrics_failed_sources', 1],
    ],
  )
})

const facts = createProcessFacts()
const noLog = { lines: {}, lost: { flood: 0, output: 0 } }

function snapshotOf(answers: readonly (readonly [channel: string | null, status: number, elapsedMs: number])[]): WorkerSnapshot {
  const counters = new Counters()
  for (const [channel, status, elapsedMs] of answers) counters.count(null, channel, { status, elapsedMs, excused: false, now: 0 })
  const { routes, unrouted } = counters.snapshot()
  return { process: facts(), channels: { ...routes, _none_: unrouted }, services: {}, connections: { 'kind/db': false }, log: noLog }
}

async function seriesOf(
  snapshots: ReadonlyMap<number, WorkerSnapshot>,
  source = workerMetrics({ snapshots: async () => snapshots, log: () => noLog }),
) {
  const { series, faults } = readExposition(await exposition(await source.collect()))
  assert.deepEqual(faults, [])
  return series
}

test('requests are counted by channel, class of status and worker; those of no channel under one name', async () => {
  const series = await seriesOf(
    new Map([
      [
        1,
        snapshotOf([
          ['kind/a', 200, 3],
          ['kind/a', 204, 30],
          ['kind/a', 500, 1],
          [null, 404, 1],
        ]),
      ],
      [2, snapshotOf([['kind/a', 200, 3]])],
    ]),
  )
  const found = series
    .filter(({ name }) => name === 'plumb_channel_requests_total')
    .map(({ labels, value }) => [...Object.values(labels), value])
  assert.deepEqual(found, [
    ['kind/a', '2xx', '1', 2],
    ['kind/a', '5xx', '1', 1],
    ['_none_', '4xx', '1', 1],
    ['kind/a', '2xx', '2', 1],
  ])
  const count = series.find(
    ({ name, labels }) => name === 'plumb_channel_request_duration_seconds_count' && labels.channel === 'kind/a' && labels.worker === '1',
  )
  assert.equal(count?.value, 3)
  assert.deepEqual(
    series.filter(({ name }) => name === 'plumb_connection_up').map(({ labels, value }) => [labels.connection, labels.worker, value]),
    [
      ['kind/db', '1', 0],
      ['kind/db', '2', 0],
    ],
  )
})

test('however many channels there are, a thousand have series of their own, the same ones each time, and no request is lost', async () => {
  const many = (from: number, count: number) => Array.from({ length: count }, (_, at) => [`kind/c${from + at}`, 200, 1] as const)
  let snapshots = new Map([[1, snapshotOf(many(0, 800))]])
  const source = workerMetrics({ snapshots: async () => snapshots, log: () => noLog })
  const counted = async () => {
    const series = (await seriesOf(snapshots, source)).filter(({ name }) => name === 'plumb_channel_requests_total')
    return { names: new Set(series.map(({ labels }) => labels.channel ?? '')), requests: series.reduce((sum, { value }) => sum + value, 0) }
  }
  const before = await counted()
  snapshots = new Map([
    [1, snapshotOf(many(0, 5_000))],
    [2, snapshotOf(many(3_000, 5_000))],
  ])
  const after = await counted()
  assert.equal(after.requests, 10_000)
  assert.equal(after.names.size, maxNames + 1)
  assert.ok(after.names.has('_other_'))
  for (const name of before.names) assert.ok(after.names.has(name), name)
})
