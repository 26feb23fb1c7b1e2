// Which files of a working tree git would not have, by its own rules (`.gitignore`, `.git/info/exclude`): a commit of the folder would
// be without them. git is asked only where names are new or a rule changed, so a save of a known file starts nothing.

import { existsSync, lstatSync, readFileSync } from 'node:fs'
import { join, posix, resolve } from 'node:path'
import { SourceError } from './source-error.ts'
import { runGit } from './spawn.ts'

const askMs = 10_000

export class Ignored {
  readonly #root: string
  readonly #asked = new Set<string>()
  readonly #paths = new Set<string>()
  readonly #stamps = new Map<string, string>()

  constructor(root: string) {
    this.#root = root
  }

  /** Whether git keeps the folder; else nothing is ignored. */
  get isGit(): boolean {
    return existsSync(join(this.#root, '.git'))
  }

  /** Whether the file, or the folder with all below it, is ignored, as far as git was asked. */
  has(path: string): boolean {
    return this.#paths.has(path)
  }

  /** Asks about the files of `paths` that it was not asked about; true where an answer may have changed. */
  async refresh(paths: readonly string[]): Promise<boolean> {
    if (!this.isGit) return this.#forget()
    const hasForgotten = this.#haveRulesChanged(paths) && this.#forget()
    const fresh = new Set<string>()
    for (const path of paths) {
      for (let at = path; at !== '.' && !this.#asked.has(at); at = posix.dirname(at)) {
        this.#asked.add(at)
        fresh.add(at)
      }
    }
    if (fresh.size === 0) return hasForgotten
    const found = await this.#ignoredAmong([...fresh])
    for (const path of found) this.#paths.add(path)
    return hasForgotten || found.length > 0
  }

  #forget(): boolean {
    const knew = this.#paths.size > 0
    this.#asked.clear()
    this.#paths.clear()
    return knew
  }

  #haveRulesChanged(paths: readonly string[]): boolean {
    let changed = false
    const files = ['.gitignore', ...paths.filter(each => each.endsWith('/.gitignore'))].map(each => join(this.#root, each))
    for (const path of [...files, excludeFile(this.#root)]) {
      const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false })
      const stamp = stat ? `${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}` : ''
      if (this.#stamps.get(path) !== stamp) changed = true
      this.#stamps.set(path, stamp)
    }
    return changed
  }

  /** None where git cannot be asked: the fixed names are left out all the same. */
  async #ignoredAmong(paths: readonly string[]): Promise<string[]> {
    const chunks: Buffer[] = []
    try {
      await runGit({
        args: ['check-ignore', '-z', '--stdin'],
        gitDir: join(this.#root, '.git'),
        workTree: this.#root,
        // A leading dot keeps a name that begins with ":" from being read as a pattern.
        input: paths.map(path => `./${path}\0`).join(''),
        protocols: 'none',
        deadlineMs: askMs,
        onStdout: chunk => void chunks.push(chunk),
      })
    } catch (error) {
      if (error instanceof SourceError) return []
      throw error
    }
    const answers = Buffer.concat(chunks).toString().split('\0').slice(0, -1)
    return answers.map(path => path.slice('./'.length))
  }
}

/** The repository's own rules. In a linked worktree or a submodule `.git` is a file that names the folder. @see gitrepository-layout(5) */
function excludeFile(root: string): string {
  const git = join(root, '.git')
  if (lstatSync(git, { throwIfNoEntry: false })?.isFile() !== true) return join(git, 'info', 'exclude')
  const named = /^gitdir: (.+)$/m.exec(readFileSync(git, 'utf8'))?.[1] ?? ''
  const own = resolve(root, named)
  const common = join(own, 'commondir')
  return join(existsSync(common) ? resolve(own, readFileSync(common, 'utf8').trim()) : own, 'info', 'exclude')
}
