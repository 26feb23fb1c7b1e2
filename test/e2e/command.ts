// The `plumb` command as people run it: a process of its own, its exit status and what it wrote.

import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import type { JsonObject } from '../../schema/json.ts'
import { launcher } from './server.ts'

export interface Run {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
  /** What it wrote on stdout. */
  json(): JsonObject
}

export interface RunOptions {
  readonly cwd?: string
  /** The server is found by these and nothing of the environment of the tests. */
  readonly server?: string
  readonly token?: string
}

export async function plumb(args: readonly string[], { cwd, server, token }: RunOptions = {}): Promise<Run> {
  const { PLUMB_SERVER: _server, PLUMB_TOKEN: _token, ...env } = process.env
  const child = spawn(process.execPath, [launcher, ...args], {
    cwd,
    env: { ...env, NO_COLOR: '1', ...(server ? { PLUMB_SERVER: server } : {}), ...(token ? { PLUMB_TOKEN: token } : {}) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject))
  const [status, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
  return {
    status,
    stdout,
    stderr,
    json() {
      try {
        return JSON.parse(stdout) as JsonObject // the commands print objects
      } catch (error) {
        throw new Error(`plumb ${args.join(' ')} wrote no JSON: ${stdout}${stderr}`, { cause: error })
      }
    },
  }
}
