// Judges a generation on probation by what its workers report. The rules are those people expect of a canary: it must not
// kill workers, its changed services must not fail from the first calls on, and answers must not get worse than before.

import type { Health } from '../process/messages.ts'

export interface Evidence {
  /** Workers that died since it went live. */
  readonly deaths: number
  /** One per worker that serves it. */
  readonly health: readonly Health[]
  /** Refs of the change set. */
  readonly changed: ReadonlySet<string>
}

const deathsOfCrashLoop = 3
const firstCalls = 5
const unmappedOfFirstCalls = 3
const requestsToJudge = 20
const worseByShare = 0.05

/** Why it fails, or null while nothing speaks against it. */
export function judgeProbation({ deaths, health, changed }: Evidence): string | null {
  if (deaths >= deathsOfCrashLoop) return `${deaths} workers died since it went live`
  for (const [service, { calls, unmapped }] of firstCallsOf(health))
    if (changed.has(service)) return `service "${service}" failed in ${unmapped} of its first ${calls} calls`
  const requests = sum(health, each => each.requests)
  const errors = sum(health, each => each.serverErrors)
  const before = health.map(each => each.previousShare).filter(share => share !== null)
  const shareBefore = before.length > 0 ? before.reduce((a, b) => a + b, 0) / before.length : 0
  if (requests >= requestsToJudge && errors / requests > shareBefore + worseByShare)
    return `${errors} of ${requests} answers were server errors, ${percent(errors / requests)}; ${percent(shareBefore)} in the minute before`
  return null
}

/** Services that failed from the first calls on, of one worker or of all together: each counts its own first five. */
function* firstCallsOf(health: readonly Health[]): Generator<[string, FirstCalls]> {
  const total = new Map<string, FirstCalls>()
  for (const { services } of health)
    for (const [name, first] of Object.entries(services)) {
      if (first.unmapped >= unmappedOfFirstCalls) yield [name, first]
      const { calls, unmapped } = total.get(name) ?? { calls: 0, unmapped: 0 }
      total.set(name, { calls: calls + first.calls, unmapped: unmapped + first.unmapped })
    }
  for (const [name, { calls, unmapped }] of total)
    if (unmapped >= unmappedOfFirstCalls && unmapped / calls >= unmappedOfFirstCalls / firstCalls) yield [name, { calls, unmapped }]
}

type FirstCalls = Health['services'][string]

function sum(health: readonly Health[], of: (each: Health) => number): number {
  return health.reduce((total, each) => total + of(each), 0)
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`
}
