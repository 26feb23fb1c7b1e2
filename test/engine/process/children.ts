// Real processes for tests of what starts, watches and ends them: a supervisor over toy children, which do as their mode says.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { Roster } from '../../../engine/process/supervisor.ts'
import { temporaryDirectory } from '../../directory.ts'
import { until } from '../../until.ts'

/**
 * - `beats` lives, ends when told
 * - `silent` beats once, then never again
 * - `stubborn` beats, and does not end when told
 * - `crashes` ends at once with 1
 * - `hopeless` ends with 78 as soon as one that beats was started beside it
 */
export type Mode = 'beats' | 'silent' | 'stubborn' | 'crashes' | 'hopeless'

const toy = `
import { appendFileSync, readFileSync, writeSync } from 'node:fs'
const [mode, log] = process.argv.slice(2)
appendFileSync(log, process.pid + ' ' + mode + '\\n')
if (mode === 'crashes') process.exit(1)
if (mode === 'hopeless') {
  while (!readFileSync(log, 'utf8').includes(' beats')) await new Promise(resolve => setTimeout(resolve, 5))
  process.exit(78)
}
process.on('SIGTERM', () => { if (mode !== 'stubborn') process.exit(0) })
const beat = () => writeSync(4, '.')
beat()
setInterval(() => { if (mode !== 'silent') beat() }, 50)
`

export interface Supervised extends AsyncDisposable {
  readonly process: ChildProcess
  /** Pids of every child that was started in that mode, oldest first. */
  started(mode: Mode): Promise<readonly number[]>
  /** Closes the pipe to the binder. */
  leave(): void
  readonly ended: Promise<number | null>
}

export async function supervised(modes: readonly Mode[], options: Partial<Roster> = {}): Promise<Supervised> {
  const home = await temporaryDirectory()
  const [script, log] = [join(home.path, 'toy.mjs'), join(home.path, 'log')]
  await writeFile(script, toy)
  await writeFile(log, '')
  const roster: Roster = {
    binderFd: 5,
    silentMs: 1_000,
    graceMs: 500,
    members: modes.map(mode => ({ title: mode, execArgv: [], script, args: [mode, log], env: 'all', fd: 3 })),
    ...options,
  }
  await using port = await open('/dev/null') // stands for the listening sockets, which are only handed on
  const main = join(import.meta.dirname, '../../../engine/process/supervisor-main.ts')
  const child = spawn(process.execPath, [main, JSON.stringify(roster)], {
    stdio: ['ignore', 'inherit', 'inherit', port.fd, port.fd, 'pipe'],
  })
  const binder = (child.stdio as readonly (Socket | null)[])[5] // the types count to 5
  assert(binder)
  const ended = once(child, 'exit').then(([code]) => code as number | null) // as the event is documented
  const started = async (mode: Mode) =>
    (await readFile(log, 'utf8'))
      .split('\n')
      .filter(line => line.endsWith(` ${mode}`))
      .map(line => Number.parseInt(line, 10))
  for (const mode of new Set(modes)) await until(async () => (await started(mode)).length > 0, `A child that ${mode}`)
  return {
    process: child,
    started,
    leave: () => binder.destroy(),
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
      for (const mode of new Set(modes)) for (const pid of await started(mode)) kill(pid)
      await home[Symbol.asyncDispose]()
    },
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false // ESRCH: there is no such process
  }
}

function kill(pid: number): void {
  if (isAlive(pid)) process.kill(pid, 'SIGKILL')
}
