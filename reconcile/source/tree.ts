// The files of one revision. Contents are read on demand and by blob, so that what is cached by blob is never read again.

import type { Revision } from '../../schema/ref.ts'

export interface TreeFile {
  /** Relative to the root of the estate, `/` between steps, NFC, no `..`. */
  readonly path: string
  /** git's blob id of the contents, also for files of a working tree. */
  readonly blob: string
  readonly bytes: number
}

export interface Tree {
  readonly revision: Revision
  readonly files: ReadonlyMap<string, TreeFile>
  /** Contents of the named files; a path that is not in `files` is an assertion. */
  read(paths: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>>
}
