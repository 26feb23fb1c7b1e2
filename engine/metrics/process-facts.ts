// What a process takes of its machine.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { counter, type Family, gauge } from './family.ts'

export interface ProcessFacts {
  readonly cpuSeconds: number
  readonly residentBytes: number
  readonly heapBytes: number
  /** Seconds since 1970. */
  readonly startedAt: number
  /** How late the event loop was at worst since it was asked for the last time, seconds. */
  readonly lagSeconds: number
  /** How long the event loop was at work. */
  readonly activeSeconds: number
}

/** Every call gives the facts of this instant. The event loop is watched from the first call on. */
export function createProcessFacts(): () => ProcessFacts {
  const startedAt = (performance.timeOrigin / 1_000) | 0
  let delay: ReturnType<typeof monitorEventLoopDelay> | null = null
  return () => {
    const { user, system } = process.cpuUsage()
    const { rss, heapUsed } = process.memoryUsage()
    const lagSeconds = delay === null || delay.count === 0 ? 0 : Math.max(0, delay.max / 1e9 - resolutionMs / 1_000)
    if (delay === null) {
      delay = monitorEventLoopDelay({ resolution: resolutionMs })
      delay.enable()
    } else delay.reset()
    return {
      cpuSeconds: (user + system) / 1e6,
      residentBytes: rss,
      heapBytes: heapUsed,
      startedAt,
      lagSeconds,
      activeSeconds: performance.eventLoopUtilization().active / 1_000,
    }
  }
}

/** The event loop is woken so often, which costs a little. */
const resolutionMs = 50

const cpu = counter('plumb_process_cpu_seconds_total', 'CPU time of a process, user and system', ['process'])
const resident = gauge('plumb_process_resident_memory_bytes', 'Resident memory of a process', ['process'])
const heap = gauge('plumb_process_heap_bytes', 'JavaScript heap of a process that is in use', ['process'])
const started = gauge('plumb_process_start_time_seconds', 'When a process began, in seconds since 1970', ['process'])
const lag = gauge('plumb_process_event_loop_lag_seconds', 'How late the event loop of a process was at worst since the scrape before', [
  'process',
])
const active = counter('plumb_process_event_loop_active_seconds_total', 'How long the event loop of a process was at work', ['process'])

export const processMetrics = [cpu, resident, heap, started, lag, active]

/** @param facts by the name of the process */
export function processFamilies(facts: ReadonlyMap<string, ProcessFacts>): Family[] {
  const family = (metric: Family['metric'], read: (fact: ProcessFacts) => number): Family => ({
    metric,
    samples: [...facts].map(([process, fact]) => ({ labels: { process }, value: read(fact) })),
  })
  return [
    family(cpu, fact => fact.cpuSeconds),
    family(resident, fact => fact.residentBytes),
    family(heap, fact => fact.heapBytes),
    family(started, fact => fact.startedAt),
    family(lag, fact => fact.lagSeconds),
    family(active, fact => fact.activeSeconds),
  ]
}
