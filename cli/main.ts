// The `plumb` command: one file per subcommand, registered here in the order of --help.

import { Command, type CommanderError } from 'commander'
import { applyCommand } from './apply.ts'
import { devCommand } from './dev.ts'
import { explainCommand } from './explain.ts'
import { getCommand } from './get.ts'
import { historyCommand } from './history.ts'
import { initCommand } from './init.ts'
import { invokeCommand } from './invoke.ts'
import { pingCommand } from './ping.ts'
import { planCommand } from './plan.ts'
import { rollbackCommand } from './rollback.ts'
import { exit } from './run.ts'
import { serveCommand } from './serve.ts'
import { statusCommand } from './status.ts'
import { syncCommand } from './sync.ts'
import { typesCommand } from './types.ts'
import { validateCommand } from './validate.ts'
import { version } from './version.ts'

const program = new Command('plumb')
  .description('Keeps integration servers true to git')
  .version(version())
  .showHelpAfterError('(plumb --help lists the commands, plumb COMMAND --help explains one)')
  .configureHelp({ sortSubcommands: false })

for (const add of [
  initCommand,
  devCommand,
  serveCommand,
  validateCommand,
  planCommand,
  applyCommand,
  syncCommand,
  statusCommand,
  getCommand,
  explainCommand,
  historyCommand,
  rollbackCommand,
  invokeCommand,
  pingCommand,
  typesCommand,
])
  program.addCommand(add().exitOverride(endOnUsage))

program.exitOverride(endOnUsage)
await program.parseAsync()

function endOnUsage(error: CommanderError): never {
  process.exit(error.exitCode === 0 ? exit.done : exit.usage)
}
