// The `plumb` command: one file per subcommand, registered here in the order of --help.

import { Command, type CommanderError } from 'commander'
import type { JsonObject } from '../schema/json.ts'
import { exit, printJson } from './run.ts'
import { version } from './version.ts'

const commands: Readonly<Record<string, () => Promise<Command>>> = {
  init: async () => (await import('./init.ts')).initCommand(),
  debug: async () => (await import('./debug.ts')).debugCommand(),
  dev: async () => (await import('./dev.ts')).devCommand(),
  serve: async () => (await import('./serve.ts')).serveCommand(),
  validate: async () => (await import('./validate.ts')).validateCommand(),
  test: async () => (await import('./test.ts')).testCommand(),
  plan: async () => (await import('./plan.ts')).planCommand(),
  apply: async () => (await import('./apply.ts')).applyCommand(),
  deploy: async () => (await import('./deploy.ts')).deployCommand(),
  sync: async () => (await import('./sync.ts')).syncCommand(),
  status: async () => (await import('./status.ts')).statusCommand(),
  get: async () => (await import('./get.ts')).getCommand(),
  explain: async () => (await import('./explain.ts')).explainCommand(),
  history: async () => (await import('./history.ts')).historyCommand(),
  logs: async () => (await import('./logs.ts')).logsCommand(),
  rollback: async () => (await import('./rollback.ts')).rollbackCommand(),
  invoke: async () => (await import('./invoke.ts')).invokeCommand(),
  queue: async () => (await import('./queue.ts')).queueCommand(),
  ping: async () => (await import('./ping.ts')).pingCommand(),
  token: async () => (await import('./token.ts')).tokenCommand(),
  audit: async () => (await import('./audit.ts')).auditCommand(),
  wait: async () => (await import('./wait.ts')).waitCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
  jobs: async () => (await import('./jobs.ts')).jobsCommand(),
  types: async () => (await import('./types.ts')).typesCommand(),
}

const program = new Command('plumb')
  .description('Keeps integration servers true to git')
  .version(version())
  .showHelpAfterError('(plumb --help lists the commands, plumb COMMAND --help explains one)')
  .configureHelp({ sortSubcommands: false })

// Only what is asked for is loaded, as the whole of it is most of what a short command takes.
const asked = Object.entries(commands).filter(([name]) => name === process.argv[2])
for (const [, load] of asked.length > 0 ? asked : Object.entries(commands)) program.addCommand(endingOnUsage(await load()))

endingOnUsage(program)
await program.parseAsync()

/** What is written wrongly is told as every failure is: in words on stderr, or as JSON on stdout where that was asked for. */
function endingOnUsage(command: Command): Command {
  if (process.argv.includes('--json')) command.configureOutput({ writeErr: () => undefined })
  for (const sub of command.commands) if (command !== program) endingOnUsage(sub)
  return command.exitOverride(error => endOnUsage(command, error))
}

function endOnUsage(command: Command, error: CommanderError): never {
  if (error.exitCode !== 0 && process.argv.includes('--json')) printJson({ error: usageError(command, error) })
  process.exit(error.exitCode === 0 ? exit.done : exit.usage)
}

function usageError(command: Command, { code, message }: CommanderError): JsonObject {
  const name = nameOf(command)
  const found = code === 'commander.help' ? 'no command is named' : message.replace(/^error: /, '').replaceAll('\n', ' ')
  return { message: `Cannot run ${name} as its line is wrong: ${found}; ${name} --help explains it`, code: 'USAGE', issues: [] }
}

/** As it is written: `plumb token create`. */
function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`
}
