import { Command } from 'commander'
import { tellOutcome } from './outcome.ts'
import { type Shared, talksToServer, withServer } from './run.ts'

interface Options extends Shared {
  readonly retry?: boolean
  readonly endProbation?: boolean
}

export function syncCommand(): Command {
  return talksToServer(new Command('sync'))
    .description('fetches the ref that the server follows and applies it; the schedule does the same')
    .option('--retry', 'clear the marks of change sets that failed or were rolled back, and try again')
    .option('--end-probation', 'let what is live pass its probation now instead of waiting for its end')
    .addHelpText('after', '\nExample:\n  git push && plumb sync')
    .action((options: Options) =>
      withServer(options, 'Syncing', async client =>
        tellOutcome(await client.post('sync', { retry: options.retry ?? false, endProbation: options.endProbation ?? false }), options),
      ),
    )
}
