import { Command } from 'commander'
import type { Issue } from '../schema/issue.ts'
import { isObject, type JsonObject } from '../schema/json.ts'
import { printIssues, table } from './print.ts'
import { exit, printJson, type Shared, talksToServer, withServer } from './run.ts'

export function statusCommand(): Command {
  return talksToServer(new Command('status'))
    .description('what is live, since when, and what is not as it should be')
    .addHelpText('after', '\nExample:\n  plumb status --json | jq .live.generation')
    .action((options: Shared) =>
      withServer(options, 'Reading the status', async client => {
        const status = await client.get('status')
        if (options.json) printJson(status)
        else {
          const { text, issues } = statusText(client.environment, status)
          process.stdout.write(text)
          printIssues(issues, process.stdout)
        }
        return exit.done
      }),
    )
}

/** The text, and the issues of the last sync to print below it. */
export function statusText(environment: string, status: JsonObject): { readonly text: string; readonly issues: readonly Issue[] } {
  const live = isObject(status.live) ? status.live : {}
  const deployed = isObject(status.deployed) ? status.deployed : {}
  const last = isObject(status.lastSync) ? status.lastSync : null
  const issues = list(last?.issues) as unknown as readonly Issue[] // as docs/admin-api.md says
  const lines = [
    ['Environment', environment],
    ['Generation', `${live.generation ?? 0} (serial ${live.serial ?? 0})${live.since ? `, live since ${live.since}` : ''}`],
    ['Revision', String(live.revision ?? 'none yet')],
    ...(live.probationUntil ? [['Probation until', String(live.probationUntil)]] : []),
    ...list(status.conditions).map(condition => [
      String(condition.type),
      `${condition.status}, ${condition.reason}, since ${condition.since}${condition.actor ? `, by ${condition.actor}` : ''}${condition.message ? `: ${condition.message}` : ''}`,
    ]),
    ...(last ? [['Last sync', `${lastWords(last)}, at ${last.at}`]] : []),
    // The reasons of a refusal are the sentences of its issues, where there are any.
    ...(issues.length === 0 && Array.isArray(last?.reasons) ? last.reasons.map(reason => ['Cause', String(reason)]) : []),
    ...list(status.workers).map(worker => [`Worker ${worker.id}`, `${worker.state}, generation ${worker.generation}, pid ${worker.pid}`]),
    ...list(status.debuggers).map(one => [
      'Debugger',
      `of ${one.actor} on worker ${one.worker}, ${one.state}, from ${one.address}, since ${one.since}; plumb debug --detach ends it`,
    ]),
    ...list(status.holds).map(hold => ['Held', `${hold.reason ?? hold.kind}; ${hold.next ?? ''}`]),
    ...list(status.degraded).map(one => ['Degraded', `${one.ref}: ${one.reason}`]),
    ...list(status.quarantined).map(one => ['Quarantined', `${one.ref}: ${one.reason}`]),
    ...list(deployed.layers).map(one => ['Deployed', `${one.path}${one.deleted ? ', deleted' : ''}, by ${one.by}, at ${one.at}`]),
    ...list(deployed.superseded).map(one => [String(one.code), `${one.message}, at ${one.supersededAt}`]),
  ]
  const hidden = issues.length - maxIssues
  const rest = hidden > 0 ? [['Issues', `the first ${maxIssues} of ${issues.length}; plumb status --json has them all`]] : []
  return { text: table([...lines, ...rest]), issues: issues.slice(0, maxIssues) }
}

const maxIssues = 10

function lastWords({ kind, revision, fault }: JsonObject): string {
  const what = revision ? `revision ${revision}` : 'the source'
  switch (kind) {
    case 'live':
      return `${what} went live`
    case 'nothing':
      return `${what} changes nothing`
    case 'held':
      return `${what} waits for somebody`
    case 'refused':
      return `${what} was refused`
    default:
      return `failed (${fault})`
  }
}

function list(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}
