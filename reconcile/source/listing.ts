// The files of a commit, by `git ls-tree` and without a checkout. Entries are judged while they arrive and git is ended at the first
// that is refused, so a repository that unfolds to millions of paths costs no more than the budget.

import type { Revision } from '../../schema/ref.ts'
import type { Budget } from './budget.ts'
import { CaseFolding, faultOf, notUtf8, printable } from './path.ts'
import { SourceError } from './source-error.ts'
import { runGit } from './spawn.ts'
import type { TreeFile } from './tree.ts'

const symbolicLink = '120000'
const gitlink = '160000'
const listMs = 30_000

/** @throws SourceError `refused` with the path, `corrupt` where the clone does not hold the commit */
export async function listFiles(gitDir: string, revision: Revision, budget: Budget): Promise<ReadonlyMap<string, TreeFile>> {
  const listing = new Listing(budget)
  const result = await runGit({
    args: ['ls-tree', '-r', '-z', '-l', '--full-tree', '--end-of-options', revision],
    gitDir,
    protocols: 'none',
    deadlineMs: listMs,
    onStdout: (chunk, stop) => {
      listing.take(chunk)
      if (listing.refusal) stop()
    },
  })
  if (listing.refusal) throw listing.refusal
  if (result.code !== 0) throw new SourceError('corrupt', `Cannot list revision ${revision} as the local clone does not hold it whole`)
  return listing.files
}

class Listing {
  readonly files = new Map<string, TreeFile>()
  refusal: SourceError | undefined
  readonly #budget: Budget
  readonly #folding = new CaseFolding()
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true })
  #held: Buffer = Buffer.alloc(0)

  constructor(budget: Budget) {
    this.#budget = budget
  }

  take(chunk: Buffer): void {
    const all = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    let from = 0
    for (let end = all.indexOf(0, from); end >= 0 && !this.refusal; end = all.indexOf(0, from)) {
      this.#entry(all.subarray(from, end))
      from = end + 1
    }
    this.#held = all.subarray(from)
  }

  /** `<mode> SP <type> SP <object> SP+ <size> TAB <path>` */
  #entry(record: Buffer): void {
    const tab = record.indexOf(9)
    const [mode, type, blob, size] = record.toString('latin1', 0, tab).split(/ +/)
    const path = this.#pathOf(record.subarray(tab + 1))
    if (path === undefined) return
    if (mode === symbolicLink) return this.#refuse(path, 'it is a symbolic link; only plain files are accepted')
    if (mode === gitlink) return this.#refuse(path, 'it is a submodule; only plain files are accepted')
    if (type !== 'blob' || blob === undefined) return this.#refuse(path, 'it is no plain file')
    const fault = faultOf(path)
    if (fault !== undefined) return this.#refuse(path, fault)
    const other = this.#folding.add(path)
    if (other !== undefined) return this.#refuse(path, `it differs from ${printable(other)} only by case`)
    if (this.files.size >= this.#budget.entries) return this.#refuse(path, `the tree has more than ${this.#budget.entries} files`)
    this.files.set(path, { path, blob, bytes: Number(size) })
  }

  #pathOf(bytes: Buffer): string | undefined {
    try {
      return this.#utf8.decode(bytes)
    } catch {
      this.refusal ??= notUtf8(bytes)
      return undefined
    }
  }

  #refuse(path: string, why: string): void {
    this.refusal ??= new SourceError('refused', `Cannot take in ${printable(path)} as ${why}`, { path })
  }
}
