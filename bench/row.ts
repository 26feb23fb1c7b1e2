// A row of the results, and how one is made from what was measured.

export interface BenchRow {
  readonly bench: string
  readonly value: number
  readonly unit: string
  readonly goal: number | null
  readonly holds: boolean | null
  /** Smallest and largest of what was measured. */
  readonly spread: readonly [number, number]
}

export interface RowOptions {
  readonly unit?: string
  /** On the reference machine; absent: the value is only printed. */
  readonly goal?: number
}

/** The median of `values` with the smallest and the largest. Default unit: ms. */
export function rowOf(bench: string, values: readonly number[], { unit = 'ms', goal }: RowOptions = {}): BenchRow {
  if (values.length === 0) throw new Error(`Cannot make the row "${bench}" as nothing was measured`)
  const sorted = values.toSorted((a, b) => a - b)
  const value = median(sorted)
  return {
    bench,
    value: round(value),
    unit,
    goal: goal ?? null,
    holds: goal === undefined ? null : value <= goal,
    spread: [round(sorted[0] ?? 0), round(sorted.at(-1) ?? 0)],
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

function round(value: number): number {
  return Number(value.toPrecision(4))
}

/** The row judged on a machine that is `factor` times slower than the one its goal was set for. Ratios stay as they are. */
export function scaledRow(row: BenchRow, factor: number): BenchRow {
  if (row.goal === null || row.unit !== 'ms') return row
  const goal = round(row.goal * factor)
  return { ...row, goal, holds: row.value <= goal }
}
