// A tree made of files that were handed over: an upload of the command line, or a snapshot of a working tree. The same rules for paths
// as for a commit, and git's own blob ids, so that what a cache knows from a commit it knows here too.

import { createHash } from 'node:crypto'
import { type Revision, revision } from '../../schema/ref.ts'
import { type Budget, defaultBudget, withinBudget } from './budget.ts'
import { blobId } from './objects.ts'
import { CaseFolding, faultOf, printable } from './path.ts'
import { SourceError } from './source-error.ts'
import type { Tree, TreeFile } from './tree.ts'

export interface UploadedFile {
  readonly path: string
  readonly bytes: Uint8Array
}

/** @throws SourceError `refused` with the path */
export function uploadTree(uploaded: readonly UploadedFile[], budget: Budget = defaultBudget): Tree {
  const contents = new Map<string, Uint8Array>()
  const files: TreeFile[] = []
  for (const { path, bytes } of uploaded) {
    if (contents.has(path)) throw new SourceError('refused', `Cannot take in ${printable(path)} as it is there twice`, { path })
    contents.set(path, bytes)
    files.push({ path, blob: blobId(bytes), bytes: bytes.length })
  }
  return treeOf(files, path => contents.get(path), budget)
}

/** @param contentOf undefined for a file that is too large to be read; `read` refuses it by the budget before it asks */
export function treeOf(unsorted: readonly TreeFile[], contentOf: (path: string) => Uint8Array | undefined, budget: Budget): Tree {
  const folding = new CaseFolding()
  const sorted = [...unsorted].sort((a, b) => (a.path < b.path ? -1 : 1))
  if (sorted.length > budget.entries)
    throw new SourceError('refused', `Cannot take in the tree as it has more than ${budget.entries} files`)
  for (const { path } of sorted) {
    const collision = folding.add(path)
    const fault = faultOf(path) ?? (collision === undefined ? undefined : `it differs from ${printable(collision)} only by case`)
    if (fault !== undefined) throw new SourceError('refused', `Cannot take in ${printable(path)} as ${fault}`, { path })
  }
  const files = new Map(sorted.map(file => [file.path, file]))
  return {
    revision: filesRevision(sorted),
    files,
    async read(paths) {
      const found = new Map<string, Uint8Array>()
      for (const { path } of withinBudget(files, paths, budget)) found.set(path, contentOf(path) ?? new Uint8Array())
      return found
    },
  }
}

/** Equal files, equal revision, on every machine. `sorted` by path. */
export function filesRevision(sorted: readonly TreeFile[]): Revision {
  const hash = createHash('sha1')
  for (const file of sorted) hash.update(`${file.blob} ${file.path}\0`)
  return revision(`worktree-${hash.digest('hex')}`)
}
