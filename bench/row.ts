// A row of the results, and how one is made from what was measured.

import type { BenchRow } from './request.ts'

export type { BenchRow }

/** How much slower this machine is at this moment than the reference; 1 where it is as fast or faster. */
export type Scale = number

export interface RowOptions {
  readonly unit?: string
  /** On the reference machine; absent: the value is only printed. */
  readonly goal?: number
  /** Only for goals in units of time; a ratio needs none. */
  readonly scale?: Scale
}

/** The median of `values` with the smallest and the largest. Default unit: ms. */
export function rowOf(bench: string, values: readonly number[], { unit = 'ms', goal, scale = 1 }: RowOptions = {}): BenchRow {
  if (values.length === 0) throw new Error(`Cannot make the row "${bench}" as nothing was measured`)
  const sorted = values.toSorted((a, b) => a - b)
  const value = median(sorted)
  const scaled = goal === undefined ? null : round(goal * scale)
  return {
    bench,
    value: round(value),
    unit,
    goal: scaled,
    holds: scaled === null ? null : value <= scaled,
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
