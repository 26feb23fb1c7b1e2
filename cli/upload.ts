// The files of a directory as an upload: the estate around an environment's directory, read as `plumb dev` would read it.

import { defaultBudget } from '../reconcile/source/budget.ts'
import { createWorktreeSource } from '../reconcile/source/worktree.ts'
import type { JsonObject } from '../schema/json.ts'
import { estateRoot } from './estate-root.ts'

// A file that no compilation would read is handed over too, for the server tells of it at its place; beyond that it is refused here.
const budget = { ...defaultBudget, fileBytes: 8 * defaultBudget.fileBytes }

export async function filesOf(directory: string): Promise<JsonObject[]> {
  await using source = createWorktreeSource({ root: estateRoot(directory), budget })
  const tree = await source.snapshot()
  const contents = await tree.read([...tree.files.keys()])
  return [...contents].map(([path, bytes]) => ({ path, base64: Buffer.from(bytes).toString('base64') }))
}
