import { Command } from 'commander'
import { tellOutcome } from './outcome.ts'
import { withProgress } from './progress.ts'
import { type Shared, talksToServer, withServer } from './run.ts'

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
      withServer(options, async client => {
        const body = { ...(serial ? { to: Number(serial) } : {}), ...(options.reason ? { reason: options.reason } : {}) }
        return tellOutcome(await withProgress('Rolling back', client.post('rollback', body)), options)
      }),
    )
}
