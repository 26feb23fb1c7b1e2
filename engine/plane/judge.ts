// What is wrong between channels, told when a revision is compiled: a path that cannot be routed, and two channels that claim
// the same requests, of which only one would ever be called.

import type { Flaw } from '../../adapters/table.ts'
import type { Ref } from '../../schema/ref.ts'
import type { Resource } from '../../schema/resource.ts'
import { patternProblem, shapeOf } from './pattern.ts'

const place = '/url_path'

/** Remembers by resource: of ten thousand, few are new. */
export function createJudge(): (resources: readonly Resource[]) => readonly Flaw[] {
  const known = new WeakMap<Resource, Claim>()
  return resources => {
    const flaws: Flaw[] = []
    const taken = new Map<string, { readonly ref: Ref; readonly isTainted: boolean }>()
    for (const resource of resources) {
      let claim = known.get(resource)
      if (claim === undefined) {
        claim = claimOf(resource)
        known.set(resource, claim)
      }
      if (claim.problem !== null) {
        const cause = claim.isTainted ? 'no request can have it; it comes from a process variable: correct it there' : claim.problem
        flaws.push({ code: 'ROUTE_INVALID', ref: resource.ref, pointer: place, message: `Cannot route the path as ${cause}` })
        continue
      }
      const other = taken.get(claim.key)
      if (other === undefined) {
        taken.set(claim.key, { ref: resource.ref, isTainted: claim.isTainted })
        continue
      }
      // What both claim tells the value of the one from a process variable.
      const same = claim.isTainted || other.isTainted ? 'what a process variable gives' : claim.key
      flaws.push({
        code: 'ROUTE_CONFLICT',
        ref: resource.ref,
        pointer: place,
        message: `Cannot serve "${resource.ref}" as "${other.ref}" claims the same requests: ${same}; give one another path or method`,
        other: other.ref,
      })
    }
    return flaws
  }
}

interface Claim {
  /** Method and shape of the path, parameters without their names. */
  readonly key: string
  readonly problem: string | null
  /** The value of a process variable is in it, which no message may tell. */
  readonly isTainted: boolean
}

function claimOf({ spec, tainted }: Resource): Claim {
  const pattern = typeof spec.url_path === 'string' ? spec.url_path : ''
  const problem = patternProblem(pattern)
  const method = typeof spec.method === 'string' ? spec.method.toUpperCase() : ''
  const isTainted = tainted.includes(place) || tainted.includes('/method')
  return { key: problem === null ? `${method || 'any method'} ${shapeOf(pattern)}` : '', problem, isTainted }
}
