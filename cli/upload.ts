// The files of a directory as an upload: the estate around an environment's directory, read as `plumb dev` would read it.

import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { createWorktreeSource } from '../reconcile/source/worktree.ts'
import type { JsonObject } from '../schema/json.ts'
import { CommandError, exit } from './run.ts'

/** The root of the estate that `directory` is, or lies in. @throws CommandError where there is none */
export function estateRoot(directory: string): string {
  for (let at = resolve(directory); ; at = dirname(at)) {
    if (existsSync(join(at, 'environments'))) return at
    if (at === dirname(at))
      throw new CommandError(
        `Cannot find an estate at ${resolve(directory)}: it, or a directory above it, has a folder "environments"; plumb init makes one`,
        { status: exit.usage },
      )
  }
}

export async function filesOf(directory: string): Promise<JsonObject[]> {
  await using source = createWorktreeSource({ root: estateRoot(directory) })
  const tree = await source.snapshot()
  const contents = await tree.read([...tree.files.keys()])
  return [...contents].map(([path, bytes]) => ({ path, base64: Buffer.from(bytes).toString('base64') }))
}
