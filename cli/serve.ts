import { Command } from 'commander'
import type { Address } from '../schema/server.ts'
import { finish } from './run.ts'
import type { ServeFlags } from './serve-config.ts'
import { runServer } from './serve-options.ts'

export function serveCommand(): Command {
  return new Command('serve')
    .description('serves one environment of a git repository and follows its branch')
    .option('--config <file>', 'plumb.yaml')
    .option('--source <git>', 'URL of the repository, or a path on this machine')
    .option('--ref <ref>', 'branch to follow (default: main)')
    .option('--environment <name>', 'directory under environments/')
    .option('--data <directory>', 'where live state is kept (default: .plumb)')
    .option('--workers <n>', 'processes that serve channels (default: cores less one, at least 2)')
    .option('--channels-port <port>', 'port of the channels (default: 17010)')
    .option('--admin-port <port>', 'port of the admin API (default: 8183)')
    .option('--seal-key <file>', 'key that seals secrets at rest; made where it is missing')
    .option('--tls-cert <file>', 'certificate of both ports, in PEM; read again when it changes')
    .option('--tls-key <file>', 'its private key, in PEM')
    .option('--json', 'tell failures to start as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  plumb serve --config plumb.yaml\n  plumb serve --source ssh://git@git.example.com/shop/estate.git --ref main --environment prod',
    )
    .action((options: ServeFlags) =>
      finish(options, async () => {
        // Schemas and YAML are for this command alone to wait for.
        const { configOf } = await import('./serve-config.ts')
        const config = await configOf(options)
        return await runServer(config, ({ channels, admin }) => {
          process.stdout.write(
            `Channels  ${urlOf(channels, config.tls.channels !== null)}\nAdmin API ${urlOf(admin, config.tls.admin !== null)}\n`,
          )
        })
      }),
    )
}

function urlOf({ host, port }: Address, isSecure: boolean): string {
  return `${isSecure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}
