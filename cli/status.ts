import { Command } from 'commander'
import { isObject, type JsonObject } from '../schema/json.ts'
import { table } from './print.ts'
import { exit, printJson, type Shared, talksToServer, withServer } from './run.ts'

export function statusCommand(): Command {
  return talksToServer(new Command('status'))
    .description('what is live, since when, and what is not as it should be')
    .addHelpText('after', '\nExample:\n  plumb status --json | jq .live.generation')
    .action((options: Shared) =>
      withServer(options, async client => {
        const status = await client.get('status')
        if (options.json) printJson(status)
        else process.stdout.write(textOf(client.environment, status))
        return exit.done
      }),
    )
}

function textOf(environment: string, status: JsonObject): string {
  const live = isObject(status.live) ? status.live : {}
  const lines = [
    ['Environment', environment],
    ['Generation', `${live.generation ?? 0} (serial ${live.serial ?? 0})`],
    ['Revision', String(live.revision ?? 'none yet')],
    ...(live.probationUntil ? [['Probation until', String(live.probationUntil)]] : []),
    ...list(status.conditions).map(condition => [
      String(condition.type),
      `${condition.status}, ${condition.reason}, since ${condition.since}`,
    ]),
    ...list(status.workers).map(worker => [`Worker ${worker.id}`, `${worker.state}, generation ${worker.generation}, pid ${worker.pid}`]),
    ...list(status.holds).map(hold => ['Held', `${hold.reason ?? hold.kind}; ${hold.next ?? ''}`]),
    ...list(status.degraded).map(one => ['Degraded', `${one.ref}: ${one.reason}`]),
    ...list(status.quarantined).map(one => ['Quarantined', `${one.ref}: ${one.reason}`]),
  ]
  return table(lines)
}

function list(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}
