// Kind → adapter. Shared code asks the row and never the kind's name; kinds whose adapter needs engine internals are added
// from above, where the table is composed.

import type { KindName } from '../schema/ref.ts'
import type { Adapter } from './port.ts'

export interface AdapterRow {
  readonly kind: KindName
  readonly adapter: Adapter
  /** routes: its views are routes, which the router of a generation finds by method and path. */
  readonly index?: 'routes'
}

export type AdapterTable = ReadonlyMap<KindName, AdapterRow>

/** @throws where two rows are of one kind */
export function adapterTable(extra: readonly AdapterRow[] = []): AdapterTable {
  const table = new Map<KindName, AdapterRow>()
  for (const row of [...extra]) {
    if (table.has(row.kind)) throw new TypeError(`Cannot add an adapter for "${row.kind}" as the table has one`)
    table.set(row.kind, row)
  }
  return table
}
