// Why something is not applied, as the swap says it.

import type { Issue } from '../../schema/issue.ts'
import type { CurrentState } from './current.ts'
import type { ApplyOutcome } from './engine.ts'
import type { Workers } from './workers.ts'

type Refused = Extract<ApplyOutcome, { kind: 'refused' }>

const maxDraining = 4

export function refused(code: Refused['code'], reasons: readonly string[]): Refused {
  return { kind: 'refused', code, reasons }
}

/** `services/a.ts:3:7: CODE: what is wrong` */
export function issueLine({ at, code, message }: Issue): string {
  return `${at ? `${at.path}:${at.line}:${at.column}: ` : ''}${code}: ${message}`
}

/** Why nothing can be built now; null where it can. */
export function whyBusy(live: Pick<CurrentState, 'generation' | 'probationUntil'> | null, workers: Pick<Workers, 'list'>): string | null {
  if (live?.probationUntil)
    return `Cannot apply as generation ${live.generation} is on probation until ${live.probationUntil}; the newest revision follows, or end it with plumb sync --end-probation`
  const draining = new Set(workers.list().flatMap(worker => (worker.isPaused ? [] : worker.draining)))
  if (draining.size >= maxDraining)
    return `Cannot apply as ${draining.size} generations still drain; the newest revision follows when one has ended`
  return null
}
