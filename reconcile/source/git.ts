// The estate as a git repository: which commit the followed ref names, the commit's history in one bare clone, and its files read from
// git's objects. Nothing is ever checked out and nothing of the repository is ever run.

import { simpleGit } from 'simple-git'
import type { Revision } from '../../schema/ref.ts'
import { isRevision } from '../../schema/ref.ts'
import { type Budget, defaultBudget, withinBudget } from './budget.ts'
import { Clone } from './clone.ts'
import { gitFault } from './faults.ts'
import { listFiles } from './listing.ts'
import { Objects } from './objects.ts'
import { fullRefOf, type Remote, remoteOf } from './remote.ts'
import { SourceError } from './source-error.ts'
import { gitEnvironment, gitPath, runGit } from './spawn.ts'
import type { Tree, TreeFile } from './tree.ts'

export interface GitSourceOptions {
  /** `https://…`, `ssh://…`, `user@host:path`; a path of this machine where `allowLocal`. */
  readonly url: string
  /** A branch name, or a full ref under `refs/heads/` or `refs/tags/`. */
  readonly ref: string
  /** A folder for the clone that no one else writes to. */
  readonly directory: string
  readonly allowLocal: boolean
  /** Milliseconds for `head`; default 15,000. */
  readonly headMs?: number
  /** Milliseconds for `fetch`; default 120,000. */
  readonly fetchMs?: number
  readonly budget?: Budget
}

export interface Commit {
  readonly revision: Revision
  readonly subject: string
  readonly author: string
  /** ISO time, as the author's clock said. */
  readonly at: string
}

export interface GitSource extends AsyncDisposable {
  /** The full ref that is followed. */
  readonly ref: string
  /** The remote without anything secret, for messages. */
  readonly shown: string
  /** The commit the remote's ref names, by one `ls-remote`; nothing is fetched. @throws SourceError */
  head(): Promise<Revision>
  /** Brings the history of the ref into the clone; concurrent calls share one fetch. @throws SourceError */
  fetch(): Promise<Revision>
  /** The files of a fetched commit. A damaged clone is made anew once. @throws SourceError */
  tree(revision: Revision): Promise<Tree>
  /** Who made the commit and why, for display only. @throws SourceError */
  commit(revision: Revision): Promise<Commit>
}

/** @throws SourceError `refused` where URL or ref are not accepted */
export function createGitSource(options: GitSourceOptions): GitSource {
  return new ClonedSource(options, remoteOf(options.url, options.allowLocal), fullRefOf(options.ref))
}

class ClonedSource implements GitSource {
  readonly ref: string
  readonly shown: string
  readonly #remote: Remote
  readonly #headMs: number
  readonly #budget: Budget
  readonly #clone: Clone
  readonly #stop = new AbortController()
  #objects: Objects
  #fetching: Promise<Revision> | undefined
  #damaged = false
  #fetched: Revision | undefined
  /** Files of the commit that was fetched last. It is listed while the fetch is still being noted. */
  #listed: { readonly commit: Revision; readonly files: Promise<Tree['files']> } | undefined

  constructor(options: GitSourceOptions, remote: Remote, ref: string) {
    this.ref = ref
    this.shown = remote.shown
    this.#remote = remote
    this.#headMs = options.headMs ?? 15_000
    this.#budget = options.budget ?? defaultBudget
    const { directory, fetchMs = 120_000 } = options
    this.#clone = new Clone({ directory, remote, ref, fetchMs, signal: this.#stop.signal })
    this.#objects = new Objects(this.#clone.gitDir)
  }

