import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import type { Json, JsonObject } from '../schema/json.ts'
import { wholeNumber } from './arguments.ts'
import { fileReason } from './file-reason.ts'
import { CommandError, exit, printJson, type Shared, talksToServer, withInput } from './run.ts'

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
      withInput(
        options,
        `Calling ${service}`,
        () => readCall(service, options),
        async (client, call) => {
          const answer = await client.post('invoke', call)
          printJson(options.json ? answer : answer.payload)
          return exit.done
        },
      ),
    )
}

function readCall(service: string, { payload, deadline }: Options): JsonObject {
  return {
    service,
    payload: payload === undefined ? {} : payloadOf(payload),
    ...(deadline === undefined ? {} : { deadlineMs: wholeNumber('--deadline', deadline, { min: 1, max: 600_000 }) }),
  }
}

function payloadOf(payload: string): Json {
  const text = payload.startsWith('@') ? textOf(payload.slice(1)) : payload
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    const { message } = error as SyntaxError // JSON.parse throws these
    throw new CommandError(`Cannot read the payload as it is not JSON: ${message}; accepted is such as '{"id":1}', or @FILE`, {
      status: exit.usage,
    })
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const message = `Cannot read the payload from "${path}" as ${fileReason(error)}: behind @ the path of a file of JSON is accepted`
    throw new CommandError(message, { status: exit.usage })
  }
}
