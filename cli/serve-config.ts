// What `serve` is told, by plumb.yaml and by flags, as one configuration.

import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { hasErrors, type Issue, issue } from '../schema/issue.ts'
import { isObject, type JsonObject } from '../schema/json.ts'
import { isLocalSource, readServerConfig, type ServerConfig } from '../schema/server.ts'
import { readConfigFile } from './config-file.ts'
import { CommandError, exit, type Shared } from './run.ts'
import { type ControlConfig, workerCount } from './serve-options.ts'

export interface ServeFlags extends Shared {
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

/** @throws CommandError with the issues, each at its line */
export async function configOf(options: ServeFlags): Promise<ControlConfig> {
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

function controlConfig(config: ServerConfig, options: ServeFlags): ControlConfig {
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
function withFlags(file: JsonObject, options: ServeFlags): JsonObject {
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
function defaultSealKey(environment: string): string {
  return join(process.env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'plumb', `${environment}.seal.key`)
}
