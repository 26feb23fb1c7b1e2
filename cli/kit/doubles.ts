// What stands in for the connections of an estate: for each client method of `ctx` a double, which makes of the kind's own adapter one
// that reaches nothing. A method without a double of its own has the one that answers what the test says.

import type { Adapter } from '../../adapters/port.ts'
import type { AdapterRow, AdapterTable } from '../../adapters/table.ts'
import type { KindName } from '../../schema/ref.ts'
import { ClientDoubles } from './client-double.ts'
import type { DoubleSurroundings, Doubles } from './double.ts'
import { RedisDoubles } from './redis-double.ts'
import { RestDoubles } from './rest-double.ts'
import { SqlDoubles } from './sql-double.ts'

const makers: Readonly<Record<string, (surroundings: DoubleSurroundings) => Doubles>> = {
  rest: surroundings => new RestDoubles(surroundings),
  sql: surroundings => new SqlDoubles(surroundings),
  redis: surroundings => new RedisDoubles(surroundings),
}

/** @param methods of `ctx` */
export function createDoubles(methods: Iterable<string>, surroundings: DoubleSurroundings): ReadonlyMap<string, Doubles> {
  return new Map(Array.from(methods, method => [method, (makers[method] ?? (given => new ClientDoubles(method, given)))(surroundings)]))
}

/**
 * The table with doubles in place of what would reach out.
 * @param kinds client method → its kinds
 * @param given clients that the test hands in, by name of the connection
 */
export function withDoubles(
  table: AdapterTable,
  kinds: ReadonlyMap<string, readonly KindName[]>,
  { doubles, given }: { readonly doubles: ReadonlyMap<string, Doubles>; readonly given: ReadonlyMap<string, object> },
): AdapterTable {
  const methodOf = new Map([...kinds].flatMap(([method, names]) => names.map(kind => [kind, method] as const)))
  const rows = [...table].map(([kind, row]): [KindName, AdapterRow] => {
    const double = doubles.get(methodOf.get(kind) ?? '')
    return [kind, double ? { ...row, adapter: orGiven(double.adapter(row.adapter), given) } : row]
  })
  return new Map(rows)
}

/** The adapter, whose connections of these names have the client that is given. */
function orGiven(adapter: Adapter, given: ReadonlyMap<string, object>): Adapter {
  if (given.size === 0) return adapter
  return {
    ...adapter,
    prepare: (declared, surroundings) => given.get(declared.resource.name) ?? adapter.prepare(declared, surroundings),
    view: (instance, declared, resolve) =>
      given.has(declared.resource.name) || !adapter.view ? instance : adapter.view(instance, declared, resolve),
    close: instance =>
      typeof instance === 'object' && instance !== null && isGiven(instance, given) ? undefined : adapter.close(instance),
  }
}

function isGiven(instance: object, given: ReadonlyMap<string, object>): boolean {
  return [...given.values()].includes(instance)
}
