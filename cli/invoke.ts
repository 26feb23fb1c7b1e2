import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import type { Json } from '../schema/json.ts'
import { withProgress } from './progress.ts'
import { CommandError, exit, printJson, type Shared, talksToServer, withServer } from './run.ts'

interface Options extends Shared {
  readonly payload?: string
  readonly deadline?: string
}

export function invokeCommand(): Command {
  return talksToServer(new Command('invoke'))
    .description('calls a live service and prints its answer')
    .argument('<service>', 'name of the service')
    .option('-d, --payload <json>', 'the payload as JSON, or @FILE')
    .option('--deadline <ms>', 'milliseconds it may take')
    .addHelpText('after', '\nExample:\n  plumb invoke client.get -d \'{"client_id":123}\'')
    .action((service: string, options: Options) =>
      withServer(options, async client => {
        const answer = await withProgress(
          `Calling ${service}`,
          client.post('invoke', {
            service,
            payload: payloadOf(options),
            ...(options.deadline ? { deadlineMs: Number(options.deadline) } : {}),
          }),
        )
        printJson(options.json ? answer : answer.payload)
        return exit.done
      }),
    )
}

function payloadOf({ payload }: Options): Json {
  if (payload === undefined) return {}
  const text = payload.startsWith('@') ? readFileSync(payload.slice(1), 'utf8') : payload
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    throw new CommandError(`Cannot read the payload as it is not JSON: ${(error as Error).message}`, { status: exit.usage }) // JSON.parse throws SyntaxError
  }
}
