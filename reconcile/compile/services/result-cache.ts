// Keeps what was worked out from contents, by a digest of those contents: in memory for the life of the process, on disk for the
// next one. Whatever is wrong with the disk costs time and nothing else.

import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Digest, digestOfBytes } from '../../../schema/digest.ts'

// Enough for several branches of a large estate; a value is some kilobytes.
const maxInMemory = 20_000
const maxAgeMs = 30 * 24 * 3_600_000

export class ResultCache implements AsyncDisposable {
  readonly #memory = new Map<Digest, unknown>()
  readonly #directory: string | null
  readonly #pending = new Set<Promise<void>>()

  /** @param version what besides the contents decides results; those of other versions are removed from `directory` */
  constructor(directory: string | null, version: string) {
    this.#directory = directory === null ? null : join(directory, digestOfBytes(version).slice(0, 16))
    if (directory !== null && this.#directory !== null) this.#track(prepareDirectory(directory, this.#directory))
  }

  /** What was kept under `key`; the caller knows its type, as it knows what the key was made of. */
  async get<Value>(key: Digest): Promise<Value | undefined> {
    const known = this.#memory.get(key)
    if (known !== undefined) {
      // Moved to the end, so that what is used stays.
      this.#memory.delete(key)
      this.#memory.set(key, known)
      return known as Value // put under the same key
    }
    if (this.#directory === null) return undefined
    const value = await readResult<Value>(this.#fileOf(this.#directory, key))
    if (value !== undefined) this.#remember(key, value)
    return value
  }

  /** Whether nothing is known, here or on disk: what is asked for next has to be worked out. */
  async isEmpty(): Promise<boolean> {
    if (this.#memory.size > 0) return false
    await Promise.all(this.#pending)
    const kept = this.#directory === null ? [] : await readdir(this.#directory).catch(() => []) // not there: nothing was kept
    return kept.length === 0
  }

  /** Returns at once; the disk follows. `value` is JSON. */
  put(key: Digest, value: unknown): void {
    this.#remember(key, value)
    if (this.#directory !== null) this.#track(writeResult(this.#fileOf(this.#directory, key), value))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#pending)
  }

  #remember(key: Digest, value: unknown): void {
    this.#memory.set(key, value)
    if (this.#memory.size <= maxInMemory) return
    const [oldest] = this.#memory.keys()
    if (oldest !== undefined) this.#memory.delete(oldest)
  }

  #fileOf(directory: string, key: Digest): string {
    return join(directory, `${key}.json`)
  }

  #track(work: Promise<void>): void {
    // A full or read-only disk makes the cache useless, not the compilation wrong.
    const settled = work.catch(() => undefined).then(() => void this.#pending.delete(settled))
    this.#pending.add(settled)
  }
}

async function prepareDirectory(root: string, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  for (const entry of await readdir(root, { withFileTypes: true }))
    if (entry.isDirectory() && /^[0-9a-f]{16}$/.test(entry.name) && join(root, entry.name) !== directory)
      await rm(join(root, entry.name), { recursive: true, force: true })
  const before = Date.now() - maxAgeMs
  for (const name of await readdir(directory)) {
    const path = join(directory, name)
    if ((await stat(path)).mtimeMs < before) await rm(path, { force: true })
  }
}

/** The first line is the digest of the rest, so that a damaged file is a miss. */
async function readResult<Value>(path: string): Promise<Value | undefined> {
  try {
    const text = await readFile(path, 'utf8')
    const body = text.slice(65)
    return digestOfBytes(body) === text.slice(0, 64) ? (JSON.parse(body) as Value) : undefined // written by `writeResult`
  } catch {
    // Absent or unreadable: it is worked out anew.
    return undefined
  }
}

async function writeResult(path: string, value: unknown): Promise<void> {
  const body = JSON.stringify(value)
  const temporary = `${path}.${process.pid}`
  const text = `${digestOfBytes(body)}\n${body}`
  try {
    await writeFile(temporary, text)
  } catch {
    await mkdir(join(path, '..'), { recursive: true })
    await writeFile(temporary, text)
  }
  await rename(temporary, path)
}
