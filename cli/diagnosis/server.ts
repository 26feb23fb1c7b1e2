// A server that runs: its version, what it says of itself, and whether the far ends of its connections answer.

import { isObject, type JsonObject } from '../../schema/json.ts'
import type { Asking } from '../run.ts'
import { type Diagnosis, ok, problem, skipped, warning } from './diagnosis.ts'

/** At most so many are pinged, so many at once. */
const maxPings = 200
const atOnce = 16

export function examineVersion(own: string, served: string): Diagnosis {
  if (own === served) return ok('version', `Server and command are ${own}`)
  return warning(
    'version',
    `The server is ${served}, this command ${own}`,
    'Use the command of the version that serves, or restart the server with this one',
  )
}

export function examineStatus(status: JsonObject): readonly Diagnosis[] {
  const conditions = listOf(status.conditions).filter(
    ({ type, status: holds }) => holds === true && type !== 'Ready' && type !== 'Reconciling',
  )
  const live = isObject(status.live) ? Number(status.live.generation ?? 0) : 0
  return [
    live > 0 ? ok('live', `Generation ${live} is live`) : problem('live', 'No generation is live', 'plumb status says why'),
    ...conditions.map(({ type, reason, since, message }) =>
      warning(String(type).toLowerCase(), `${reason}, since ${since}${message ? `: ${message}` : ''}`, 'plumb status says more'),
    ),
    ...listOf(status.quarantined).map(({ ref, reason }) =>
      problem('quarantine', `${ref} is quarantined: ${reason}`, 'Mend the service: a change of it has it tried again'),
    ),
  ]
}

/** Pings every connection that the server may be asked about. */
export async function examineConnections(client: Asking, kinds: readonly string[]): Promise<readonly Diagnosis[]> {
  const refs: string[] = []
  for (const kind of kinds) {
    const { resources } = await client.get(`resources?kind=${kind}&limit=1000`)
    refs.push(...listOf(resources).map(({ ref }) => String(ref)))
  }
  if (refs.length === 0) return [ok('connections', 'The environment declares none')]
  const found: Diagnosis[] = []
  const waiting = refs.slice(0, maxPings)
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let ref = waiting.shift(); ref !== undefined; ref = waiting.shift()) found.push(await examineConnection(client, ref))
    }),
  )
  const left = refs.length - maxPings
  return [
    ...found.sort((one, other) => one.check.localeCompare(other.check)),
    ...(left > 0 ? [skipped('connections', `${left} more were not asked`, 'plumb ping REF asks one')] : []),
  ]
}

async function examineConnection(client: Asking, ref: string): Promise<Diagnosis> {
  const answer = await client.post('ping', { ref })
  if (answer.ok === true) return ok(ref, `It answers in ${answer.elapsedMs} ms`)
  return problem(ref, String(answer.reason), 'See to the far end, or to host and credentials in its declaration')
}

function listOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}