  async head(): Promise<Revision> {
    const peeled = `${this.ref}^{}`
    const result = await runGit({
      args: ['ls-remote', '--quiet', '--end-of-options', this.#remote.url, this.ref, peeled],
      gitDir: null,
      protocols: this.#remote.protocols,
      deadlineMs: this.#headMs,
      signal: this.#stop.signal,
    })
    if (result.code !== 0) throw gitFault(`read ${this.ref} of ${this.shown}`, result.stderr)
    const named = new Map(result.stdout.split('\n').map(line => line.split('\t').reverse() as [string, string])) // `<id>\t<ref>` lines
    const found = named.get(peeled) ?? named.get(this.ref)
    if (found === undefined) {
      throw new SourceError(
        'ref-missing',
        `Cannot follow ${this.ref} of ${this.shown} as no repository there has such a ref; the live generation stays`,
      )
    }
    if (!isRevision(found)) throw new SourceError('garbage', `Cannot read ${this.ref} of ${this.shown} as the answer names no commit`)
    return found
  }

  fetch(): Promise<Revision> {
    this.#fetching ??= this.#fetch()
      .then(revision => {
        this.#fetched = revision
        return revision
      })
      .finally(() => {
        this.#fetching = undefined
      })
    return this.#fetching
  }

  async tree(revision: Revision): Promise<Tree> {
    try {
      return await this.#tree(revision)
    } catch (error) {
      if (!isCorrupt(error)) throw error
      // Only what was fetched must be there. Anyone may ask for another commit, and that must not cost a clone.
      if (revision !== this.#fetched)
        throw new SourceError('ref-missing', `Cannot read ${revision} as it is no commit in the history of ${this.ref}`)
      this.#damaged = true
      await this.fetch()
      return this.#tree(revision)
    }
  }

  async commit(revision: Revision): Promise<Commit> {
    const git = simpleGit({
      baseDir: this.#clone.gitDir,
      binary: gitPath(),
      config: ['core.hooksPath=/dev/null', 'core.fsmonitor=false', 'log.showSignature=false'],
      abort: this.#stop.signal,
      timeout: { block: 10_000 },
      allowEnvironment: Object.keys(gitEnvironment('none')),
      // The two settings switch hooks and monitors off; the guard cannot tell that from switching one on.
      unsafe: {
        allowUnsafeHooksPath: true,
        allowUnsafeFsMonitor: true,
        allowUnsafeAskPass: true,
        allowUnsafeSshCommand: true,
        allowUnsafeConfigPaths: true,
      },
    }).env(gitEnvironment('none'))
    try {
      const format = { subject: '%s', author: '%an', at: '%aI' }
      const { latest } = await git.log({ format, maxCount: 1, '--end-of-options': null, [revision]: null })
      if (latest) return { revision, subject: latest.subject, author: latest.author, at: latest.at }
    } catch (cause) {
      throw new SourceError('corrupt', `Cannot read the commit ${revision} as the local clone does not hold it`, { cause })
    }
    throw new SourceError('corrupt', `Cannot read the commit ${revision} as the local clone does not hold it`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#objects[Symbol.asyncDispose]()
    await this.#fetching?.catch(() => null) // it was told to stop; why it ended is not asked
  }

  async #fetch(): Promise<Revision> {
    if (this.#damaged) await this.#discard()
    try {
      return await this.#fetchOnce()
    } catch (error) {
      if (this.#stop.signal.aborted || !isCorrupt(error)) throw error
      await this.#discard()
      return this.#fetchOnce()
    }
  }

  async #fetchOnce(): Promise<Revision> {
    let listed: Promise<Tree['files']> | undefined
    const commit = await this.#clone.fetch(tip => {
      listed = listFiles(this.#clone.gitDir, tip, this.#budget)
      listed.catch(() => undefined) // told to whoever asks for the tree
    })
    if (listed) this.#listed = { commit, files: listed }
    return commit
  }

  async #discard(): Promise<void> {
    await this.#objects[Symbol.asyncDispose]()
    this.#objects = new Objects(this.#clone.gitDir)
    await this.#clone.discard()
    this.#listed = undefined
    this.#damaged = false
  }

  async #tree(revision: Revision): Promise<Tree> {
    const files = await this.#files(revision)
    return { revision, files, read: paths => this.#read(files, paths) }
  }

  async #files(revision: Revision): Promise<Tree['files']> {
    const listed = this.#listed
    if (listed?.commit !== revision) return listFiles(this.#clone.gitDir, revision, this.#budget)
    try {
      return await listed.files
    } catch (error) {
      if (this.#listed === listed) this.#listed = undefined
      throw error
    }
  }

  async #read(files: Tree['files'], paths: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
    const wanted = withinBudget(files, paths, this.#budget)
    try {
      return await this.#contents(wanted)
    } catch (error) {
      if (!isCorrupt(error) || this.#stop.signal.aborted) throw error
      this.#damaged = true
      await this.fetch()
      return this.#contents(wanted)
    }
  }

  async #contents(wanted: readonly TreeFile[]): Promise<ReadonlyMap<string, Uint8Array>> {
    const objects = this.#objects
    return new Map(await Promise.all(wanted.map(async file => [file.path, await objects.read(file.blob, file.bytes)] as const)))
  }
}

function isCorrupt(error: unknown): boolean {
  return error instanceof SourceError && error.kind === 'corrupt'
}
