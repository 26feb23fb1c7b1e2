// What `serve` is told, by plumb.yaml and by flags, as one configuration.

import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { readCredentials } from '../engine/tls/credentials.ts'
import { fullRefOf, remoteOf } from '../reconcile/source/remote.ts'
import { SourceError } from '../reconcile/source/source-error.ts'
import { hasErrors, type Issue, issue } from '../schema/issue.ts'
import { isObject, type JsonObject } from '../schema/json.ts'
import { isLocalSource, type Listen, readServerConfig, type ServerConfig, type TlsConfig } from '../schema/server.ts'
import { type ConfigFile, readConfigFile } from './config-file.ts'
import { exposureOf } from './exposure.ts'
import { CommandError, exit, type Shared } from './run.ts'
import { type ControlConfig, readPort, readWorkers, workerCount } from './serve-options.ts'

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
  readonly tlsCert?: string
  readonly tlsKey?: string
}

/** @throws CommandError with the issues, each at its line or its flag */
export async function configOf(options: ServeFlags): Promise<ControlConfig> {
  const file = options.config === undefined ? null : await readConfigFile(options.config)
  const declared = withFlags(file?.declared ?? {}, options)
  const { config, findings: found } = readServerConfig(declared)
  const findings = [...found, ...(await exposureOf(config.listen))]
  const missing = neededOf(declared).filter(({ isGiven }) => !isGiven)
  const issues = [
    ...missing.map(({ field, flag }) => {
      const message = `Cannot serve as "${field}" is not given: name it by ${flag}, or in plumb.yaml with --config`
      return placed(issue('MISSING_FIELD', message, { pointer: `/${field.replace('.', '/')}` }), file, options)
    }),
    // What is missing is told above, with its flag.
    ...findings
      .filter(({ code }) => missing.length === 0 || code !== 'MISSING_FIELD')
      .map(({ code, message, severity, pointer }) =>
        placed(issue(code, message, { pointer, ...(severity ? { severity } : {}) }), file, options),
      ),
  ]
  if (hasErrors(issues)) throw new CommandError('Cannot serve as the configuration has errors', { status: exit.usage, issues })
  const made = controlConfig(config, options)
  const refused = [sourceProblem(made), ...(await certificateProblems(made, declared))].filter(problem => problem !== null)
  if (refused.length > 0) {
    const issues = refused.map(({ message, pointer }) => placed(issue('INVALID_VALUE', message, { pointer }), file, options))
    throw new CommandError('Cannot serve as the configuration has errors', { status: exit.usage, issues })
  }
  return made
}

interface Problem {
  readonly message: string
  readonly pointer: string
}

/** What the listeners would refuse: said before a port is open. */
async function certificateProblems({ tls }: ControlConfig, declared: JsonObject): Promise<readonly Problem[]> {
  const hasOwn = isObject(declared.listen) && isObject(declared.listen.adminTls)
  const problems: Problem[] = []
  for (const [config, field] of [[tls.channels, 'tls'], ...(hasOwn ? [[tls.admin, 'adminTls'] as const] : [])] as const) {
    if (config === null) continue
    const judgement = await readCredentials(config, Date.now())
    if (judgement.kind === 'good') continue
    const message = `Cannot use "listen.${field}" as ${judgement.why}: a certificate in PEM that is valid now, with its own key, is accepted`
    problems.push({ message, pointer: `/listen/${field}` })
  }
  return problems
}

/** What the source itself would refuse: said before a port is open. */
function sourceProblem({ source }: ControlConfig): Problem | null {
  if (source.kind !== 'git') return null
  for (const [pointer, check] of [
    ['/source/git', () => remoteOf(source.url, source.allowLocal)],
    ['/source/ref', () => fullRefOf(source.ref)],
  ] as const)
    try {
      check()
    } catch (error) {
      if (!(error instanceof SourceError)) throw error
      return { message: error.message, pointer }
    }
  return null
}

