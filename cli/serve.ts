import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { Command } from 'commander'
import { hasErrors, type Issue, issue } from '../schema/issue.ts'
import { isObject, type JsonObject } from '../schema/json.ts'
import { isLocalSource, readServerConfig, type ServerConfig } from '../schema/server.ts'
import { readConfigFile } from './config-file.ts'
import { CommandError, exit, finish, type Shared } from './run.ts'
import { type ControlConfig, runServer, workerCount } from './serve-options.ts'

interface Options extends Shared {
  readonly config?: string
  readonly source?: string
  readonly ref?: string
  readonly environment?: string
  readonly data?: string
  readonly workers?: string
  readonly channelsPort?: string
  readonly adminPort?: string
  readonly sealKey?: string
}

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
    .option('--json', 'tell failures to start as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  plumb serve --config plumb.yaml\n  plumb serve --source ssh://git@git.example.com/shop/estate.git --ref main --environment prod',
    )
    .action((options: Options) =>
      finish(options, async () => {
        const config = await configOf(options)
        return await runServer(config, ({ channels, admin }) => {
          process.stdout.write(`Channels  http://${channels.host}:${channels.port}\nAdmin API http://${admin.host}:${admin.port}\n`)
        })
      }),
    )
}

async function configOf(options: Options): Promise<ControlConfig> {
  const file = options.config ? await readConfigFile(options.config) : null
  const { config, findings } = readServerConfig(withFlags(file?.declared ?? {}, options))
  const issues = findings.map(
    ({ code, message, severity, pointer }): Issue =>
      issue(code, message, { pointer, ...(file ? { at: file.positionOf(pointer) } : {}), ...(severity ? { severity } : {}) }),
  )
  if (hasErrors(issues)) throw new CommandError('Cannot serve as the configuration has errors', { status: exit.usage, issues })
  for (const [field, flag] of [
    ['environment', '--environment'],
    ['source', '--source'],
  ] as const)
    if (!(field === 'source' ? config.source.git : config[field]))
      throw new CommandError(`Cannot serve as "${field}" is not given: name it by ${flag}, or in plumb.yaml with --config`, {
        status: exit.usage,
      })
  return controlConfig(config, options)
}

function controlConfig(config: ServerConfig, options: Options): ControlConfig {
  const base = options.config ? dirname(resolve(options.config)) : process.cwd()
  const { git, ref, allowLocal } = config.source
  const isLocal = isLocalSource(git) && !git.startsWith('file:')
  return {
    command: 'serve',
    environment: config.environment,
    source: { kind: 'git', url: isLocal ? resolve(options.source ? process.cwd() : base, git) : git, ref, allowLocal },
    dataDirectory: resolve(options.data ? process.cwd() : base, config.data || '.plumb'),
    sealKeyPath: config.keys.seal ? resolve(options.sealKey ? process.cwd() : base, config.keys.seal) : defaultSealKey(config.environment),
    floors: config.policy,
    workers: workerCount(config.workers),
    channels: config.listen.channels,
    admin: config.listen.admin,
  }
}

/** plumb.yaml, with the flags over it: one reading judges both. */
function withFlags(file: JsonObject, options: Options): JsonObject {
  const source = isObject(file.source) ? file.source : {}
  const listen = isObject(file.listen) ? file.listen : {}
  const keys = isObject(file.keys) ? file.keys : {}
  return {
    ...file,
    ...(options.environment ? { environment: options.environment } : {}),
    ...(options.data ? { data: options.data } : {}),
    ...(options.workers ? { workers: Number(options.workers) } : {}),
    ...(options.sealKey ? { keys: { ...keys, seal: options.sealKey } } : {}),
    ...(options.channelsPort || options.adminPort
      ? {
          listen: {
            ...listen,
            ...(options.channelsPort ? { channels: `127.0.0.1:${options.channelsPort}` } : {}),
            ...(options.adminPort ? { admin: `127.0.0.1:${options.adminPort}` } : {}),
          },
        }
      : {}),
    ...(options.source || options.ref
      ? // Who names a path on the command line means it.
        {
          source: {
            ...source,
            ...(options.source ? { git: options.source, allowLocal: true } : {}),
            ...(options.ref ? { ref: options.ref } : {}),
          },
        }
      : {}),
  }
}

/** Outside the data directory, so that a copy of that directory opens nothing. */
export function defaultSealKey(environment: string): string {
  return join(process.env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'plumb', `${environment}.seal.key`)
}
