import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { estateRoot } from './estate-root.ts'
import { finish, type Shared } from './run.ts'
import { readPort, readWorkers, runServer, workerCount } from './serve-options.ts'

interface Options extends Shared {
  readonly environment: string
  readonly data?: string
  readonly workers?: string
  readonly channelsPort: string
  readonly adminPort: string
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
    .option('--json', 'tell failures to start as JSON')
    .addHelpText('after', '\nExample:\n  plumb dev\n  curl localhost:17010/api/v1/client -d \'{"client_id":123}\'')
    .action((directory: string | undefined, options: Options) =>
      finish(options, async () => {
        const workers = workerCount(options.workers === undefined ? null : readWorkers(options.workers))
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
          },
          ({ channels, admin }) => {
            process.stdout.write(`Serving environments/${options.environment} of ${root}\n`)
            process.stdout.write(`Channels  http://localhost:${channels.port}\nAdmin API http://localhost:${admin.port}\n`)
          },
        )
      }),
    )
}
