// Load from a process of its own, so that neither the test nor the load slows the other down.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface LoadOptions {
  readonly url: string
  readonly connections: number
  /** How long each connection rests between an answer and its next request. */
  readonly pauseMs: number
}

export interface LoadReport {
  readonly requests: number
  readonly failed: readonly string[]
  /** For each of `failed`, the pid its connection was answered by before; null where it was not, or no answer says. */
  readonly failedOn: readonly (number | null)[]
  readonly mixed: readonly string[]
  /** Answers older than what was live when they were asked for. */
  readonly stale: readonly string[]
  readonly stamps: readonly number[]
  /** How often a connection was opened. */
  readonly connects: number
  readonly elapsedMs: number
  /** Longest time from request to answer. */
  readonly longestMs: number
}

export interface Load extends AsyncDisposable {
  /** Who gave the first answers, where they say it. */
  readonly pids: readonly number[]
  /** From here on no answer may be older. */
  expect(stamp: number): Promise<void>
  stop(): Promise<LoadReport>
}

/** Resolves when every connection has had its first answer. */
export async function startLoad(options: LoadOptions): Promise<Load> {
  const child = fork(fileURLToPath(new URL('./load-process.ts', import.meta.url)), [JSON.stringify(options)], { execArgv: [] })
  const ended = once(child, 'exit')
  const next = async () => {
    const [message] = await Promise.race([once(child, 'message'), ended.then(() => [{ kind: 'died' }])])
    return message as { readonly kind: string; readonly report: LoadReport; readonly pids: readonly number[] } // as load-process.ts sends
  }
  const started = await next()
  if (started.kind !== 'started') throw new Error('The load process did not start')
  return {
    pids: started.pids,
    async expect(stamp) {
      const answer = next()
      child.send({ kind: 'expect', stamp })
      await answer
    },
    async stop() {
      const answer = next()
      child.send({ kind: 'stop' })
      const { report } = await answer
      await ended
      return report
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
