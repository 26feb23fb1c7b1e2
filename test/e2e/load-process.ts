// Asks on many kept-alive connections, one request at a time on each and none of them twice, and judges every answer.
// Run by load.ts as: node load-process.ts '<LoadOptions as JSON>'.

import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'undici'
import type { LoadOptions, LoadReport } from './load.ts'
import { judge } from './stamps.ts'

const options = JSON.parse(process.argv[2] ?? '') as LoadOptions // written by load.ts
const { origin, pathname } = new URL(options.url)
const kept = 20
const counts = { requests: 0, connects: 0, longestMs: 0 }
const found = { failed: [] as string[], mixed: [] as string[], stale: [] as string[] }
const failedOn: (number | null)[] = []
const pids = new Set<number>()
const stamps = new Set<number>()
const state = { least: 0, isStopping: false, waiting: options.connections }
const startedAt = performance.now()

process.on('message', (message: { readonly kind: string; readonly stamp?: number }) => {
  if (message.kind === 'expect') {
    state.least = message.stamp ?? 0
    process.send?.({ kind: 'expecting' })
  } else state.isStopping = true
})
process.on('disconnect', () => process.exit(0))

await Promise.all(Array.from({ length: options.connections }, ask))
const report: LoadReport = {
  ...counts,
  ...found,
  failedOn,
  stamps: [...stamps].sort((a, b) => a - b),
  elapsedMs: performance.now() - startedAt,
}
process.send?.({ kind: 'report', report }, () => process.disconnect())

async function ask(): Promise<void> {
  const client = new Client(origin, { pipelining: 1, headersTimeout: 60_000, bodyTimeout: 60_000 })
  const connection: Connection = { pid: null }
  client.on('connect', () => {
    counts.connects += 1
    connection.pid = null
  })
  for (let at = 0; !state.isStopping; at += 1) {
    await once(client, connection)
    if (at === 0 && --state.waiting === 0) process.send?.({ kind: 'started', pids: [...pids] })
    await sleep(options.pauseMs)
  }
  await client.close()
}

/** Who answered on it last. */
interface Connection {
  pid: number | null
}

async function once(client: Client, connection: Connection): Promise<void> {
  counts.requests += 1
  const echo = counts.requests
  const { least } = state
  const askedAt = performance.now()
  try {
    const { statusCode, headers, body } = await client.request({
      method: 'POST',
      path: pathname,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ echo }),
    })
    const verdict = judge({ status: statusCode, contentType: String(headers['content-type']), text: await body.text() }, echo)
    if (verdict.kind !== 'whole') note(verdict.kind, verdict.reason, connection)
    else {
      stamps.add(verdict.stamp)
      connection.pid = verdict.pid
      if (verdict.pid !== null) pids.add(verdict.pid)
      if (verdict.stamp < least) note('stale', `stamp ${verdict.stamp} after ${least} was live`, connection)
    }
  } catch (error) {
    note('failed', error instanceof Error ? `${error.message} ${(error as { code?: string }).code ?? ''}` : String(error), connection)
  }
  counts.longestMs = Math.max(counts.longestMs, performance.now() - askedAt)
}

function note(kind: keyof typeof found, reason: string, { pid }: Connection): void {
  if (found[kind].length >= kept) return
  found[kind].push(reason)
  if (kind === 'failed') failedOn.push(pid)
}
