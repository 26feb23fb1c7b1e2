// Writes files into a folder that is being edited: all of them or none, and none over a file that is not what was expected there. The
// content lies complete beside its place before the first file is replaced, and a replacement is a rename.

import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, lstatSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { isAbsent } from './folders.ts'
import { blobId } from './objects.ts'
import { printable } from './path.ts'
import { SourceError } from './source-error.ts'

export interface FileChange {
  readonly path: string
  /** Null: the file goes. */
  readonly content: Uint8Array | null
  /** git's ids of what may lie there; null among them where nothing may. */
  readonly expected: readonly (string | null)[]
}

/**
 * @returns the paths where something else lies; then nothing was written
 * @throws SourceError `refused` for a link, `unreachable` where the file system refuses
 */
export function writeFiles(root: string, changes: readonly FileChange[]): readonly string[] {
  const aside = new Map<string, string>()
  try {
    for (const { path } of changes) refuseLinks(root, path)
    for (const { path, content } of changes) if (content !== null) aside.set(path, writeAside(join(root, path), content))
    const unexpected = changes.filter(({ path, expected }) => !expected.includes(blobAt(join(root, path)))).map(({ path }) => path)
    if (unexpected.length > 0) return unexpected
    for (const { path } of changes) {
      const written = aside.get(path)
      if (written === undefined) rmSync(join(root, path), { force: true })
      else renameSync(written, join(root, path))
      aside.delete(path)
    }
    return []
  } catch (cause) {
    if (cause instanceof SourceError) throw cause
    throw new SourceError('unreachable', `Cannot write into the estate as the file system refused it: ${reasonOf(cause)}`, { cause })
  } finally {
    for (const written of aside.values()) rmSync(written, { force: true })
  }
}

/** A link could lead out of the estate. */
function refuseLinks(root: string, path: string): void {
  for (let at = path; at !== '.'; at = posix.dirname(at)) {
    if (lstatSync(join(root, at), { throwIfNoEntry: false })?.isSymbolicLink())
      throw new SourceError('refused', `Cannot write ${printable(path)} as ${printable(at)} is a symbolic link`, { path })
  }
}

/** In the same folder, under a name that is no part of an estate. */
function writeAside(target: string, content: Uint8Array): string {
  mkdirSync(dirname(target), { recursive: true })
  const name = join(dirname(target), `.${randomBytes(6).toString('hex')}.tmp`)
  const mode = lstatSync(target, { throwIfNoEntry: false })?.mode ?? 0o644
  const file = openSync(name, 'wx', mode & 0o777)
  try {
    writeFileSync(file, content)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  return name
}

function blobAt(file: string): string | null {
  try {
    return blobId(readFileSync(file))
  } catch (cause) {
    if (isAbsent(cause)) return null
    throw cause
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
