// The service of a route, in the generation of the request: a unit of work sees one generation, whichever made its route.

import type { Ref } from '../../schema/ref.ts'
import type { Generation } from '../generation/generation.ts'
import type { ServiceView } from '../service/unit.ts'
import { closedOf, isServiceView } from '../service/view.ts'

export type BoundService =
  | { readonly kind: 'open'; readonly view: ServiceView }
  /** `reason` completes "Cannot answer as". */
  | { readonly kind: 'closed'; readonly reason: string }

/** @param ref null: the route names none */
export function serviceOf(ref: Ref | null, generation: Pick<Generation, 'resolve'>): BoundService {
  const view = ref === null ? null : generation.resolve(ref)
  const reason = closedOf(view)
  if (reason !== null) return { kind: 'closed', reason }
  return isServiceView(view) ? { kind: 'open', view } : { kind: 'closed', reason: 'its service is not there' }
}
