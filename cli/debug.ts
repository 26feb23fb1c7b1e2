import { Command } from 'commander'
import { isObject, type JsonObject } from '../schema/json.ts'
import { defaultInspectPort } from './inspector.ts'
import { table } from './print.ts'
import { type Asking, exit, finish, printJson, talksToServer, withServer } from './run.ts'
import type { TunnelOptions } from './tunnel.ts'

interface Options extends TunnelOptions {
  readonly detach?: true
  readonly list?: true
}

export function debugCommand(): Command {
  return talksToServer(new Command('debug'))
    .description('opens a port on this machine that editors attach to, and a tunnel from it to the workers of a server')
    .option('--port <port>', 'port of this machine; 0: any that is free', defaultInspectPort)
    .option('--worker <n>', 'only that worker (default: all; an editor takes the first)')
    .option('--list', 'print the workers and the debuggers that are attached, and end')
    .option('--detach', 'end all debugging sessions of the server, whoever opened them, and end')
    .addHelpText(
      'after',
      '\nExamples:\n  plumb debug --server https://test.example.com:8183 --token-file token\n  plumb debug --server https://test.example.com:8183 --detach',
    )
    .action((options: Options) => {
      if (options.detach) return withServer(options, 'Ending the sessions', client => detach(client, options))
      if (options.list) return withServer(options, 'Reading the workers', client => list(client, options))
      return finish(options, async () => {
        // What it is made of is for this command alone to wait for.
        const { tunnel } = await import('./tunnel.ts')
        return await tunnel(options)
      })
    })
}

async function detach(client: Asking, options: Options): Promise<number> {
  const answer = await client.post('debug/detach', {})
  if (options.json) printJson(answer)
  else process.stdout.write(`Ended ${answer.detached === 1 ? '1 session' : `${answer.detached} sessions`}\n`)
  return exit.done
}

async function list(client: Asking, options: Options): Promise<number> {
  const answer = await client.get('debug')
  if (options.json) printJson(answer)
  else
    process.stdout.write(
      table([
        ...listed(answer.targets).map(one => [`Worker ${one.worker}`, `generation ${one.generation}, pid ${one.pid}`]),
        ...listed(answer.sessions).map(one => [
          'Debugger',
          `of ${one.actor} on worker ${one.worker}, ${one.state}, from ${one.address}, since ${one.since}`,
        ]),
      ]),
    )
  return exit.done
}

function listed(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}
