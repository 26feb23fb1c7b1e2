// The estate as a folder that is being edited. A snapshot holds the text it was made from, so what is compiled is what was hashed, even
// when the editor saves again meanwhile. Files are told apart by inode, size and time of change; only what differs is read again.
// Of the folder's root it holds `environments/`, `services/`, and what a file in it leads to: docs/decisions/working-tree.md says why.

import { type Dirent, lstatSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Budget, defaultBudget, maxBytesOf } from './budget.ts'
import { entriesAt, isAbsent, isSkipped, undecodable, walk } from './folders.ts'
import { Ignored } from './ignored.ts'
import { everything, leadsOf } from './leads.ts'
import { blobId } from './objects.ts'
import { notUtf8, printable } from './path.ts'
import { SourceError } from './source-error.ts'
import type { Tree, TreeFile } from './tree.ts'
import { treeOf } from './upload.ts'
import { type Watch, watchFolders } from './watch.ts'

export interface WorktreeOptions {
  /** The root of the estate: the folder that holds `environments/`. */
  readonly root: string
  readonly budget?: Budget
  /** Quiet milliseconds after a change before it is told. Default 15. */
  readonly debounceMs?: number
  /** A folder that is never part of the estate, such as the data directory of the server that reads it. */
  readonly except?: string
  /** How a path on the disk is written in the tree. Default: as it is. */
  readonly nameOf?: (path: string) => string
}

export interface WorktreeSource extends AsyncDisposable {
  readonly root: string
  /** @throws SourceError `unreachable` where the root is gone, `refused` for a symbolic link or a path */
  snapshot(): Promise<Tree>
  /** Calls `onChange` after saves have settled; how many files changed is for the next snapshot to find out. Returns what ends it. */
  watch(onChange: () => void): () => void
  /** Runs `act` while no snapshot is taken, so that none sees a half of what it does. */
  exclusively<T>(act: () => T): Promise<T>
}

export function createWorktreeSource(options: WorktreeOptions): WorktreeSource {
  return new Worktree(options)
}

interface Seen {
  readonly stamp: string
  readonly file: TreeFile
  /** Undefined for a file over the budget: it is hashed and not kept. */
  readonly content: Uint8Array | undefined
  /** Where its text leads out of its folder at the root. */
  readonly leads: readonly string[]
  /** Changed so shortly before it was read that a later change may bear the same time. */
  readonly isRacy: boolean
}

type Top = ReadonlyMap<string, Dirent>

const parts = ['environments', 'services']
const rootFiles = ['package.json', 'package-lock.json', 'npm-shrinkwrap.json']
// Without git nothing says what is built and what is written; these are not entered when the whole root is looked at.
const builtNames = /^(?:\..*|build|coverage|dist|out|target|vendor|venv)$/
// File systems stamp times by the kernel's tick, 10 ms at most.
const racyMs = 20

class Worktree implements WorktreeSource {
  readonly root: string
  readonly #budget: Budget
  readonly #debounceMs: number
  readonly #except: string | null
  readonly #nameOf: (path: string) => string
  readonly #ignored: Ignored
  readonly #watches = new Set<Watch>()
  #cache: ReadonlyMap<string, Seen> = new Map()
  /** Names at the root that the last snapshot took in, and so what is watched. */
  #names: ReadonlySet<string> = new Set(parts)
  #turn: Promise<unknown> = Promise.resolve()

  constructor({ root, budget = defaultBudget, debounceMs = 15, except, nameOf = path => path }: WorktreeOptions) {
    this.root = resolve(root)
    this.#budget = budget
    this.#debounceMs = debounceMs
    this.#except = except === undefined ? null : resolve(except)
    this.#nameOf = nameOf
    this.#ignored = new Ignored(this.root)
  }

  snapshot(): Promise<Tree> {
    const taken = this.#turn.then(() => this.#snapshot())
    this.#turn = taken.catch(() => undefined) // told to whoever asked for it
    return taken
  }

  exclusively<T>(act: () => T): Promise<T> {
    const done = this.#turn.then(act)
    this.#turn = done.catch(() => undefined) // told to whoever asked for it
    return done
  }

