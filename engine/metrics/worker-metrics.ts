// What workers have counted, as families: a series for each worker, so that one that is started anew resets its own and no other.

import { latencyBoundsMs } from '../plane/latency.ts'
import { counter, type Family, gauge, histogram, histogramSamples, type MetricSource, type Sample } from './family.ts'
import { createProcessFacts, type ProcessFacts, processFamilies, processMetrics } from './process-facts.ts'
import { addServices, addTallies, type LogTally, maxNames, noneName, otherName, type WorkerSnapshot } from './worker-snapshot.ts'

export interface WorkerMetricsOptions {
  /** Snapshots of the workers that answer, by their number. */
  readonly snapshots: () => Promise<ReadonlyMap<number, WorkerSnapshot>>
  /** The log of this process. */
  readonly log: () => LogTally
}

const requests = counter('plumb_channel_requests_total', 'Requests that were answered, by the class of their status', [
  'channel',
  'status_class',
  'worker',
])
const requestDuration = histogram('plumb_channel_request_duration_seconds', 'Time from the head of a request to its answer', [
  'channel',
  'worker',
])
const calls = counter(
  'plumb_service_calls_total',
  'Calls of services that ended: ok, error where it threw what maps to a status, failed where it threw anything else',
  ['service', 'outcome', 'worker'],
)
const callDuration = histogram('plumb_service_duration_seconds', 'Time that calls of services took', ['service', 'worker'])
const up = gauge('plumb_connection_up', 'Whether the far end of a connection answered when it was last asked', ['connection', 'worker'])
const logLines = counter('plumb_log_lines_total', 'Lines of log that were written', ['level', 'process'])
const logLost = counter(
  'plumb_log_lines_lost_total',
  'Lines of log that were not: flood where a service wrote too many, output where nobody read them',
  ['reason', 'process'],
)

export function workerMetrics({ snapshots, log }: WorkerMetricsOptions): MetricSource {
  const factsOf = createProcessFacts()
  const channelNames = createNames([noneName])
  const serviceNames = createNames([])
  return {
    metrics: [requests, requestDuration, calls, callDuration, up, logLines, logLost, ...processMetrics],
    async collect() {
      const found = await snapshots()
      const facts = new Map<string, ProcessFacts>([['control', factsOf()]])
      const logs = new Map<string, LogTally>([['control', log()]])
      for (const [worker, snapshot] of found) {
        facts.set(`worker ${worker}`, snapshot.process)
        logs.set(`worker ${worker}`, snapshot.log)
      }
      channelNames.keep([...found.values()].map(({ channels }) => channels))
      serviceNames.keep([...found.values()].map(({ services }) => services))
      const samples = {
        requests: [] as Sample[],
        requestDuration: [] as Sample[],
        calls: [] as Sample[],
        callDuration: [] as Sample[],
        up: [] as Sample[],
      }
      for (const [worker, snapshot] of found) {
        for (const [channel, tally] of Object.entries(channelNames.named(snapshot.channels, addTallies))) {
          samples.requests.push(
            ...tally.statuses
              .map((value, at) => ({ labels: { channel, status_class: `${at + 1}xx`, worker }, value }))
              .filter(({ value }) => value > 0),
          )
          samples.requestDuration.push(
            ...histogramSamples({ channel, worker }, { buckets: tally.latency, totalMs: tally.totalMs }, latencyBoundsMs),
          )
        }
        for (const [service, tally] of Object.entries(serviceNames.named(snapshot.services, addServices))) {
          const outcomes = { ok: tally.calls - tally.mapped - tally.unmapped, error: tally.mapped, failed: tally.unmapped }
          samples.calls.push(...Object.entries(outcomes).map(([outcome, value]) => ({ labels: { service, outcome, worker }, value })))
          samples.callDuration.push(...histogramSamples({ service, worker }, tally.latency, latencyBoundsMs))
        }
        samples.up.push(
          ...Object.entries(snapshot.connections).map(([connection, isUp]) => ({ labels: { connection, worker }, value: isUp ? 1 : 0 })),
        )
      }
      return [
        { metric: requests, samples: samples.requests },
        { metric: requestDuration, samples: samples.requestDuration },
        { metric: calls, samples: samples.calls },
        { metric: callDuration, samples: samples.callDuration },
        { metric: up, samples: samples.up },
        ...logFamilies(logs),
        ...processFamilies(facts),
      ]
    },
  }
}

function logFamilies(logs: ReadonlyMap<string, LogTally>): Family[] {
  const of = (tally: (log: LogTally) => Readonly<Record<string, number>>, label: string): Sample[] =>
    [...logs].flatMap(([process, log]) =>
      Object.entries(tally(log)).map(([name, value]) => ({ labels: { [label]: name, process }, value })),
    )
  return [
    { metric: logLines, samples: of(({ lines }) => lines, 'level') },
    { metric: logLost, samples: of(({ lost }) => lost, 'reason') },
  ]
}

/** The names that have series of their own, the same for all workers: who came first stays, and all above the limit are one. */
function createNames(always: readonly string[]) {
  const names = new Set<string>()
  return {
    /** Lets go of names that no worker has any more, and takes in new ones. */
    keep(tables: readonly Readonly<Record<string, unknown>>[]): void {
      const present = new Set(tables.flatMap(table => Object.keys(table)))
      for (const name of names) if (!present.has(name)) names.delete(name)
      for (const name of present) if (names.size < maxNames && name !== otherName && !always.includes(name)) names.add(name)
    },
    named<T>(table: Readonly<Record<string, T>>, add: (a: T, b: T) => T): Record<string, T> {
      const result: Record<string, T> = {}
      for (const [name, value] of Object.entries(table)) {
        const label = names.has(name) || always.includes(name) ? name : otherName
        const known = result[label]
        result[label] = known === undefined ? value : add(known, value)
      }
      return result
    },
  }
}
