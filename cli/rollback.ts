import { Command } from 'commander'
import type { JsonObject } from '../schema/json.ts'
import { wholeNumber } from './arguments.ts'
import { tellOutcome } from './outcome.ts'
import { CommandError, exit, type Shared, talksToServer, withInput } from './run.ts'

interface Options extends Shared {
  readonly reason?: string
}

export function rollbackCommand(): Command {
  return talksToServer(new Command('rollback'))
    .description('back to the generation before, or to a serial of the history; the loop does not apply what was undone again')
    .argument('[serial]', 'a serial of plumb history')
    .option('--reason <text>', 'why, for the history')
    .addHelpText('after', '\nExample:\n  plumb rollback --reason "orders answer 500"')
    .action((serial: string | undefined, options: Options) =>
      withInput(
        options,
        'Rolling back',
        () => readWanted(serial, options),
        async (client, body) => tellOutcome(await client.post('rollback', body), options),
      ),
    )
}

function readWanted(serial: string | undefined, { reason }: Options): JsonObject {
  if (reason !== undefined && reason.length > maxReason)
    throw new CommandError(`Cannot use --reason as it has ${reason.length} characters: ${maxReason} are accepted`, { status: exit.usage })
  return {
    ...(serial === undefined ? {} : { to: wholeNumber('the serial', serial, { min: 1, next: 'plumb history lists them' }) }),
    ...(reason ? { reason } : {}),
  }
}

/** What the admin API takes. */
const maxReason = 1000
