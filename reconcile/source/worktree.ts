// The estate as a folder that is being edited. A snapshot holds the text it was made from, so what is compiled is what was hashed, even
// when the editor saves again meanwhile. Files are told apart by inode, size and time of change; only what differs is read again.

import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Budget, defaultBudget } from './budget.ts'
import { blobId } from './objects.ts'
import { printable } from './path.ts'
import { SourceError } from './source-error.ts'
import type { Tree, TreeFile } from './tree.ts'
import { treeOf } from './upload.ts'
import { watchFolders } from './watch.ts'

export interface WorktreeOptions {
  /** The root of the estate: the folder that holds `environments/`. */
  readonly root: string
  readonly budget?: Budget
  /** Quiet milliseconds after a change before it is told. Default 15. */
  readonly debounceMs?: number
}

export interface WorktreeSource extends AsyncDisposable {
  readonly root: string
  /** @throws SourceError `unreachable` where the root is gone, `refused` for a symbolic link or a path */
  snapshot(): Promise<Tree>
  /** Calls `onChange` after saves have settled; how many files changed is for the next snapshot to find out. Returns what ends it. */
  watch(onChange: () => void): () => void
}

export function createWorktreeSource(options: WorktreeOptions): WorktreeSource {
  const root = resolve(options.root)
  const { budget = defaultBudget, debounceMs = 15 } = options
  const cache = new Map<string, Seen>()
  const stops = new Set<() => void>()
  return {
    root,
    async snapshot() {
      return snapshotOf(root, cache, budget)
    },
    watch(onChange) {
      const stop = watchFolders({ folders: () => foldersOf(root), isRelevant: name => !isSkipped(name), debounceMs, onChange })
      const end = () => {
        stops.delete(end)
        stop()
      }
      stops.add(end)
      return end
    },
    async [Symbol.asyncDispose]() {
      for (const end of [...stops]) end()
    },
  }
}

interface Seen {
  readonly stamp: string
  readonly file: TreeFile
  /** Undefined for a file over the budget: it is hashed and not kept. */
  readonly content: Uint8Array | undefined
  /** Changed so shortly before it was read that a later change may bear the same time. */
  readonly isRacy: boolean
}

const parts = ['environments', 'services']
const rootFiles = ['package.json', 'package-lock.json', 'npm-shrinkwrap.json']
const skipped = new Set(['node_modules', '.git', '.plumb', '.DS_Store', '4913'])
// File systems stamp times by the kernel's tick, 10 ms at most.
const racyMs = 20

/** What editors and package managers leave lying about. */
function isSkipped(name: string): boolean {
  return skipped.has(name) || name.startsWith('.#') || /(?:~|\.sw[a-z]|\.tmp|___jb_(?:tmp|old)___)$/.test(name) || /^#.*#$/.test(name)
}

function snapshotOf(root: string, cache: Map<string, Seen>, budget: Budget): Tree {
  const seen = new Map<string, Seen>()
  for (const path of pathsOf(root)) {
    const one = look(root, path, cache.get(path), budget)
    if (one) seen.set(path, one)
    if (seen.size > budget.entries) break
  }
  cache.clear()
  for (const [path, one] of seen) cache.set(path, one)
  return treeOf(
    [...seen.values()].map(one => one.file),
    path => seen.get(path)?.content,
    budget,
  )
}

/** Undefined for a file that went away between listing and reading. */
function look(root: string, path: string, known: Seen | undefined, budget: Budget): Seen | undefined {
  const at = join(root, path)
  const stat = lstatSync(at, { bigint: true, throwIfNoEntry: false })
  if (stat === undefined) return undefined
  if (!stat.isFile()) throw new SourceError('refused', `Cannot take in ${printable(path)} as it is no plain file`, { path })
  const stamp = `${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`
  if (known && known.stamp === stamp && !known.isRacy) return known
  const content = readIfThere(at)
  if (content === undefined) return undefined
  const isRacy = Date.now() - Number(stat.ctimeMs) < racyMs
  const blob = blobId(content)
  if (known?.file.blob === blob) return { ...known, stamp, isRacy }
  const file = { path, blob, bytes: content.length }
  return { stamp, file, content: content.length > budget.fileBytes ? undefined : content, isRacy }
}

function readIfThere(at: string): Uint8Array | undefined {
  try {
    return new Uint8Array(readFileSync(at))
  } catch (cause) {
    if (isAbsent(cause)) return undefined
    throw new SourceError('unreachable', `Cannot read ${printable(at)} as the file system refused it`, { cause })
  }
}

function* pathsOf(root: string): Generator<string> {
  if (lstatSync(root, { throwIfNoEntry: false }) === undefined) {
    throw new SourceError('unreachable', `Cannot read the estate as the folder ${printable(root)} is not there`)
  }
  for (const name of rootFiles) if (lstatSync(join(root, name), { throwIfNoEntry: false })?.isFile()) yield name
  for (const part of parts) yield* walk(root, part, () => true)
}

function foldersOf(root: string): string[] {
  const folders = [root]
  for (const part of parts) for (const folder of walk(root, part, isFolder => isFolder)) folders.push(join(root, folder))
  return folders
}

/** Paths below `folder`: of files, or of `folder` and the folders below it where `only` says so. */
function* walk(root: string, folder: string, only: (isFolder: boolean) => boolean): Generator<string> {
  let entries: ReturnType<typeof list>
  try {
    entries = list(join(root, folder))
  } catch (cause) {
    if (isAbsent(cause)) return
    throw new SourceError('unreachable', `Cannot read the folder ${printable(folder)} as the file system refused it`, { cause })
  }
  const wantsFiles = only(false)
  if (!wantsFiles) yield folder
  for (const entry of entries) {
    if (isSkipped(entry.name)) continue
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) yield* walk(root, path, only)
    else if (wantsFiles) yield path
  }
}

function list(folder: string) {
  return readdirSync(folder, { withFileTypes: true })
}

function isAbsent(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')
}
