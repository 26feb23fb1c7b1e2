// What `serve` and `dev` hand to the control process, and how they start the processes.

import { existsSync } from 'node:fs'
import { mkdir, realpath } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bind } from '../engine/process/bind.ts'
import { lockData } from '../engine/process/lock.ts'
import type { WorkerConfig } from '../engine/process/worker-config.ts'
import type { Floors } from '../schema/policy.ts'
import type { Listen } from '../schema/server.ts'
import { wholeNumber } from './arguments.ts'
import { fileReason } from './file-reason.ts'
import { CommandError, exit } from './run.ts'

/** Everything the control process is started with; plain data, no secrets. */
export interface ControlConfig extends Listen {
  readonly command: 'serve' | 'dev'
  readonly environment: string
  readonly source:
    | { readonly kind: 'git'; readonly url: string; readonly ref: string; readonly allowLocal: boolean }
    | { readonly kind: 'worktree'; readonly root: string }
  readonly dataDirectory: string
  readonly sealKeyPath: string
  readonly floors: Floors
  readonly workers: number
  readonly logs: WorkerConfig['logs']
  /** `port`: where debuggers of this machine attach, 0 any; null: nowhere but through the admin API. */
  readonly debug: { readonly allow: boolean; readonly port: number | null }
}

/**
 * The process variables a worker gets: where programs and certificates are, how to speak and log, what a debugger needs. Secrets come
 * from variables of any name, so all others stay with control; service code reads what a resource declares.
 */
const workerVariables = [
  'PATH',
  'HOME',
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_DIR',
  'SSL_CERT_FILE',
  'NODE_OPTIONS',
  'NODE_COMPILE_CACHE',
  'VSCODE_INSPECTOR_OPTIONS',
  'PLUMB_LOG_LEVEL',
  'FAILPOINTS',
]

const silentMs = 5_000
const graceMs = 35_000
const lockWaitMs = 3_000

/** Default: all cores but one, two at least, so that one can be replaced while another serves. */
export function workerCount(asked: number | null): number {
  return asked ?? Math.max(2, availableParallelism() - 1)
}

/** What --workers asks for. @throws CommandError */
export function readWorkers(text: string): number {
  return wholeNumber('--workers', text, { min: 1, max: 256 })
}

/** A port as `flag` gives it; 0 lets the system choose one. @throws CommandError */
export function readPort(flag: '--channels-port' | '--admin-port', text: string): number {
  return wholeNumber(flag, text, { min: 0, max: 65_535 })
}

/** Opens the ports and starts supervisor, control and workers; resolves when all have ended, with the exit status. */
export async function runServer(
  config: ControlConfig,
  onBound: (addresses: Pick<ControlConfig, 'channels' | 'admin'>) => void,
): Promise<number> {
  await makeDataDirectory(config.dataDirectory)
  const dataDirectory = await realpath(config.dataDirectory)
  using _lock = await lockData(dataDirectory, 'serve', lockWaitMs)
  const inherited = process.execArgv.filter(flag => flag.startsWith('--conditions=') || flag.startsWith('-C'))
  const quiet = '--disable-warning=ExperimentalWarning'
  const worker: WorkerConfig = {
    dataDirectory,
    human: config.command === 'dev',
    logs: config.logs,
    tls: config.tls.channels,
    trustedProxies: config.trustedProxies,
    debug: config.debug.allow,
  }
  const binding = await bind({
    channels: config.channels,
    admin: config.admin,
    workers: config.workers,
    silentMs,
    graceMs,
    codeCache: join(dataDirectory, 'cache', 'node'),
    control: {
      execArgv: [...inherited, quiet],
      script: program('./control-main'),
      args: [JSON.stringify({ ...config, dataDirectory })],
      env: 'all',
    },
    // Without --no-compilation-cache V8 keeps the source of every module that was ever loaded.
    worker: {
      execArgv: [...inherited, quiet, '--no-compilation-cache', '--enable-source-maps'],
      script: program('../engine/process/worker-main'),
      args: [JSON.stringify(worker)],
      env: workerVariables,
    },
  })
  onBound({ channels: { ...config.channels, port: binding.ports.channels }, admin: { ...config.admin, port: binding.ports.admin } })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, binding.stop)
  return await binding.ended
}

async function makeDataDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    const message = `Cannot keep state in ${path} as ${fileReason(error)}: a directory, or a path that is free, is accepted; name one by --data`
    throw new CommandError(message, { status: exit.usage })
  }
}

function program(name: string): string {
  const source = fileURLToPath(new URL(`${name}.ts`, import.meta.url))
  return existsSync(source) ? source : fileURLToPath(new URL(`${name}.js`, import.meta.url))
}
