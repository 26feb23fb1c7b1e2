// What a working copy remembers of its deploys, under .plumb/: who it is, and what it sent. Where it is lost, files that were deployed
// count as changed by others, which asks once too often.

import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isObject } from '../schema/json.ts'

export interface DeployState {
  /** The working copy, for servers. */
  readonly client: string
  /** git's ids of what was sent, by path, the newest first; null where a file was taken away. */
  readonly sent: ReadonlyMap<string, readonly (string | null)[]>
  remember(sent: ReadonlyMap<string, string | null>): void
}

// A text that lies on any server and came from here is known again, also after deploys to another one.
const keptIds = 8

export function openDeployState(root: string): DeployState {
  const folder = join(root, '.plumb')
  const file = join(folder, 'deploys.json')
  const kept = read(file)
  const sent = new Map(Object.entries(kept.sent))
  return {
    client: kept.client,
    sent,
    remember(files) {
      for (const [path, id] of files) sent.set(path, [id, ...(sent.get(path) ?? []).filter(other => other !== id)].slice(0, keptIds))
      mkdirSync(folder, { recursive: true })
      writeFileSync(`${file}.tmp`, JSON.stringify({ client: kept.client, sent: Object.fromEntries(sent) } satisfies Kept))
      renameSync(`${file}.tmp`, file)
    },
  }
}

interface Kept {
  readonly client: string
  readonly sent: Readonly<Record<string, readonly (string | null)[]>>
}

function read(file: string): Kept {
  try {
    const found: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (isObject(found) && typeof found.client === 'string' && isObject(found.sent)) return found as unknown as Kept // as remember() writes it
  } catch {
    // There is none yet, or it is damaged: a new one is begun.
  }
  return { client: randomBytes(12).toString('hex'), sent: {} }
}
