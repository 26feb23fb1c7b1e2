import { writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { Command } from 'commander'
import { estateRoot } from './estate-root.ts'
import { printIssues } from './print.ts'
import { withProgress } from './progress.ts'
import { CommandError, exit, finish, printJson, type Shared } from './run.ts'
import { writeSdkTypes } from './sdk-types.ts'

interface Options extends Shared {
  readonly environment: string
}

export function typesCommand(): Command {
  return new Command('types')
    .description('writes environment.d.ts beside the services, and the types of plumb-server under .plumb/, for the editor')
    .argument('[directory]', 'an estate (default: the one around the working directory)')
    .option('--environment <name>', 'whose connections and services', 'dev')
    .option('--json', 'print the written paths as JSON')
    .addHelpText('after', '\nExample:\n  plumb types && npx tsc --noEmit')
    .action((directory: string | undefined, options: Options) =>
      finish(options, async () => {
        const root = estateRoot(directory ?? '.')
        const { environment, warnings } = await withProgress('Writing types', writeEnvironmentTypes(root, options.environment))
        const written = [environment, ...(await writeSdkTypes(root))]
        printIssues(warnings, process.stderr)
        if (options.json) printJson({ written })
        else for (const path of written) process.stdout.write(`Wrote ${relative(process.cwd(), path) || path}\n`)
        return exit.done
      }),
    )
}

/** @throws CommandError with the issues where the environment does not compile */
async function writeEnvironmentTypes(root: string, environment: string) {
  // The compiler is heavy: only who needs it waits for it.
  const [{ compileLocally }, { typesOf }] = await Promise.all([import('./local.ts'), import('./types-of.ts')])
  await using local = await compileLocally(root)
  const { desired, issues } = await local.compile(environment)
  if (!desired) throw new CommandError(`Cannot write types of environment "${environment}" as it has errors`, { issues })
  const path = join(root, local.servicesFolder(), 'environment.d.ts')
  await writeFile(path, typesOf(desired.resources.values(), local.vocabulary))
  return { environment: path, warnings: issues }
}
