// Which kinds each client method of `ctx` hands out: `rest` those whose schema says so.

import type { KindName } from '../../schema/ref.ts'
import type { Vocabulary } from '../../schema/vocabulary.ts'

export function clientKinds(vocabulary: Vocabulary): ReadonlyMap<string, readonly KindName[]> {
  const kinds = new Map<string, KindName[]>()
  for (const kind of vocabulary.kinds.values())
    if (kind.client) kinds.set(kind.client.method, [...(kinds.get(kind.client.method) ?? []), kind.name])
  return kinds
}
