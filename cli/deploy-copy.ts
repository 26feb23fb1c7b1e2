// The working copy as a deploy sees it: every file that compilation reads, under the name and with the ends of lines that the server has.

import { withLf } from '../reconcile/source/line-ends.ts'
import { blobId } from '../reconcile/source/objects.ts'
import { SourceError } from '../reconcile/source/source-error.ts'
import type { Tree } from '../reconcile/source/tree.ts'
import type { WorktreeSource } from '../reconcile/source/worktree.ts'
import { issue } from '../schema/issue.ts'
import { CommandError } from './run.ts'

export interface WorkingCopy {
  readonly tree: Tree
  /** git's ids of each file: as it is, and where it has lines with CRLF also with LF. */
  readonly ids: ReadonlyMap<string, readonly string[]>
}

/** A file that is larger than this is not looked into for ends of lines unless it is sent. */
const maxTextBytes = 1024 * 1024

export class CopyReader {
  readonly #source: WorktreeSource
  /** With LF, by the id of what it was made from: undefined where it is the same. */
  readonly #lfIds = new Map<string, string | undefined>()

  constructor(source: WorktreeSource) {
    this.#source = source
  }

  /**
   * @param like an id of the server, by whose length its kind of hash is known
   * @throws CommandError for a name that is not accepted, with an issue
   */
  async read(like: string | undefined): Promise<WorkingCopy> {
    const tree = await this.#source.snapshot().catch(error => Promise.reject(nameError(error)))
    const length = like?.length === 64 ? 64 : 40
    const fresh = [...tree.files.values()].filter(file => !this.#lfIds.has(file.blob) && file.bytes <= maxTextBytes)
    const contents = await tree.read((length === 64 ? [...tree.files.values()] : fresh).map(({ path }) => path))
    for (const { path, blob } of fresh) {
      const content = contents.get(path) ?? new Uint8Array()
      const lf = withLf(content)
      this.#lfIds.set(blob, lf === content ? undefined : blobId(lf, length))
    }
    const ids = new Map<string, readonly string[]>()
    for (const { path, blob } of tree.files.values()) {
      const own = length === 40 ? blob : blobId(contents.get(path) ?? new Uint8Array(), length)
      const lf = this.#lfIds.get(blob)
      ids.set(path, lf === undefined ? [own] : [own, lf])
    }
    return { tree, ids }
  }
}

function nameError(error: unknown): unknown {
  if (!(error instanceof SourceError) || error.kind !== 'refused' || error.path === null) return error
  return new CommandError(error.message, {
    issues: [issue('TREE_REFUSED', error.message, { at: { path: error.path, line: 1, column: 1 } })],
  })
}
