// What is wrong between channels, told when a revision is compiled: a path that cannot be routed, and two channels that claim
// the same requests, of which only one would ever be called.

import type { Flaw } from '../../adapters/table.ts'
import type { Resource } from '../../schema/resource.ts'
import { patternProblem, shapeOf } from './pattern.ts'

const place = '/url_path'

/** Remembers by resource: of ten thousand, few are new. */
export function createJudge(): (resources: readonly Resource[]) => readonly Flaw[] {
  const known = new WeakMap<Resource, Claim>()
  return resources => {
    const flaws: Flaw[] = []
    const taken = new Map<string, Resource>()
    for (const resource of resources) {
      let claim = known.get(resource)
      if (claim === undefined) {
        claim = claimOf(resource)
        known.set(resource, claim)
      }
      if (claim.problem !== null) {
        flaws.push({ code: 'ROUTE_INVALID', ref: resource.ref, pointer: place, message: `Cannot route the path as ${claim.problem}` })
        continue
      }
      const other = taken.get(claim.key)
      if (other === undefined) taken.set(claim.key, resource)
      else
        flaws.push({
          code: 'ROUTE_CONFLICT',
          ref: resource.ref,
          pointer: place,
          message: `Cannot serve "${resource.ref}" as "${other.ref}" claims the same requests: ${claim.key}; give one another path or method`,
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
}

function claimOf({ spec }: Resource): Claim {
  const pattern = typeof spec.url_path === 'string' ? spec.url_path : ''
  const problem = patternProblem(pattern)
  const method = typeof spec.method === 'string' ? spec.method.toUpperCase() : ''
  return { key: problem === null ? `${method || 'any method'} ${shapeOf(pattern)}` : '', problem }
}
