// Kind → adapter. Shared code asks the row and never the kind's name; kinds whose adapter needs engine internals are added
// from above, where the table is composed.

import type { IssueCode } from '../schema/issue.ts'
import { type KindName, kindName, type Ref } from '../schema/ref.ts'
import type { Resource } from '../schema/resource.ts'
import { groupsAdapter } from './groups.ts'
import type { Adapter } from './port.ts'
import { redisAdapter } from './redis.ts'
import { restAdapter } from './rest.ts'
import { securityAdapter } from './security.ts'
import { sqlAdapter } from './sql.ts'

/** What is wrong between resources of one kind. */
export interface Flaw {
  readonly code: IssueCode
  readonly ref: Ref
  /** JSON pointer into the spec of `ref`. */
  readonly pointer: string
  readonly message: string
  /** The resource it collides with. */
  readonly other?: Ref
}

export interface AdapterRow {
  readonly kind: KindName
  readonly adapter: Adapter
  /** routes: its views are routes, which the router of a generation finds by method and path. */
  readonly index?: 'routes'
  /**
   * Kinds whose resources its views do not bind: a unit of work looks them up in its own generation. A change of theirs leaves the views alone.
   */
  readonly late?: readonly KindName[]
  /** Judges the resources of the kind together, when a revision is compiled; in the order they are declared. */
  readonly judge?: (resources: readonly Resource[]) => readonly Flaw[]
}

export type AdapterTable = ReadonlyMap<KindName, AdapterRow>

/** @throws where two rows are of one kind */
export function adapterTable(extra: readonly AdapterRow[] = []): AdapterTable {
  const table = new Map<KindName, AdapterRow>()
  for (const row of [...ownRows(), ...extra]) {
    if (table.has(row.kind)) throw new TypeError(`Cannot add an adapter for "${row.kind}" as the table has one`)
    table.set(row.kind, row)
  }
  return table
}

/** Made anew for every table, as inbound credentials are hashed under a key of its own. */
function ownRows(): AdapterRow[] {
  return [
    { kind: kindName('security'), adapter: securityAdapter() },
    { kind: kindName('groups'), adapter: groupsAdapter },
    { kind: kindName('outgoing_rest'), adapter: restAdapter },
    { kind: kindName('sql'), adapter: sqlAdapter },
    { kind: kindName('redis'), adapter: redisAdapter },
  ]
}
