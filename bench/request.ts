// CPU time per request of the data plane beside other servers that do the same work. Shares of one machine change from second to
// second, so the servers take turns and what counts is the median of the ratios within a turn. What a process compiles and how its heap
// lies also differs from start to start, so all are started several times.

import { isObject } from '../schema/json.ts'
import { roundsOf, startServer, warmUp } from './request/measured.ts'
import { type BenchRow, rowOf } from './row.ts'

const names = ['plumb', 'fastify', 'hono', 'node'] as const

/** Rows `request cpu <server>` in µs per request, and the ratio that has the goal. Throws where a server answers anything but the sample. */
export async function run({ starts = 5, turns = 15, requests = 2_000 } = {}): Promise<readonly BenchRow[]> {
  const rounds: number[][] = []
  for (let start = 0; start < starts; start++) rounds.push(...(await roundsOf(names, { turns, requests })))
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

if (import.meta.main) console.table(await run())