/** plumb.yaml, with the flags over it: one reading judges both. */
function withFlags(file: JsonObject, options: ServeFlags): JsonObject {
  const { environment, source, ref, data, workers, channelsPort, adminPort, sealKey, tlsCert, tlsKey } = options
  const held = isObject(file.listen) && isObject(file.listen.tls) ? file.listen.tls : {}
  const tls = { ...(tlsCert === undefined ? {} : { cert: tlsCert }), ...(tlsKey === undefined ? {} : { key: tlsKey }) }
  const listen = {
    ...(channelsPort === undefined ? {} : { channels: `127.0.0.1:${readPort('--channels-port', channelsPort)}` }),
    ...(adminPort === undefined ? {} : { admin: `127.0.0.1:${readPort('--admin-port', adminPort)}` }),
    ...(Object.keys(tls).length === 0 ? {} : { tls: { ...held, ...tls } }),
  }
  const from = {
    // Who names a path on the command line means it.
    ...(source === undefined ? {} : { git: source, allowLocal: true }),
    ...(ref === undefined ? {} : { ref }),
  }
  return {
    ...file,
    ...(environment === undefined ? {} : { environment }),
    ...(data === undefined ? {} : { data }),
    ...(workers === undefined ? {} : { workers: readWorkers(workers) }),
    ...over(file, 'keys', sealKey === undefined ? {} : { seal: sealKey }),
    ...over(file, 'listen', listen),
    ...over(file, 'source', from),
  }
}

function over(file: JsonObject, field: string, flags: JsonObject): JsonObject {
  if (Object.keys(flags).length === 0) return {}
  const held = file[field]
  return { [field]: { ...(isObject(held) ? held : {}), ...flags } }
}

/** What has no default, and whether somebody gave it; whether it can be used is for the schema to say. */
function neededOf({ environment, source }: JsonObject) {
  const git = isObject(source) ? source.git : source
  return [
    { field: 'environment', flag: '--environment', isGiven: (environment ?? null) !== null },
    { field: 'source.git', flag: '--source', isGiven: (git ?? null) !== null },
  ]
}

/** At the line of the file, or with the flag that it came from. */
function placed(found: Issue, file: ConfigFile | null, options: ServeFlags): Issue {
  const { pointer = '' } = found
  const flag = flags.find(([name, at]) => at === pointer && options[name] !== undefined)
  if (flag) return { ...found, message: `${found.message}; it was given by ${flag[2]}` }
  return file ? { ...found, at: file.positionOf(pointer) } : found
}

const flags = [
  ['environment', '/environment', '--environment'],
  ['source', '/source/git', '--source'],
  ['ref', '/source/ref', '--ref'],
  ['data', '/data', '--data'],
  ['sealKey', '/keys/seal', '--seal-key'],
  ['tlsCert', '/listen/tls/cert', '--tls-cert'],
  ['tlsKey', '/listen/tls/key', '--tls-key'],
] as const satisfies readonly (readonly [keyof ServeFlags, string, string])[]

function controlConfig(config: ServerConfig, options: ServeFlags): ControlConfig {
  const base = options.config ? dirname(resolve(options.config)) : process.cwd()
  const { git, ref, allowLocal } = config.source
  const isLocal = isLocalSource(git) && !git.startsWith('file:')
  return {
    command: 'serve',
    environment: config.environment,
    source: { kind: 'git', url: isLocal ? resolve(options.source ? process.cwd() : base, git) : git, ref, allowLocal },
    dataDirectory: resolve(options.data ? process.cwd() : base, config.data),
    sealKeyPath: config.keys.seal ? resolve(options.sealKey ? process.cwd() : base, config.keys.seal) : defaultSealKey(config.environment),
    floors: config.policy,
    logs: config.logs,
    workers: workerCount(config.workers),
    ...config.listen,
    tls: tlsAt(base, config.listen.tls, options),
    debug: { allow: config.debug.allow, port: null },
  }
}

/** With absolute paths. */
function tlsAt(base: string, tls: Listen['tls'], { tlsCert, tlsKey }: ServeFlags): Listen['tls'] {
  const at = (config: TlsConfig | null): TlsConfig | null =>
    config && {
      ...config,
      cert: resolve(config.cert === tlsCert ? process.cwd() : base, config.cert),
      key: resolve(config.key === tlsKey ? process.cwd() : base, config.key),
      clientCa: config.clientCa === null ? null : resolve(base, config.clientCa),
    }
  return { channels: at(tls.channels), admin: at(tls.admin) }
}

/** Outside the data directory, so that a copy of that directory opens nothing. */
function defaultSealKey(environment: string): string {
  return join(process.env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'plumb', `${environment}.seal.key`)
}
