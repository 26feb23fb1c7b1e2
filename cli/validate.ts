import { Command } from 'commander'
import { hasErrors, type Issue } from '../schema/issue.ts'
import { estateRoot } from './estate-root.ts'
import { printIssues } from './print.ts'
import { withProgress } from './progress.ts'
import { exit, finish, printJson, type Shared } from './run.ts'

interface Options extends Shared {
  readonly environment?: string
  readonly types?: boolean
}

export function validateCommand(): Command {
  return new Command('validate')
    .description('compiles environments of a working tree and says what is wrong; needs no server and no secrets')
    .argument('[directory]', 'an estate (default: the one around the working directory)')
    .option('--environment <name>', 'only this one (default: all)')
    .option('--types', 'check the types of the service code as well')
    .option('--json', 'print issues as JSON')
    .addHelpText('after', '\nExample:\n  plumb validate --types')
    .action((directory: string | undefined, options: Options) =>
      finish(options, async () => {
        const root = estateRoot(directory ?? '.')
        const results = await withProgress('Validating', validate(root, options))
        const isSound = results.every(({ issues }) => !hasErrors(issues))
        if (options.json) printJson({ ok: isSound, environments: results })
        else
          for (const { environment, issues, resources } of results) {
            printIssues(issues, process.stdout)
            const errors = issues.filter(({ severity }) => severity === 'error').length
            process.stdout.write(
              `${environment}: ${errors === 0 ? `${resources} resources` : `${errors} errors`}, ${issues.length - errors} warnings\n`,
            )
          }
        return isSound ? exit.done : exit.failed
      }),
    )
}

async function validate(root: string, options: Options): Promise<{ environment: string; issues: readonly Issue[]; resources: number }[]> {
  // The compiler is heavy: only who needs it waits for it.
  const { compileLocally, environmentsOf } = await import('./local.ts')
  await using local = await compileLocally(root)
  const results = []
  for (const environment of options.environment ? [options.environment] : await environmentsOf(root)) {
    const compiled = await local.compile(environment)
    const types = options.types ? await local.checkTypes(compiled) : []
    results.push({ environment, issues: [...compiled.issues, ...types], resources: compiled.desired?.resources.size ?? 0 })
  }
  return results
}
