// How the end of an apply, a sync or a rollback is told: the same words and statuses everywhere.

import type { Issue } from '../schema/issue.ts'
import { isObject, type JsonObject } from '../schema/json.ts'
import { duration, printable, printIssues } from './print.ts'
import { exit, printJson, type Shared } from './run.ts'

/** Prints it and gives the exit status: 0 done or nothing to do, 1 refused, 3 waits for somebody. */
export function tellOutcome(answer: JsonObject, options: Shared): number {
  const outcome = isObject(answer.outcome) ? answer.outcome : answer
  if (options.json) printJson(answer)
  else for (const line of linesOf(outcome)) process.stdout.write(`${printable(line)}\n`)
  if (!options.json && Array.isArray(outcome.issues)) printIssues(outcome.issues as unknown as Issue[], process.stderr) // as the admin API documents
  switch (outcome.kind) {
    case 'live':
    case 'nothing':
      return exit.done
    case 'held':
      return exit.waits
    default:
      return exit.failed
  }
}

function linesOf(outcome: JsonObject): string[] {
  switch (outcome.kind) {
    case 'live': {
      const phases = isObject(outcome.phases) ? Object.values(outcome.phases).reduce((total: number, ms) => total + Number(ms), 0) : null
      return [`Live: generation ${outcome.generation} (serial ${outcome.serial})${phases === null ? '' : ` after ${duration(phases)}`}`]
    }
    case 'nothing':
      return ['No changes. The live registry matches the revision.']
    case 'held':
      return [
        `Waiting: plan ${outcome.plan ?? ''}`,
        ...(Array.isArray(outcome.holds) ? outcome.holds.filter(isObject).map(hold => `  ${hold.reason ?? hold.kind}; ${hold.next}`) : []),
      ]
    default:
      return ['Refused. What was live stays live.', ...(Array.isArray(outcome.reasons) ? outcome.reasons.map(reason => `  ${reason}`) : [])]
  }
}
