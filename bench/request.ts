// CPU time per request of the data plane beside other servers that do the same work. Shares of one machine change from second to
// second, so the servers take turns and what counts is the median of the ratios within a turn.

import { type ChildProcess, fork } from 'node:child_process'
import { connect } from 'node:net'

export interface BenchRow {
  readonly bench: string
  readonly value: number
  readonly unit: string
  readonly goal: number | null
  readonly holds: boolean | null
  /** Smallest and largest of the turns. */
  readonly spread: readonly [number, number]
}

const names = ['plumb', 'fastify', 'hono', 'node'] as const
const connections = 16
const warmUp = 20_000

/** Rows `request cpu <server>` in µs per request, and the ratio that has the goal. Throws where a server answers anything but the sample. */
export async function run({ turns = 9, requests = 6_000 } = {}): Promise<readonly BenchRow[]> {
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
    const column = (at: number) => rounds.map(round => round[at] ?? 0)
    const ratios = (other: number) => rounds.map(round => (round[0] ?? 0) / (round[other] ?? 1))
    return [
      ...names.map((name, at) => rowOf(`request cpu ${name}`, 'µs', column(at), null)),
      rowOf('request cpu plumb / fastify', 'ratio', ratios(1), 1),
      rowOf('request cpu plumb / hono', 'ratio', ratios(2), null),
      rowOf('request cpu plumb / node:http', 'ratio', ratios(3), null),
    ]
  } finally {
    for (const server of servers) server.stop()
  }
}

interface Server {
  /** µs of CPU per request. */
  measure(requests: number): Promise<number>
  stop(): void
}

async function startServer(name: string): Promise<Server> {
  const child = fork(new URL('request/server.ts', import.meta.url), [name], { execArgv: [] })
  const { port } = await messageFrom(child, 'port')
  const cpu = async () => {
    child.send({})
    return (await messageFrom(child, 'cpuMicroseconds')).cpuMicroseconds
  }
  await load(port, 1)
  return {
    async measure(requests) {
      const before = await cpu()
      await load(port, requests)
      return ((await cpu()) - before) / requests
    },
    stop: () => child.disconnect(),
  }
}

async function messageFrom<Field extends string>(child: ChildProcess, field: Field): Promise<Record<Field, number>> {
  return new Promise((resolve, reject) => {
    const exited = (code: number | null) => reject(new Error(`Cannot measure as a server ended with ${code}`))
    child.once('exit', exited)
    child.once('message', message => {
      child.off('exit', exited)
      const value: unknown = typeof message === 'object' && message !== null ? Reflect.get(message, field) : undefined
      if (typeof value === 'number')
        resolve({ [field]: value } as Record<Field, number>) // the one field just read
      else reject(new Error(`Cannot measure as a server said ${JSON.stringify(message)}`))
    })
  })
}

const body = '{"client_id":123}'
const request = Buffer.from(
  [
    'POST /api/v1/client HTTP/1.1',
    'Host: localhost:17010',
    'User-Agent: bench',
    'Accept: */*',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n'),
)
const expected = '\r\n\r\n{"name":"Jane Doe","email":"jane@example.com","segment":"RNZ"}'

/** Sends `requests` over kept connections, one at a time on each, and looks at every answer. */
async function load(port: number, requests: number): Promise<void> {
  let left = requests
  const work = () =>
    new Promise<void>((resolve, reject) => {
      let received = ''
      const socket = connect({ port, host: '127.0.0.1' })
      const next = () => {
        if (left-- <= 0) socket.end()
        else socket.write(request)
      }
      socket.setEncoding('latin1')
      socket
        .on('connect', next)
        .on('error', reject)
        .on('close', () => resolve())
      socket.on('data', chunk => {
        received += String(chunk)
        if (!isWhole(received)) return
        if (!received.startsWith('HTTP/1.1 200 ') || !received.endsWith(expected))
          return reject(new Error(`Cannot compare as a server answered ${JSON.stringify(received)}`))
        received = ''
        next()
      })
    })
  await Promise.all(Array.from({ length: Math.min(connections, requests) }, work))
}

function isWhole(received: string): boolean {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd < 0) return false
  const length = /^content-length: *(\d+)/im.exec(received.slice(0, headEnd))?.[1]
  return received.length >= headEnd + 4 + Number(length ?? Number.POSITIVE_INFINITY)
}

function rowOf(bench: string, unit: string, values: readonly number[], goal: number | null): BenchRow {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.floor(sorted.length / 2)] ?? 0
  const round = (number: number) => Math.round(number * 1_000) / 1_000
  return {
    bench,
    value: round(value),
    unit,
    goal,
    holds: goal === null ? null : value <= goal,
    spread: [round(sorted[0] ?? 0), round(sorted.at(-1) ?? 0)],
  }
}

if (import.meta.main) console.table(await run())
