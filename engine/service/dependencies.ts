// npm libraries of an estate: one directory for each lockfile, installed once and never changed.

import { spawn } from 'node:child_process'
import { access, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import type { Log } from '../../adapters/port.ts'

export interface InstallRequest {
  /** Text of the estate's package.json. */
  readonly packageJson: string
  /** Text of its package-lock.json. */
  readonly lockfile: string
  /** Where the libraries belong: `<data>/deps/<digest of the lockfile>`. */
  readonly directory: string
  readonly signal: AbortSignal
  readonly log: Log
  /** Milliseconds it may take. Default 5 minutes. */
  readonly deadlineMs?: number
  /** The npm to run. Default `npm`. */
  readonly npm?: string
}

export class InstallError extends Error {
  readonly retryable: boolean

  constructor(message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.name = 'InstallError'
    this.retryable = options.retryable
  }
}

/**
 * Installs the libraries a lockfile names, without their development part and without running their scripts.
 * Does nothing where `directory` is there. It appears whole or not at all, also when two install at once.
 * @throws InstallError saying why npm failed; the signal's reason where it was aborted
 */
export async function installDependencies(request: InstallRequest): Promise<void> {
  const { directory, signal, log } = request
  signal.throwIfAborted()
  if (await exists(directory)) return
  const parent = dirname(directory)
  await mkdir(parent, { recursive: true })
  const staging = await mkdtemp(join(parent, 'installing-'))
  const startedAt = performance.now()
  try {
    await writeFile(join(staging, 'package.json'), request.packageJson)
    await writeFile(join(staging, 'package-lock.json'), request.lockfile)
    await runNpm(staging, request)
    await moveTo(directory, staging)
    log.info({ directory, elapsedMs: Math.round(performance.now() - startedAt) }, 'Installed the npm libraries of the services')
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

async function moveTo(directory: string, staging: string): Promise<void> {
  try {
    await rename(staging, directory)
  } catch (error) {
    // Another process was faster; what it installed is the same.
    if (!(await exists(directory))) throw error
  }
}

async function runNpm(cwd: string, { signal, npm = 'npm', deadlineMs = 300_000 }: InstallRequest): Promise<void> {
  signal.throwIfAborted()
  const child = spawn(npm, ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    env: environment(),
    // A group of its own, so that what npm starts is killed with it.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    output = (output + text).slice(-8_000)
  })
  let isLate = false
  const kill = () => killGroup(child.pid)
  const timer = setTimeout(() => {
    isLate = true
    kill()
  }, deadlineMs)
  signal.addEventListener('abort', kill, { once: true })
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    signal.throwIfAborted()
    if (isLate)
      throw new InstallError(`Cannot install the npm libraries as npm did not end within ${deadlineMs / 1000} s`, { retryable: true })
    if (code !== 0)
      throw new InstallError(`Cannot install the npm libraries as npm ci failed: ${reasonOf(output)}`, { retryable: isNetwork(output) })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw new InstallError(`Cannot install the npm libraries as "${npm}" is not found: npm has to be on the server's PATH`, {
        retryable: false,
        cause: error,
      })
    throw error
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', kill)
  }
}

/** npm's own settings, proxies and certificates; nothing else of the server's environment. */
function environment(): NodeJS.ProcessEnv {
  const wanted = /^(HOME|USER|LANG|LC_.*|TMPDIR|NODE_EXTRA_CA_CERTS|SSL_CERT_.*|(https?|no|all)_proxy|npm_config_.*)$/i
  const kept = Object.entries(process.env).filter(([name]) => wanted.test(name))
  return { ...Object.fromEntries(kept), PATH: [dirname(process.execPath), process.env.PATH].filter(Boolean).join(delimiter) }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    // ESRCH: the group has ended already.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

function isNetwork(output: string): boolean {
  return /\b(ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|E5\d\d)\b/.test(output)
}

/** npm's sentences, without its decoration and the path of its own log. */
function reasonOf(output: string): string {
  const sentences = output
    .split('\n')
    .map(line => line.replace(/^npm (error|ERR!) ?/, '').trim())
    .filter(line => line !== '' && !/^(A complete log|Log files were|code )/.test(line))
  return (
    sentences
      .slice(0, 4)
      .join(' ')
      .replace(/(\/\/)[^/@\s]+@/g, '$1***@') || 'it said nothing'
  )
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    // What cannot be reached is installed anew; that fails with a better reason.
    return false
  }
}
