// Which adapters run in which process. Apart from the table, as a process that hosts few of them loads no others.

import { defaultTraits, type Traits } from './port.ts'
import type { AdapterRow, AdapterTable } from './table.ts'

/** The rows whose adapters run in such a process. */
export function hostedIn(rows: Iterable<AdapterRow>, host: Traits['host']): AdapterTable {
  const hosted = [...rows].filter(({ adapter }) => (adapter.traits?.host ?? defaultTraits.host) === host)
  return new Map(hosted.map(row => [row.kind, row]))
}
