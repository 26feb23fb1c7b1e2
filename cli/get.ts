import { Command } from 'commander'
import { isObject } from '../schema/json.ts'
import { printable, table } from './print.ts'
import { exit, printJson, type Shared, talksToServer, withServer } from './run.ts'

interface Options extends Shared {
  readonly kind?: string
  readonly limit: string
  readonly after?: string
}

export function getCommand(): Command {
  return talksToServer(new Command('get'))
    .description('live resources, or one of them as YAML; secrets as digests')
    .argument('[ref]', 'kind/name')
    .option('--kind <kind>', 'only resources of this kind')
    .option('--limit <n>', 'at most so many', '200')
    .option('--after <ref>', 'go on after this ref')
    .addHelpText('after', '\nExamples:\n  plumb get --kind channel_rest\n  plumb get channel_rest/orders --json')
    .action((ref: string | undefined, options: Options) =>
      withServer(options, async client => {
        if (ref !== undefined) {
          const found = await client.get(`resources/${ref.split('/').map(encodeURIComponent).join('/')}`)
          if (options.json) printJson(found)
          else process.stdout.write(printable((await import('yaml')).stringify(found)))
          return exit.done
        }
        const query = new URLSearchParams({
          limit: options.limit,
          ...(options.kind ? { kind: options.kind } : {}),
          ...(options.after ? { after: options.after } : {}),
        })
        const found = await client.get(`resources?${query}`)
        if (options.json) printJson(found)
        else {
          const rows = Array.isArray(found.resources) ? found.resources.filter(isObject) : []
          process.stdout.write(
            table([['REF', 'ORIGIN', 'STATE'], ...rows.map(row => [String(row.ref), String(row.origin), String(row.closed ?? 'ready')])]),
          )
          if (found.next) process.stdout.write(`More: plumb get --after ${found.next}\n`)
        }
        return exit.done
      }),
    )
}
