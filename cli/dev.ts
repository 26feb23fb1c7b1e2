import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { estateRoot } from './estate-root.ts'
import { freeInspectPort } from './inspector.ts'
import { CommandError, exit, finish, type Shared } from './run.ts'
import { readPort, readWorkers, runServer, workerCount } from './serve-options.ts'

interface Options extends Shared {
  readonly environment: string
  readonly data?: string
  readonly workers?: string
  readonly channelsPort: string
  readonly adminPort: string
  /** True where no port is given. */
  readonly inspect?: string | true
}

export function devCommand(): Command {
  return new Command('dev')
    .description('serves the files of a working tree: what is saved is live at once, what is broken changes nothing')
    .argument('[directory]', 'an estate (default: the one around the working directory)')
    .option('--environment <name>', 'directory under environments/', 'dev')
    .option('--data <directory>', 'where live state is kept (default: .plumb in the estate)')
    .option('--workers <n>', 'processes that serve channels (default: cores less one, at least 2)')
    .option('--channels-port <port>', 'port of the channels', '17010')
    .option('--admin-port <port>', 'port of the admin API', '8183')
    .option('--inspect [port]', 'open a port for debuggers of this machine (default: 9229); implies one worker')
    .option('--json', 'tell failures to start as JSON')
    .addHelpText('after', '\nExample:\n  plumb dev\n  curl localhost:17010/api/v1/client -d \'{"client_id":123}\'')
    .action((directory: string | undefined, options: Options) =>
      finish(options, async () => {
        const inspectPort = options.inspect === undefined ? null : await freeInspectPort(options.inspect)
        const workers = workersOf(options)
        const root = estateRoot(directory ?? '.')
        const dataDirectory = resolve(options.data ?? join(root, '.plumb'))
        return await runServer(
          {
            command: 'dev',
            environment: options.environment,
            source: { kind: 'worktree', root },
            dataDirectory,
            sealKeyPath: join(dataDirectory, 'keys', 'seal.key'),
            floors: {},
            // The terminal shows what happens to the files; `plumb logs` has the requests.
            logs: { access: false },
            workers,
            channels: { host: '127.0.0.1', port: readPort('--channels-port', options.channelsPort) },
            admin: { host: '127.0.0.1', port: readPort('--admin-port', options.adminPort) },
            tls: { channels: null, admin: null },
            behindProxy: false,
            trustedProxies: [],
            debug: { allow: true, port: inspectPort },
          },
          ({ channels, admin }) => {
            process.stdout.write(`Serving environments/${options.environment} of ${root}\n`)
            process.stdout.write(`Channels  http://localhost:${channels.port}\nAdmin API http://localhost:${admin.port}\n`)
          },
        )
      }),
    )
}

/** Whoever debugs wants each request to come to where the breakpoints are. @throws CommandError */
function workersOf({ inspect, workers }: Options): number {
  const asked = workers === undefined ? null : readWorkers(workers)
  if (inspect === undefined) return workerCount(asked)
  if (asked !== null && asked > 1)
    throw new CommandError(
      `Cannot start ${asked} workers with --inspect as a debugger there attaches to one: leave --workers out, or use plumb debug --worker N`,
      { status: exit.usage },
    )
  return 1
}
