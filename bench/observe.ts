// What the access log and the metrics cost a request: the same plane with and without them, in turns, on the echo path. With them it writes
// a line for each request to a pipe that is read, and gives a snapshot of its counters in each turn, which is far more often than anybody asks.

import { roundsOf, type Server, startServer, warmUp } from './request/measured.ts'
import { type BenchRow, rowOf } from './row.ts'

/** Rows in µs per request, and the ratio that has the goal. Throws where a line or a count is missing. */
export async function run({ starts = 4, turns = 12, requests = 2_000 } = {}): Promise<readonly BenchRow[]> {
  await countOnce()
  const rounds: number[][] = []
  for (let start = 0; start < starts; start++) rounds.push(...(await roundsOf(['plumb', 'observed'], { turns, requests })))
  const column = (at: number) => rounds.map(round => round[at] ?? 0)
  return [
    rowOf('request cpu without access log and metrics', column(0), { unit: 'µs' }),
    rowOf('request cpu with access log and metrics', column(1), { unit: 'µs' }),
    rowOf(
      'request cpu with / without access log and metrics',
      rounds.map(([without = 1, observed = 0]) => observed / without),
      { unit: 'ratio', goal: 1.1 },
    ),
  ]
}

/** Each request is one line that says so, and one in the counters. */
async function countOnce(): Promise<void> {
  const server = await startServer('observed')
  try {
    const written = collectOutput(server)
    await server.load.send(warmUp)
    const counted = Number(await server.ask('counted'))
    if (counted !== warmUp) throw new Error(`Cannot measure as ${counted} of ${warmUp} requests are in the counters`)
    await written.until(warmUp)
    for (const line of written.lines()) {
      const { type, path, status } = JSON.parse(line) as { readonly type?: string; readonly path?: string; readonly status?: number } // the access log writes it
      if (type !== 'access' || path !== '/api/v1/client' || status !== 200) throw new Error(`Cannot measure as a line is ${line}`)
    }
  } finally {
    server.stop()
  }
}

function collectOutput(server: Server) {
  let text = ''
  let wake: () => void = () => undefined
  server.onOutput(chunk => {
    text += chunk.toString('utf8')
    wake()
  })
  const lines = () => text.split('\n').slice(0, -1)
  return {
    lines,
    async until(count: number): Promise<void> {
      while (lines().length < count)
        await new Promise<void>(resolve => {
          wake = resolve
        })
      if (lines().length > count) throw new Error(`Cannot measure as there are ${lines().length} lines of ${count} requests`)
    },
  }
}

if (import.meta.main) console.table(await run())
