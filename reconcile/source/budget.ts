// How much of an estate is taken in. A repository that is larger is refused by name, before memory or time is spent on it.

import { printable } from './path.ts'
import { SourceError } from './source-error.ts'
import type { Tree, TreeFile } from './tree.ts'

export interface Budget {
  readonly entries: number
  /** Bytes of one file that is read; larger files may lie in the tree as long as nothing reads them. */
  readonly fileBytes: number
  /** The same of a file that npm wrote, which names every package that others need. */
  readonly lockfileBytes: number
  /** Bytes of all files of one `read`. */
  readonly totalBytes: number
}

export const defaultBudget: Budget = { entries: 20_000, fileBytes: 1024 * 1024, lockfileBytes: 16 * 1024 * 1024, totalBytes: 256_000_000 }

/** Bytes that the file at `path` may have. */
export function maxBytesOf(path: string, { fileBytes, lockfileBytes }: Budget): number {
  return /(?:^|\/)package-lock\.json$/.test(path) ? lockfileBytes : fileBytes
}

/** The files behind `paths`. @throws SourceError `refused` where one, or all together, are larger than the budget */
export function withinBudget(files: Tree['files'], paths: readonly string[], budget: Budget): readonly TreeFile[] {
  let total = 0
  return paths.map(path => {
    const file = files.get(path)
    if (file === undefined) throw new Error(`A file is read that is not in the tree: ${path}`)
    total += file.bytes
    const maxBytes = maxBytesOf(path, budget)
    if (file.bytes > maxBytes) {
      throw new SourceError('refused', `Cannot read ${printable(path)} as it has ${file.bytes} bytes; at most ${maxBytes} are accepted`, {
        path,
      })
    }
    if (total > budget.totalBytes)
      throw new SourceError('refused', `Cannot read the tree as its files have more than ${budget.totalBytes} bytes`, { path })
    return file
  })
}