  watch(onChange: () => void): () => void {
    const watch = watchFolders({
      folders: () => [this.root, ...this.#below(this.#names, 'folders').map(folder => join(this.root, folder))],
      isRelevant: name => !isSkipped(name),
      debounceMs: this.#debounceMs,
      onChange,
    })
    this.#watches.add(watch)
    return () => {
      this.#watches.delete(watch)
      watch.stop()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const watch of this.#watches) watch.stop()
    this.#watches.clear()
    await this.#turn
  }

  async #snapshot(): Promise<Tree> {
    const top = entriesAt(this.root)
    const names = new Set<string>()
    const seen = new Map<string, Seen>()
    let next = [...rootFiles, ...parts].filter(name => top.has(name))
    while (next.length > 0 && seen.size <= this.#budget.entries) {
      for (const name of next) names.add(name)
      const leads = new Set<string>()
      for (const path of await this.#pathsBelow(next, names, top)) {
        const one = this.#look(path)
        if (one === undefined) continue
        seen.set(path, one)
        for (const lead of one.leads) leads.add(lead)
        if (seen.size > this.#budget.entries) break
      }
      next = [...leads]
        .flatMap(lead => this.#namesFor(lead, top))
        .filter((name, index, all) => !names.has(name) && all.indexOf(name) === index)
    }
    this.#names = new Set([...names, ...parts])
    this.#cache = seen
    const named = this.#named(seen)
    return treeOf(
      [...named].map(([path, { file }]) => ({ ...file, path })),
      path => named.get(path)?.content,
      this.#budget,
    )
  }

  /** By the paths that the tree has. */
  #named(seen: ReadonlyMap<string, Seen>): ReadonlyMap<string, Seen> {
    const named = new Map<string, Seen>()
    for (const one of seen.values()) {
      const path = this.#nameOf(one.file.path)
      const other = named.get(path)
      if (other !== undefined) {
        const why = `${printable(other.file.path)} is the same name on another system`
        throw new SourceError('refused', `Cannot take in ${printable(one.file.path)} as ${why}`, { path })
      }
      named.set(path, one)
    }
    return named
  }

  /** Files at and below the names. They are watched before they are looked at, so that no save falls between. */
  async #pathsBelow(fresh: readonly string[], names: ReadonlySet<string>, top: Top): Promise<readonly string[]> {
    const folders = fresh.filter(name => top.get(name)?.isDirectory())
    const files = fresh.filter(name => !top.get(name)?.isDirectory())
    if (folders.some(name => !this.#names.has(name))) {
      // What git ignores is known before a folder is watched, and a folder is watched before what lies in it is taken for all there is.
      await this.#filesBelow(folders, files)
      this.#names = new Set([...this.#names, ...names])
      for (const watch of this.#watches) watch.renew()
    }
    const below = await this.#filesBelow(folders, files)
    return [...files.filter(name => !this.#isLeftOut(name)), ...below]
  }

  /** Without what git ignores; it is asked about `files` at the root as well. */
  async #filesBelow(folders: readonly string[], files: readonly string[]): Promise<readonly string[]> {
    let paths = this.#below(folders, 'files')
    while (await this.#ignored.refresh([...files, ...paths])) paths = this.#below(folders, 'files')
    return paths
  }

  #below(folders: Iterable<string>, wants: 'files' | 'folders'): string[] {
    const isLeftOut = (path: string) => this.#isLeftOut(path)
    return [...folders].flatMap(folder => [...walk(folder, { root: this.root, isLeftOut, wants })])
  }

  #isLeftOut(path: string): boolean {
    return this.#ignored.has(path) || (this.#except !== null && join(this.root, path) === this.#except)
  }

  /** What is named, with or without an ending, as an import may name it; where that is not there all, for a message tells what is near. */
  #namesFor(lead: string, top: Top): readonly string[] {
    const stem = stemOf(lead)
    const meant = lead === everything ? [] : [...top.keys()].filter(name => name === lead || stemOf(name) === stem)
    if (meant.length > 0) return meant
    return [...top.keys()].filter(name => this.#ignored.isGit || !builtNames.test(name))
  }

  /** Undefined for a file that went away between listing and reading. */
  #look(path: string): Seen | undefined {
    const known = this.#cache.get(path)
    const at = join(this.root, path)
    const bytes = undecodable(this.root, path)
    if (bytes !== undefined) throw notUtf8(bytes)
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
    if (content.length > maxBytesOf(path, this.#budget)) return { stamp, file, content: undefined, leads: [], isRacy }
    return { stamp, file, content, leads: leadsOf(path, content), isRacy }
  }
}

function readIfThere(at: string): Uint8Array | undefined {
  try {
    return new Uint8Array(readFileSync(at))
  } catch (cause) {
    if (isAbsent(cause)) return undefined
    throw new SourceError('unreachable', `Cannot read ${printable(at)} as the file system refused it`, { cause })
  }
}

function stemOf(name: string): string {
  return name.split('.', name.startsWith('.') ? 2 : 1).join('.')
}
