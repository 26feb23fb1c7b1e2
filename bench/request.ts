// CPU time per request of the data plane beside other servers that do the same work. Shares of one machine change from second to
// second, so the servers take turns and what counts is the median of the ratios within a turn. What a process compiles and how its heap
// lies also differs from start to start, so all are started several times.

import { type ChildProcess, fork } from 'node:child_process'
import { isObject } from '../schema/json.ts'
import { type Load, openLoad } from './request/load.ts'
import { type BenchRow, rowOf } from './row.ts'

const names = ['plumb', 'fastify', 'hono', 'node'] as const
const connections = 16
const warmUp = 20_000

/** Rows `request cpu <server>` in µs per request, and the ratio that has the goal. Throws where a server answers anything but the sample. */
export async function run({ starts = 5, turns = 15, requests = 2_000 } = {}): Promise<readonly BenchRow[]> {
  const rounds: number[][] = []
  for (let start = 0; start < starts; start++) rounds.push(...(await roundsOf(turns, requests)))
  const column = (at: number) => rounds.map(round => round[at] ?? 0)
  const ratios = (other: number) => rounds.map(round => (round[0] ?? 0) / (round[other] ?? 1))
  return [
    ...names.map((name, at) => rowOf(`request cpu ${name}`, column(at), { unit: 'µs' })),
    rowOf('request cpu plumb / fastify', ratios(1), { unit: 'ratio', goal: 1 }),
    rowOf('request cpu plumb / hono', ratios(2), { unit: 'ratio' }),
    rowOf('request cpu plumb / node:http', ratios(3), { unit: 'ratio' }),
    ...(await profileRows(starts * turns * requests)),
  ]
}

/** µs per request of each server, for each turn of servers that were just started. */
async function roundsOf(turns: number, requests: number): Promise<readonly number[][]> {
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
    return rounds
  } finally {
    for (const server of servers) server.stop()
  }
}

/** Rows with the share of each part in a request of the plane. The profiler costs time of its own, so that only shares are told. */
async function profileRows(requests: number): Promise<readonly BenchRow[]> {
  const server = await startServer('plumb')
  try {
    await server.load.send(warmUp)
    await server.ask('profile')
    await server.load.send(requests)
    const shares = await server.ask('shares')
    if (!isObject(shares)) throw new Error(`Cannot profile as the server said ${JSON.stringify(shares)}`)
    return Object.entries(shares)
      .map(([part, share]) => rowOf(`request profile: ${part}`, [100 * Number(share)], { unit: '%' }))
      .toSorted((a, b) => b.value - a.value)
  } finally {
    server.stop()
  }
}

interface Server {
  readonly load: Load
  /** µs of CPU per request. */
  measure(requests: number): Promise<number>
  ask(question: 'cpu' | 'profile' | 'shares'): Promise<unknown>
  stop(): void
}

async function startServer(name: string): Promise<Server> {
  const child = fork(new URL('request/server.ts', import.meta.url), [name], { execArgv: [] })
  const load = await openLoad(Number(await answerOf(child)), connections)
  const ask: Server['ask'] = question => {
    child.send(question)
    return answerOf(child)
  }
  return {
    load,
    ask,
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

if (import.meta.main) console.table(await run())
