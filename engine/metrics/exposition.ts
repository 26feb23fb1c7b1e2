// Families as Prometheus reads them: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format

import type { Family, MetricSource } from './family.ts'

export interface Metrics {
  /** All families, in the text format. A source that fails is left out and counted in `plumb_metrics_failed_sources`. */
  text(): Promise<string>
}

/** @param sources asked together, each time anew */
export function createMetrics(sources: readonly MetricSource[]): Metrics {
  return {
    async text() {
      const answers = await Promise.allSettled(sources.map(source => source.collect()))
      const families = answers.flatMap(answer => (answer.status === 'fulfilled' ? answer.value : []))
      const failed = answers.filter(({ status }) => status === 'rejected').length
      return await exposition([...families, { metric: failedSources, samples: [{ labels: {}, value: failed }] }])
    },
  }
}

export const failedSources = {
  name: 'plumb_metrics_failed_sources',
  type: 'gauge',
  help: 'Parts of the server whose metrics are missing from this answer',
  labels: [],
} as const

/** Families of the same name are one; one without samples is left out. */
export async function exposition(families: readonly Family[]): Promise<string> {
  // Loaded when somebody asks: most servers are asked later, or never.
  const { Registry } = await import('prom-client')
  const registry = new Registry()
  const merged = new Map<string, Family>()
  for (const family of families) {
    const { metric, samples } = family
    const known = merged.get(metric.name)
    if (samples.length > 0) merged.set(metric.name, known ? { metric, samples: [...known.samples, ...samples] } : family)
  }
  for (const { metric, samples } of merged.values()) {
    const { name, help, type } = metric
    const values = samples.map(({ labels, value, part }) => ({ labels, value, metricName: part === undefined ? name : `${name}_${part}` }))
    // The registry only ever asks a metric for this.
    registry.registerMetric({ name, get: async () => ({ name, help, type, values, aggregator: 'sum' }) } as never)
  }
  return await registry.metrics()
}
