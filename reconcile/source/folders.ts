// What lies in the folders of a working tree, by name alone.

import { isUtf8 } from 'node:buffer'
import { type Dirent, readdirSync } from 'node:fs'
import { join, posix } from 'node:path'
import { printable } from './path.ts'
import { SourceError } from './source-error.ts'

const skipped = new Set(['node_modules', '.git', '.plumb', '.DS_Store', '4913'])

/** What editors and package managers leave lying about. */
export function isSkipped(name: string): boolean {
  return skipped.has(name) || name.startsWith('.#') || /(?:~|\.sw[a-z]|\.tmp|___jb_(?:tmp|old)___)$/.test(name) || /^#.*#$/.test(name)
}

/** Entries at the root of the estate. @throws SourceError `unreachable` where it is gone */
export function entriesAt(root: string): ReadonlyMap<string, Dirent> {
  const entries = listed(root, '')
  if (entries === undefined) throw new SourceError('unreachable', `Cannot read the estate as the folder ${printable(root)} is not there`)
  return new Map(entries.map(entry => [entry.name, entry]))
}

interface Walk {
  readonly root: string
  /** Whether a folder or file is left out, by its path. */
  readonly isLeftOut: (path: string) => boolean
  readonly wants: 'files' | 'folders'
}

/** Paths below `folder`: of files, or of `folder` and the folders below it. A name that is not UTF-8 is told as that of a file. */
export function* walk(folder: string, { root, isLeftOut, wants }: Walk): Generator<string> {
  const entries = isLeftOut(folder) ? undefined : listed(root, folder)
  if (entries === undefined) return
  if (wants === 'folders') yield folder
  for (const entry of entries) {
    const path = `${folder}/${entry.name}`
    if (isLeftOut(path)) continue
    if (entry.isDirectory() && undecodable(root, path) === undefined) yield* walk(path, { root, isLeftOut, wants })
    // What is a pipe, a socket or a device cannot be in git either.
    else if (wants === 'files' && (entry.isFile() || entry.isDirectory() || entry.isSymbolicLink())) yield path
  }
}

/** The bytes of the path where its name is not UTF-8, as Node shows such a name with U+FFFD for what it could not read. */
export function undecodable(root: string, path: string): Buffer | undefined {
  if (!path.includes('\ufffd')) return undefined
  const name = posix.basename(path)
  const folder = posix.dirname(path)
  const bytes = readdirSync(join(root, folder), { encoding: 'buffer' }).find(each => each.toString() === name && !isUtf8(each))
  return bytes && Buffer.concat([Buffer.from(folder === '.' ? '' : `${folder}/`), bytes])
}

export function isAbsent(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')
}

/** Undefined for a folder that is not there. */
function listed(root: string, folder: string): Dirent[] | undefined {
  try {
    return readdirSync(join(root, folder), { withFileTypes: true }).filter(({ name }) => !isSkipped(name))
  } catch (cause) {
    if (isAbsent(cause)) return undefined
    throw new SourceError('unreachable', `Cannot read the folder ${printable(folder)} as the file system refused it`, { cause })
  }
}
