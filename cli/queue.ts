import { Command } from 'commander'
import { isObject, type JsonObject } from '../schema/json.ts'
import { readLimit, wholeNumber } from './arguments.ts'
import { printable, table } from './print.ts'
import { CommandError, exit, printJson, type Shared, talksToServer, withInput } from './run.ts'

interface Options extends Shared {
  readonly state?: string
  readonly service?: string
  readonly all?: boolean
  readonly limit: string
  readonly before?: string
}

const states = ['ready', 'running', 'dead']

export function queueCommand(): Command {
  return talksToServer(new Command('queue'))
    .description('asynchronous calls that are not done: list, show one, resubmit or discard dead letters')
    .argument('[action]', 'list, show, resubmit or discard', 'list')
    .argument('[id]', 'of a task')
    .option('--state <state>', 'list only those that are ready, running or dead')
    .option('--service <name>', 'list or resubmit only those of this service')
    .option('--all', 'resubmit all that are dead')
    .option('--limit <n>', 'list at most so many', '20')
    .option('--before <seq>', 'list those with a lower number')
    .addHelpText(
      'after',
      '\nExamples:\n  plumb queue list --state dead\n  plumb queue show 0b0e2c1c-6a52-4b0a-8f1e-3f6f7a5b2c11\n  plumb queue resubmit --service client.notify',
    )
    .action((action: string, id: string | undefined, options: Options) =>
      withInput(
        options,
        'Asking the queue',
        () => readRequest(action, id, options),
        async (client, { path, body, show }) => {
          const answer = body === null ? await client.get(path) : await client.post(path, body)
          if (options.json) printJson(answer)
          else process.stdout.write(show(answer))
          return exit.done
        },
      ),
    )
}

interface Request {
  readonly path: string
  /** Null: it only reads. */
  readonly body: JsonObject | null
  readonly show: (answer: JsonObject) => string
}

function readRequest(action: string, id: string | undefined, options: Options): Request {
  const { service, all } = options
  switch (action) {
    case 'list':
      return { path: `tasks?${readPage(options)}`, body: null, show: listed }
    case 'show':
      return { path: `tasks/${encodeURIComponent(named(action, id))}`, body: null, show: shown }
    case 'resubmit': {
      const show = ({ resubmitted }: JsonObject) => `Resubmitted ${resubmitted}\n`
      if (id !== undefined) return { path: `tasks/${encodeURIComponent(id)}/resubmit`, body: {}, show }
      if (!all && service === undefined) throw usage('Cannot resubmit as nothing is named: an id, --service <name> or --all is accepted')
      return { path: 'tasks/resubmit', body: service === undefined ? {} : { service }, show }
    }
    case 'discard':
      return {
        path: `tasks/${encodeURIComponent(named(action, id))}/discard`,
        body: {},
        show: ({ discarded }) => `Discarded ${discarded}\n`,
      }
    default:
      throw usage(`Cannot run plumb queue as "${action}" is no action of it: list, show, resubmit or discard is accepted`)
  }
}

function readPage({ state, service, limit, before }: Options): URLSearchParams {
  if (state !== undefined && !states.includes(state))
    throw usage(`Cannot use --state as it is "${state}": ready, running or dead is accepted`)
  return new URLSearchParams({
    limit: String(readLimit(limit)),
    ...(state === undefined ? {} : { state }),
    ...(service === undefined ? {} : { service }),
    ...(before === undefined ? {} : { before: String(wholeNumber('--before', before, { min: 1 })) }),
  })
}

function named(action: string, id: string | undefined): string {
  if (id === undefined) throw usage(`Cannot ${action} a task as none is named: an id is accepted; plumb queue list shows them`)
  return id
}

function listed({ tasks, counts, next }: JsonObject): string {
  const rows = Array.isArray(tasks) ? tasks.filter(isObject) : []
  const told = isObject(counts) ? `${counts.ready} ready, ${counts.running} running, ${counts.dead} dead\n` : ''
  if (rows.length === 0) return told
  const more = next === null || next === undefined ? '' : `More with --before ${next}\n`
  return `${told}${table([
    ['ID', 'SERVICE', 'STATE', 'ATTEMPTS', 'ACCEPTED', 'DUE', 'LAST FAILURE'],
    ...rows.map(task => [
      String(task.id),
      String(task.service),
      String(task.state),
      `${task.attempts}/${task.maxAttempts}`,
      String(task.acceptedAt),
      task.state === 'ready' ? new Date(Number(task.dueAt)).toISOString() : '',
      reasonOf(task),
    ]),
  ])}${more}`
}

function shown({ task }: JsonObject): string {
  if (!isObject(task)) return ''
  const { payload, ...rest } = task
  const lines = Object.entries(rest).map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return `${printable(lines.join('\n'))}\npayload:\n${printable(JSON.stringify(payload, null, 2))}\n`
}

function reasonOf({ failure }: JsonObject): string {
  if (!isObject(failure)) return ''
  return `${failure.status === null ? '' : `${failure.status} `}${failure.reason}`
}

function usage(message: string): CommandError {
  return new CommandError(message, { status: exit.usage })
}
