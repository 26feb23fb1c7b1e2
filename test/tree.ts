// A tree in memory, for what reads files of a revision.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Tree } from '../reconcile/source/tree.ts'
import { revision } from '../schema/ref.ts'

/** `files` by path; blobs are what git would call them. `reads` lists the paths that were read, in order. */
export function memoryTree(files: Readonly<Record<string, string>>): Tree & { readonly reads: readonly string[] } {
  const contents = new Map(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)]))
  const blobs = new Map([...contents].map(([path, bytes]) => [path, blobOf(bytes)]))
  const reads: string[] = []
  const name = createHash('sha1')
    .update(JSON.stringify([...blobs].sort()))
    .digest('hex')
  return {
    revision: revision(`worktree-${name}`),
    files: new Map([...contents].map(([path, bytes]) => [path, { path, blob: blobs.get(path) ?? '', bytes: bytes.length }])),
    reads,
    async read(paths) {
      reads.push(...paths)
      return new Map(
        paths.map(path => {
          const bytes = contents.get(path)
          assert.ok(bytes, `${path} is in the tree`)
          return [path, bytes]
        }),
      )
    },
  }
}

function blobOf(bytes: Buffer): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
}
