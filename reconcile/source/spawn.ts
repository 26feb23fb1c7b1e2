// The one place where git is started for work that touches the network or many objects. Fixed arguments, an environment made from
// nothing, no hooks, no helpers of the user, a process group of its own so that transport helpers end with git, and a wall clock.
// Why this is not simple-git: docs/decisions/git.md.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { SourceError } from './source-error.ts'

export interface GitRun {
  readonly args: readonly string[]
  /** The bare clone; null for a command that needs none. */
  readonly gitDir: string | null
  /** The folder that git works on, where it is not the clone alone. */
  readonly workTree?: string
  /** What stdin holds; default nothing. */
  readonly input?: string
  readonly protocols: string
  readonly deadlineMs: number
  readonly signal?: AbortSignal
  readonly env?: Readonly<Record<string, string>>
  /** Called with what stdout brings; `stop` ends git early without an error. Without it stdout is collected, up to 1 MB. */
  readonly onStdout?: (chunk: Buffer, stop: () => void) => void
}

export interface GitResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** `stop` was called. */
  readonly stopped: boolean
}

const maxCollectedBytes = 1_000_000

/** Runs git to its end. @throws SourceError `timeout` when the deadline passes; an exit status other than 0 is a result, not an error */
export async function runGit(run: GitRun): Promise<GitResult> {
  const child = startGit(run)
  child.stdin.on('error', () => undefined) // git ended before it read everything; its status says why
  child.stdin.end(run.input ?? '')
  const stdout: Buffer[] = []
  let collected = 0
  let stderr = ''
  let ended: 'deadline' | 'stopped' | 'aborted' | undefined
  const end = (reason: 'deadline' | 'stopped' | 'aborted') => {
    ended ??= reason
    killGroup(child)
  }
  const timer = setTimeout(end, run.deadlineMs, 'deadline')
  const onAbort = () => end('aborted')
  run.signal?.addEventListener('abort', onAbort)
  if (run.signal?.aborted) onAbort()
  child.stdout.on('data', (chunk: Buffer) => {
    if (ended) return
    if (run.onStdout) return run.onStdout(chunk, () => end('stopped'))
    collected += chunk.length
    if (collected <= maxCollectedBytes) stdout.push(chunk)
  })
  child.stderr.on('data', (chunk: Buffer) => {
    if (stderr.length < 16_000) stderr += chunk.toString()
  })
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.on('error', cause => reject(new SourceError('unreachable', 'Cannot start git as the program does not run', { cause })))
      child.on('close', status => resolve(status ?? -1))
    })
    if (ended === 'deadline') throw new SourceError('timeout', `Cannot finish git ${run.args[0]} as ${run.deadlineMs} ms are over`)
    if (ended === 'aborted') throw new SourceError('timeout', `Cannot finish git ${run.args[0]} as the server stops`)
    return { code, stdout: Buffer.concat(stdout).toString(), stderr, stopped: ended === 'stopped' }
  } finally {
    clearTimeout(timer)
    run.signal?.removeEventListener('abort', onAbort)
    killGroup(child)
  }
}

/** Starts git in a process group of its own. End it with `killGroup`. */
export function startGit(run: Pick<GitRun, 'args' | 'gitDir' | 'workTree' | 'protocols' | 'env'>): ChildProcessWithoutNullStreams {
  const where = run.gitDir === null ? [] : [`--git-dir=${run.gitDir}`]
  return spawn(gitPath(), [...where, ...fixedOptions, ...run.args], {
    cwd: run.workTree ?? '/',
    env: { ...gitEnvironment(run.protocols), ...run.env },
    detached: true,
    stdio: 'pipe',
  })
}

export function killGroup(child: { readonly pid?: number | undefined }): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // The group is gone: that is what was wanted.
  }
}

/** Absolute, so that a `git` in the working directory or early in PATH is never taken. */
export function gitPath(): string {
  const found = ['/usr/bin/git', '/usr/local/bin/git', '/opt/homebrew/bin/git', '/bin/git'].find(existsSync)
  if (found === undefined)
    throw new SourceError(
      'refused',
      'Cannot read the estate as git is not installed: none of /usr/bin, /usr/local/bin, /opt/homebrew/bin, /bin has it',
    )
  return found
}

/** Everything git sees of the environment. `SSH_AUTH_SOCK` is the one variable handed on: without it no agent could hold a key. */
export function gitEnvironment(protocols: string): Record<string, string> {
  const agent = process.env.SSH_AUTH_SOCK
  return {
    PATH: '/usr/bin:/bin:/usr/local/bin',
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '/bin/false',
    SSH_ASKPASS: '/bin/false',
    GIT_ALLOW_PROTOCOL: protocols,
    GIT_SSH_COMMAND: '/usr/bin/ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=10 -oPermitLocalCommand=no',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_OPTIONAL_LOCKS: '0',
    ...(agent === undefined ? {} : { SSH_AUTH_SOCK: agent }),
  }
}

const fixedOptions = [
  'protocol.version=2',
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.symlinks=false',
  'core.pager=cat',
  'credential.helper=',
  'transfer.fsckObjects=true',
  'fetch.recurseSubmodules=no',
  'fetch.unpackLimit=1',
  'http.followRedirects=false',
  'http.lowSpeedLimit=1000',
  'http.lowSpeedTime=20',
  'gc.auto=0',
  'maintenance.auto=false',
].flatMap(option => ['-c', option])
