// Asks a server over one kept connection again and again until an answer shows what is waited for.

import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'undici'

export interface Probe {
  readonly origin: string
  readonly path: string
  readonly method: 'GET' | 'POST'
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface Seen {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

const giveUpMs = 60_000

/** `performance.now()` at the first answer for which `shows` is true. A refused connection is no answer. */
export async function firstAnswer(probe: Probe, shows: (seen: Seen) => boolean, pauseMs = 1): Promise<number> {
  const client = new Client(probe.origin, { pipelining: 1 })
  const giveUpAt = performance.now() + giveUpMs
  let last: Seen | unknown
  try {
    while (performance.now() < giveUpAt) {
      try {
        const seen = await ask(client, probe)
        if (shows(seen)) return performance.now()
        last = seen
      } catch (error) {
        last = error
      }
      await sleep(pauseMs)
    }
  } finally {
    await client.destroy()
  }
  throw new Error(`Cannot measure as no answer shows what is waited for within ${giveUpMs} ms; the last: ${JSON.stringify(last)}`, {
    cause: last,
  })
}

async function ask(client: Client, { path, method, body, headers }: Probe): Promise<Seen> {
  const answer = await client.request({
    path,
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body }),
  })
  return {
    status: answer.statusCode,
    contentType: String(answer.headers['content-type'] ?? ''),
    body: await answer.body.text(),
  }
}
