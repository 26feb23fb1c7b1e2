import { existsSync } from 'node:fs'
import { Command } from 'commander'
import type { JsonObject } from '../schema/json.ts'
import { tellOutcome } from './outcome.ts'
import { withProgress } from './progress.ts'
import { type Shared, talksToServer, withServer } from './run.ts'

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
      withServer(options, async client => {
        const confirm: JsonObject = options.confirmDeletes ? { confirmDeletes: Number(options.confirmDeletes) } : {}
        const work = existsSync(target)
          ? client.post('apply', { files: await (await import('./upload.ts')).filesOf(target), ...confirm })
          : client.post(`plans/${encodeURIComponent(target)}/apply`, confirm)
        return tellOutcome(await withProgress('Applying', work), options)
      }),
    )
}
