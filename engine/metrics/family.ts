// Metrics as data: what a family is, once; and what its samples are, whenever somebody asks. Names by the conventions of Prometheus:
// https://prometheus.io/docs/practices/naming/

export interface Metric {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** One sentence, without a full stop. */
  readonly help: string
  readonly labels: readonly string[]
}

export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  /** Of a histogram: its parts. */
  readonly part?: 'bucket' | 'sum' | 'count'
}

export interface Family {
  readonly metric: Metric
  readonly samples: readonly Sample[]
}

/** Where families come from: each part of the server has its own. */
export interface MetricSource {
  /** What it may ever give, for the documentation. */
  readonly metrics: readonly Metric[]
  collect(): Promise<readonly Family[]>
}

/** One family of a table of metrics. */
export function counter(name: string, help: string, labels: readonly string[] = []): Metric {
  return { name, type: 'counter', help, labels }
}

export function gauge(name: string, help: string, labels: readonly string[] = []): Metric {
  return { name, type: 'gauge', help, labels }
}

export function histogram(name: string, help: string, labels: readonly string[] = []): Metric {
  return { name, type: 'histogram', help, labels }
}

/** The samples of one histogram: `buckets` hold their own each, one more than `boundsMs`. */
export function histogramSamples(
  labels: Sample['labels'],
  { buckets, totalMs }: { readonly buckets: readonly number[]; readonly totalMs: number },
  boundsMs: readonly number[],
): Sample[] {
  let below = 0
  const samples = buckets.map((count, at): Sample => {
    below += count
    const bound = boundsMs[at]
    return { labels: { ...labels, le: bound === undefined ? '+Inf' : String(bound / 1_000) }, value: below, part: 'bucket' }
  })
  return [...samples, { labels, value: totalMs / 1_000, part: 'sum' }, { labels, value: below, part: 'count' }]
}
