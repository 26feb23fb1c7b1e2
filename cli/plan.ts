import { Command } from 'commander'
import { isObject, type JsonObject } from '../schema/json.ts'
import { readRevision } from './arguments.ts'
import { CommandError, exit, printJson, type Shared, talksToServer, withInput } from './run.ts'

interface Options extends Shared {
  readonly revision?: string
  readonly markdown?: boolean
  readonly detailedExitcode?: boolean
}

export function planCommand(): Command {
  return talksToServer(new Command('plan'))
    .description('what an apply would change, field by field; the server compiles and keeps the plan')
    .argument('[directory]', 'an estate on this machine; without it the ref that the server follows')
    .option('--revision <sha>', 'a commit instead of the head of the ref')
    .option('--markdown', 'print it as a comment for a pull request')
    .option('--detailed-exitcode', 'end with 2 where there are changes')
    .addHelpText('after', '\nExamples:\n  plumb plan\n  plumb plan . --detailed-exitcode\n  plumb plan --revision 4f1c… --markdown')
    .action((directory: string | undefined, options: Options) =>
      withInput(
        options,
        'Planning',
        () => readWanted(directory, options),
        async (client, body) => {
          const answer = await client.post('plans', body)
          if (options.json) printJson(answer.plan)
          else process.stdout.write(`${String(options.markdown ? answer.markdown : answer.text)}\n`)
          return options.detailedExitcode && hasChanges(answer.plan) ? exit.changes : exit.done
        },
      ),
    )
}

async function readWanted(directory: string | undefined, { revision }: Options): Promise<JsonObject> {
  if (revision !== undefined && directory !== undefined)
    throw new CommandError('Cannot plan a directory and a revision in one: give one of them', { status: exit.usage })
  if (revision !== undefined) return { revision: readRevision(revision) }
  return directory === undefined ? {} : { files: await (await import('./upload.ts')).filesOf(directory) }
}

function hasChanges(plan: unknown): boolean {
  const summary = isObject(plan) && isObject(plan.summary) ? plan.summary : {}
  return ['create', 'update', 'delete', 'settings'].some(counted => Number(summary[counted] ?? 0) > 0)
}
