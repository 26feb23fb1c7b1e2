// The one bare clone of the estate: full history of one ref, no checkout. What a fetch brings is received into a quarantine folder and
// moved into the clone only when it is whole and git's own checks passed, so an aborted or malformed transfer leaves nothing behind.
// The folder belongs to this process alone, hence a lock file found in it is left over from a crash and is removed.

import { readdirSync, statSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isRevision, type Revision } from '../../schema/ref.ts'
import { gitFault } from './faults.ts'
import type { Remote } from './remote.ts'
import { SourceError } from './source-error.ts'
import { runGit } from './spawn.ts'

const headRef = 'refs/plumb/head'
const localMs = 30_000
const maxPackBytes = 1_000_000_000
// Every fetch leaves one pack; git opens each of them for a lookup, so they are joined now and then.
const maxPacks = 50

export interface CloneOptions {
  readonly directory: string
  readonly remote: Remote
  readonly ref: string
  readonly fetchMs: number
  readonly signal: AbortSignal
}

export class Clone {
  readonly gitDir: string
  readonly #options: CloneOptions

  constructor(options: CloneOptions) {
    this.#options = options
    this.gitDir = join(options.directory, 'estate.git')
  }

  /**
   * Brings the ref's history and returns the commit it names.
   * @param onReceived called with the commit, or the tag of it, as soon as it can be read
   * @throws SourceError
   */
  async fetch(onReceived: (tip: Revision) => void): Promise<Revision> {
    await this.#ensure()
    const quarantine = join(this.gitDir, 'incoming')
    await rm(quarantine, { recursive: true, force: true })
    await mkdir(join(quarantine, 'pack'), { recursive: true })
    try {
      const tip = await this.#receive(quarantine)
      await this.#admit(quarantine)
      onReceived(tip)
      const commit = await this.commitOf(tip)
      await this.#local(['update-ref', '--end-of-options', headRef, commit])
      await this.#joinPacks()
      return commit
    } finally {
      await rm(quarantine, { recursive: true, force: true })
    }
  }

  /** The commit that an object of the clone names. @throws SourceError `corrupt` */
  async commitOf(id: string): Promise<Revision> {
    const { code, stdout } = await this.#run(['rev-parse', '--verify', '--quiet', '--end-of-options', `${id}^{commit}`])
    const found = stdout.trim()
    if (code !== 0 || !isRevision(found)) throw new SourceError('corrupt', `Cannot find commit ${id} in the local clone`)
    return found
  }

  async discard(): Promise<void> {
    await rm(this.gitDir, { recursive: true, force: true })
  }

  async #ensure(): Promise<void> {
    const remoteFile = join(this.gitDir, 'plumb-remote')
    const known = await readFile(remoteFile, 'utf8').catch(() => null) // absent: no clone yet, or half of one
    if (known === this.#options.remote.url) return this.#removeLocks()
    await this.discard()
    const made = `${this.gitDir}.new`
    await rm(made, { recursive: true, force: true })
    await mkdir(this.#options.directory, { recursive: true, mode: 0o700 })
    const { code } = await runGit({
      args: ['init', '--quiet', '--bare', '--template=', '--end-of-options', made],
      gitDir: null,
      protocols: 'none',
      deadlineMs: localMs,
    })
    if (code !== 0) throw new SourceError('unreachable', `Cannot make the local clone as ${this.#options.directory} is not writable`)
    await writeFile(join(made, 'plumb-remote'), this.#options.remote.url)
    await rename(made, this.gitDir)
  }

  async #removeLocks(): Promise<void> {
    for (const entry of await readdir(this.gitDir, { recursive: true })) {
      if (entry.endsWith('.lock')) await rm(join(this.gitDir, entry), { force: true })
    }
  }

  async #receive(quarantine: string): Promise<Revision> {
    const { remote, ref, fetchMs, signal } = this.#options
    const oversize = new AbortController()
    const watch = setInterval(() => {
      if (folderBytes(join(quarantine, 'pack')) > maxPackBytes) oversize.abort()
    }, 250)
    try {
      const result = await runGit({
        args: ['fetch', '--quiet', '--no-tags', '--no-auto-maintenance', '--end-of-options', remote.url, ref],
        gitDir: this.gitDir,
        protocols: remote.protocols,
        deadlineMs: fetchMs,
        signal: AbortSignal.any([signal, oversize.signal]),
        env: { GIT_OBJECT_DIRECTORY: quarantine, GIT_ALTERNATE_OBJECT_DIRECTORIES: join(this.gitDir, 'objects') },
      })
      if (result.code !== 0) throw gitFault(`fetch ${ref} from ${remote.shown}`, result.stderr)
    } catch (error) {
      if (oversize.signal.aborted) throw new SourceError('refused', `Cannot fetch ${ref} as it brings more than ${maxPackBytes} bytes`)
      throw error
    } finally {
      clearInterval(watch)
    }
    const tip = (await readFile(join(this.gitDir, 'FETCH_HEAD'), 'utf8')).split('\t')[0] ?? ''
    if (!isRevision(tip)) throw new SourceError('garbage', `Cannot fetch ${ref} from ${remote.shown} as no commit was named`)
    return tip
  }

  /** The index goes last: a pack without one is invisible to git. */
  async #admit(quarantine: string): Promise<void> {
    const from = join(quarantine, 'pack')
    const to = join(this.gitDir, 'objects', 'pack')
    await mkdir(to, { recursive: true })
    const names = (await readdir(from)).filter(name => /^pack-[0-9a-f]+\.(?:pack|rev|idx)$/.test(name))
    for (const name of names.sort((a, b) => Number(a.endsWith('.idx')) - Number(b.endsWith('.idx')))) {
      await rename(join(from, name), join(to, name))
    }
  }

  async #joinPacks(): Promise<void> {
    const packs = (await readdir(join(this.gitDir, 'objects', 'pack'))).filter(name => name.endsWith('.pack'))
    if (packs.length > maxPacks) await this.#local(['repack', '-a', '-d', '-q'])
  }

  async #local(args: readonly string[]): Promise<void> {
    const { code } = await this.#run(args)
    if (code !== 0) throw new SourceError('corrupt', `Cannot run git ${args[0]} as the local clone is damaged`)
  }

  #run(args: readonly string[]) {
    return runGit({ args, gitDir: this.gitDir, protocols: 'none', deadlineMs: localMs })
  }
}

function folderBytes(folder: string): number {
  // Read without waiting: the fetch is bounded by this figure, and one or two entries are all there is.
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => sum + sizeOf(join(folder, entry.name)), 0)
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
