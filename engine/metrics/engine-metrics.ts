// What is live, as families.

import type { Events } from '../admin/port.ts'
import type { Condition, Engine } from '../generation/engine.ts'
import { counter, gauge, type MetricSource } from './family.ts'

export interface EngineMetricsOptions {
  readonly engine: Pick<Engine, 'live' | 'status'>
  readonly conditions: () => readonly Condition[]
  /** The journal as it is written. */
  readonly events: Events
  readonly environment: string
  readonly version: string
}

const build = gauge('plumb_build_info', 'The version, the environment it serves and its Node; always 1', ['version', 'environment', 'node'])
const generation = gauge('plumb_generation', 'Number of the generation that is live; 0 where there is none')
const serial = gauge('plumb_generation_serial', 'Serial of what is live: one more at every commit and every way back')
const swaps = counter('plumb_generation_swaps_total', 'Generations that went live since the control process began, ways back included')
const draining = gauge('plumb_generations_draining', 'Generations that still have calls in flight')
const workers = gauge('plumb_workers', 'Workers that are connected, by what they do', ['state'])
const resources = gauge('plumb_resources', 'Resources that are live', ['kind'])
const degraded = gauge('plumb_degraded_resources', 'Resources that do not work as declared')
const quarantined = gauge('plumb_quarantined_services', 'Services that answer 503 as they ended too many workers')
const condition = gauge('plumb_condition', 'Whether a condition holds', ['type'])
const events = counter('plumb_journal_events_total', 'Events of the journal since the control process began', ['type'])

const states = ['booting', 'serving', 'recycling'] as const

export function engineMetrics(options: EngineMetricsOptions): MetricSource & Disposable {
  const { engine, environment, version } = options
  const seen = new Map<string, number>()
  const end = options.events.subscribe(({ type }) => void seen.set(type, (seen.get(type) ?? 0) + 1))
  const only = (metric: typeof generation, value: number) => ({ metric, samples: [{ labels: {}, value }] })
  return {
    metrics: [build, generation, serial, swaps, draining, workers, resources, degraded, quarantined, condition, events],
    async collect() {
      const live = engine.live()
      const status = engine.status()
      const kinds = new Map<string, number>()
      for (const { resource } of live.manifest.entries.values()) kinds.set(resource.kind, (kinds.get(resource.kind) ?? 0) + 1)
      return [
        { metric: build, samples: [{ labels: { version, environment, node: process.version }, value: 1 }] },
        only(generation, live.generation),
        only(serial, live.serial),
        only(swaps, seen.get('generation.live') ?? 0),
        only(draining, status.draining.length),
        {
          metric: workers,
          samples: states.map(state => ({ labels: { state }, value: status.workers.filter(worker => worker.state === state).length })),
        },
        { metric: resources, samples: [...kinds].map(([kind, value]) => ({ labels: { kind }, value })) },
        only(degraded, status.degraded.length),
        only(quarantined, status.quarantined.length),
        { metric: condition, samples: options.conditions().map(({ type, status: holds }) => ({ labels: { type }, value: holds ? 1 : 0 })) },
        { metric: events, samples: [...seen].map(([type, value]) => ({ labels: { type }, value })) },
      ]
    },
    [Symbol.dispose]: end,
  }
}
