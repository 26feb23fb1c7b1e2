// The servers of the request benches as processes of their own, measured in turns.

import { type ChildProcess, fork } from 'node:child_process'
import { isObject } from '../../schema/json.ts'
import { type Load, openLoad } from './load.ts'

export interface Server {
  readonly load: Load
  /** µs of CPU per request. */
  measure(requests: number): Promise<number>
  ask(question: 'cpu' | 'profile' | 'shares' | 'counted'): Promise<unknown>
  /** What it wrote on standard output. */
  onOutput(listener: (chunk: Buffer) => void): void
  stop(): void
}

/** Requests that each server answers before it is measured. */
export const warmUp = 20_000
const connections = 16

/** µs per request of each server, for each turn of servers that were just started. `end` looks at them before they stop. */
export async function roundsOf(
  names: readonly string[],
  {
    turns,
    requests,
    end,
  }: { readonly turns: number; readonly requests: number; readonly end?: (servers: readonly Server[]) => Promise<void> },
): Promise<readonly number[][]> {
  const servers = await Promise.all(names.map(startServer))
  try {
    for (const server of servers) await server.measure(warmUp)
    const rounds: number[][] = []
    for (let turn = 0; turn < turns; turn++) {
      const round: number[] = new Array(names.length).fill(0)
      // Every turn begins with another server, so that none always runs after the same one.
      for (let step = 0; step < names.length; step++) {
        const at = (turn + step) % names.length
        round[at] = (await servers[at]?.measure(requests)) ?? 0
      }
      rounds.push(round)
    }
    await end?.(servers)
    return rounds
  } finally {
    for (const server of servers) server.stop()
  }
}

export async function startServer(name: string): Promise<Server> {
  const child = fork(new URL('server.ts', import.meta.url), [name], { execArgv: [], stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  const listeners: ((chunk: Buffer) => void)[] = []
  // Read also where nobody listens: a full pipe would be less work.
  child.stdout?.on('data', chunk => {
    for (const listener of listeners) listener(chunk)
  })
  const load = await openLoad(Number(await answerOf(child)), connections)
  const ask: Server['ask'] = question => {
    child.send(question)
    return answerOf(child)
  }
  return {
    load,
    ask,
    onOutput: listener => void listeners.push(listener),
    async measure(requests) {
      const before = Number(await ask('cpu'))
      await load.send(requests)
      return (Number(await ask('cpu')) - before) / requests
    },
    stop() {
      load.close()
      child.disconnect()
    },
  }
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const exited = (code: number | null) => reject(new Error(`Cannot measure as a server ended with ${code}`))
    child.once('exit', exited)
    child.once('message', message => {
      child.off('exit', exited)
      if (isObject(message) && 'answer' in message) resolve(message.answer)
      else reject(new Error(`Cannot measure as a server said ${JSON.stringify(message)}`))
    })
  })
}
