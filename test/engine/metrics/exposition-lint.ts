// The text format read strictly, and the names of Prometheus's conventions: what `promtool check metrics` says, and a little more.
// https://prometheus.io/docs/instrumenting/exposition_formats/ and https://prometheus.io/docs/practices/naming/

export interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Exposition {
  readonly series: readonly Series[]
  readonly types: ReadonlyMap<string, string>
  /** What breaks the format or a convention, by name. */
  readonly faults: readonly string[]
}

const baseUnits = ['seconds', 'bytes', 'ratio', 'info']
const otherUnits = /_(?:ms|milliseconds|minutes|hours|kb|mb|kilobytes|megabytes|percent)(?:_|$)/

export function readExposition(text: string): Exposition {
  const faults: string[] = []
  const types = new Map<string, string>()
  const helps = new Set<string>()
  const series: Series[] = []
  const seen = new Set<string>()
  let current = ''
  if (!text.endsWith('\n')) faults.push('the last line has no end')
  for (const line of text.split('\n').filter(Boolean)) {
    const [, help, said] = /^# HELP ([a-zA-Z_:][\w:]*) (.*)$/.exec(line) ?? []
    const [, typed, type] = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary|untyped)$/.exec(line) ?? []
    if (help !== undefined) {
      if (helps.has(help)) faults.push(`${help}: HELP twice`)
      if (!said) faults.push(`${help}: HELP says nothing`)
      helps.add(help)
      current = help
    } else if (typed !== undefined && type !== undefined) {
      if (types.has(typed)) faults.push(`${typed}: TYPE twice`)
      if (typed !== current) faults.push(`${typed}: TYPE without HELP before it`)
      types.set(typed, type)
      faults.push(...namingFaults(typed, type))
    } else {
      const read = seriesOf(line)
      if (read === null) faults.push(`not a sample: ${line}`)
      else {
        const base = types.get(current) === 'histogram' ? read.name.replace(/_(?:bucket|sum|count)$/, '') : read.name
        if (base !== current) faults.push(`${read.name}: not below its TYPE`)
        const key = `${read.name}${JSON.stringify(Object.entries(read.labels).sort())}`
        if (seen.has(key)) faults.push(`${read.name}: the same series twice`)
        seen.add(key)
        series.push(read)
      }
    }
  }
  for (const [name, type] of types) if (type === 'histogram') faults.push(...histogramFaults(name, series))
  return { series, types, faults }
}

function namingFaults(name: string, type: string): string[] {
  const faults: string[] = []
  if (!/^[a-z][a-z0-9_]*$/.test(name)) faults.push(`${name}: not in snake case`)
  if (!name.startsWith('plumb_')) faults.push(`${name}: no prefix`)
  if ((type === 'counter') !== name.endsWith('_total')) faults.push(`${name}: "_total" is for counters, and for all of them`)
  if (otherUnits.test(name)) faults.push(`${name}: not a base unit`)
  if (type === 'histogram' && !baseUnits.some(unit => name.endsWith(`_${unit}`))) faults.push(`${name}: no unit`)
  return faults
}

function histogramFaults(name: string, series: readonly Series[]): string[] {
  const faults: string[] = []
  const groups = new Map<string, { buckets: [number, number][]; count?: number; sum?: number }>()
  for (const { name: part, labels, value } of series) {
    if (!part.startsWith(`${name}_`)) continue
    const { le, ...rest } = labels
    const key = JSON.stringify(Object.entries(rest).sort())
    const group = groups.get(key) ?? { buckets: [] }
    groups.set(key, group)
    if (part === `${name}_bucket`) group.buckets.push([le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), value])
    else if (part === `${name}_count`) group.count = value
    else group.sum = value
  }
  for (const [key, { buckets, count, sum }] of groups) {
    const ascends = buckets.every(
      ([bound, value], at) => at === 0 || (bound > (buckets[at - 1]?.[0] ?? 0) && value >= (buckets[at - 1]?.[1] ?? 0)),
    )
    if (!ascends) faults.push(`${name}${key}: buckets do not ascend`)
    if (buckets.at(-1)?.[0] !== Number.POSITIVE_INFINITY) faults.push(`${name}${key}: no bucket for the rest`)
    if (count === undefined || sum === undefined || buckets.at(-1)?.[1] !== count) faults.push(`${name}${key}: count and buckets differ`)
  }
  return faults
}

function seriesOf(line: string): Series | null {
  const [, name, inner, number] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
  if (name === undefined || number === undefined) return null
  const value = number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number)
  if (Number.isNaN(value)) return null
  const labels: Record<string, string> = {}
  let rest = inner ?? ''
  while (rest !== '') {
    const [whole, label, text] = /^([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/.exec(rest) ?? []
    if (whole === undefined || label === undefined || label in labels) return null
    labels[label] = (text ?? '').replace(/\\(["\\n])/g, (_, escaped) => (escaped === 'n' ? '\n' : escaped))
    rest = rest.slice(whole.length)
  }
  return { name, labels, value }
}
