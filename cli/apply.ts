import { existsSync } from 'node:fs'
import { Command } from 'commander'
import type { JsonObject } from '../schema/json.ts'
import { wholeNumber } from './arguments.ts'
import { tellOutcome } from './outcome.ts'
import { CommandError, exit, type Shared, talksToServer, withInput } from './run.ts'

interface Options extends Shared {
  readonly confirmDeletes?: string
}

export function applyCommand(): Command {
  return talksToServer(new Command('apply'))
    .description('carries out a stored plan, or an estate on this machine where the server follows no git')
    .argument('<plan|directory>', 'id of a plan, or a directory')
    .option('--confirm-deletes <n>', 'the number of deletes, where the plan has more than its budget')
    .addHelpText('after', '\nExamples:\n  plumb apply 01JD4T5Q\n  plumb apply . --confirm-deletes 12')
    .action((target: string, options: Options) =>
      withInput(
        options,
        'Applying',
        () => readWanted(target, options),
        async (client, { path, body }) => tellOutcome(await client.post(path, body), options),
      ),
    )
}

async function readWanted(target: string, { confirmDeletes }: Options): Promise<{ readonly path: string; readonly body: JsonObject }> {
  const confirm: JsonObject =
    confirmDeletes === undefined ? {} : { confirmDeletes: wholeNumber('--confirm-deletes', confirmDeletes, { min: 0 }) }
  if (existsSync(target)) return { path: 'apply', body: { files: await (await import('./upload.ts')).filesOf(target), ...confirm } }
  if (/^[A-Za-z0-9][\w-]*$/.test(target)) return { path: `plans/${target}/apply`, body: confirm }
  throw new CommandError(
    `Cannot apply "${target}" as it does not exist: a directory, or the id of a plan, is accepted; plumb plan makes a plan`,
    { status: exit.usage },
  )
}
