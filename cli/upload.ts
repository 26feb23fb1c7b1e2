// The files of a directory as an upload: the estate around an environment's directory, read as `plumb dev` would read it.

import { createWorktreeSource } from '../reconcile/source/worktree.ts'
import type { JsonObject } from '../schema/json.ts'
import { estateRoot } from './estate-root.ts'

export async function filesOf(directory: string): Promise<JsonObject[]> {
  await using source = createWorktreeSource({ root: estateRoot(directory) })
  const tree = await source.snapshot()
  const contents = await tree.read([...tree.files.keys()])
  return [...contents].map(([path, bytes]) => ({ path, base64: Buffer.from(bytes).toString('base64') }))
}
