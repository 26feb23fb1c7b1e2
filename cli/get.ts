import { Command } from 'commander'
import { isObject } from '../schema/json.ts'
import { didYouMean } from '../schema/nearest.ts'
import { readLimit, readRef } from './arguments.ts'
import { printable, table } from './print.ts'
import { CommandError, exit, printJson, type Shared, talksToServer, withInput } from './run.ts'

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
    .action((text: string | undefined, options: Options) =>
      withInput(
        options,
        'Reading what is live',
        () => readWanted(text, options),
        async (client, { ref, query }) => {
          if (ref !== null) {
            const found = await client.get(`resources/${ref.split('/').map(encodeURIComponent).join('/')}`)
            if (options.json) printJson(found)
            else process.stdout.write(printable((await import('yaml')).stringify(found)))
            return exit.done
          }
          const found = await client.get(`resources?${query}`)
          const rows = Array.isArray(found.resources) ? found.resources.filter(isObject) : []
          if (rows.length === 0 && options.kind !== undefined) await checkKind(options.kind)
          if (options.json) printJson(found)
          else {
            process.stdout.write(
              table([['REF', 'ORIGIN', 'STATE'], ...rows.map(row => [String(row.ref), String(row.origin), String(row.closed ?? 'ready')])]),
            )
            if (found.next) process.stdout.write(`More: plumb get --after ${found.next}\n`)
          }
          return exit.done
        },
      ),
    )
}

function readWanted(text: string | undefined, { kind, limit, after }: Options) {
  return {
    ref: text === undefined ? null : readRef(text),
    query: new URLSearchParams({
      limit: String(readLimit(limit)),
      ...(kind === undefined ? {} : { kind }),
      ...(after === undefined ? {} : { after: readRef(after) }),
    }),
  }
}

/** Asked where nothing was found: that none is live, or that there is no such kind. @throws CommandError */
async function checkKind(kind: string): Promise<void> {
  const { builtinVocabulary } = await import('../schema/vocabulary.ts')
  const kinds = [...builtinVocabulary().kinds.keys()]
  if (!kinds.some(known => known === kind))
    throw new CommandError(`Cannot list "${kind}" as no such kind exists${didYouMean(kind, kinds)}`, { status: exit.usage })
}
