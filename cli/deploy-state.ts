// What a working copy remembers of its deploys, under .plumb/: who it is, and what it sent to which server. Where it is lost, files that
// were deployed count as changed by others, which asks once too often.

import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isObject } from '../schema/json.ts'

export interface DeployState {
  /** The working copy, for the server. */
  readonly client: string
  /** git's ids of what was sent to the server, by path; null where a file was taken away. */
  sentTo(server: string): ReadonlyMap<string, string | null>
  remember(server: string, sent: ReadonlyMap<string, string | null>): void
}

export function openDeployState(root: string): DeployState {
  const folder = join(root, '.plumb')
  const file = join(folder, 'deploys.json')
  const kept = read(file)
  return {
    client: kept.client,
    sentTo: server => new Map(Object.entries(kept.servers[server] ?? {})),
    remember(server, sent) {
      kept.servers[server] = Object.fromEntries(sent)
      mkdirSync(folder, { recursive: true })
      writeFileSync(`${file}.tmp`, JSON.stringify(kept))
      renameSync(`${file}.tmp`, file)
    },
  }
}

interface Kept {
  readonly client: string
  readonly servers: Record<string, Record<string, string | null>>
}

function read(file: string): Kept {
  try {
    const found: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (isObject(found) && typeof found.client === 'string' && isObject(found.servers)) return found as unknown as Kept // as remember() writes it
  } catch {
    // There is none yet, or it is damaged: a new one is begun.
  }
  return { client: randomBytes(12).toString('hex'), servers: {} }
}
