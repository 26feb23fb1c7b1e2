import { Command } from 'commander'
import { isObject } from '../schema/json.ts'
import { readLimit, wholeNumber } from './arguments.ts'
import { table } from './print.ts'
import { exit, printJson, type Shared, talksToServer, withInput } from './run.ts'

interface Options extends Shared {
  readonly limit: string
  readonly before?: string
}

export function historyCommand(): Command {
  return talksToServer(new Command('history'))
    .description('what went live, when, by whom, why, and how it ended; newest first')
    .option('--limit <n>', 'at most so many', '20')
    .option('--before <serial>', 'older than this serial')
    .addHelpText('after', '\nExample:\n  plumb history --limit 5')
    .action((options: Options) =>
      withInput(
        options,
        'Reading the history',
        () => readPage(options),
        async (client, query) => {
          const found = await client.get(`history?${query}`)
          if (options.json) printJson(found)
          else {
            const rows = Array.isArray(found.history) ? found.history.filter(isObject) : []
            process.stdout.write(
              table([
                ['SERIAL', 'GENERATION', 'REVISION', 'AT', 'OUTCOME', 'BY', 'WHY'],
                ...rows.map(row => [
                  String(row.serial),
                  String(row.generation),
                  String(row.revision ?? '').slice(0, 12),
                  String(row.at),
                  String(row.outcome),
                  String(row.actor),
                  String(row.reason),
                ]),
              ]),
            )
          }
          return exit.done
        },
      ),
    )
}

function readPage({ limit, before }: Options): URLSearchParams {
  return new URLSearchParams({
    limit: String(readLimit(limit)),
    ...(before === undefined ? {} : { before: String(wholeNumber('--before', before, { min: 1 })) }),
  })
}
