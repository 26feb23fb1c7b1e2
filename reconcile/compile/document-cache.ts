// Parsed documents by blob id: a file whose bytes did not change is never read or parsed again, by this process or the next.
// On disk one file per blob, its first line a format number and a checksum of the rest; anything unexpected there is a miss.

import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { TreeFile } from '../source/tree.ts'
import type { Parsed } from './document.ts'
import { Memo } from './memo.ts'
import { Parser, type ParserOptions } from './parser.ts'

/** Raise it whenever parse.ts or document.ts gives something else for the same bytes. */
const format = 1

export interface DocumentCacheOptions extends ParserOptions {
  /** Where parsed documents are kept between processes; null keeps them in memory only. Created when first written. */
  readonly directory: string | null
  /** Files that are kept there; the oldest ones go first, once per process. Default 20,000. */
  readonly maxFiles?: number
}

export class DocumentCache {
  /** What follows from the documents alone; it lives as long as they do. */
  readonly memo = new Memo()
  readonly #directory: string | null
  readonly #maxFiles: number
  readonly #parser: Parser
  readonly #known = new Map<string, Parsed>()
  /** blob → text that is to be kept on disk. */
  #unsaved = new Map<string, string>()
  #saving: Promise<void> = Promise.resolve()
  #isPruned = false

  constructor(options: DocumentCacheOptions) {
    this.#directory = options.directory
    this.#maxFiles = options.maxFiles ?? 20_000
    this.#parser = new Parser(options)
  }

  /** Starts the process that parses. */
  warm(): void {
    this.#parser.warm()
  }

  /**
   * The parsed form of each file, by path. `read` is called once, with the paths that neither memory nor disk knows.
   * Files with the same bytes share one `Parsed`, and so do successive calls: its identity may be used as a cache key.
   * `onRead` is called while others are still read, with what memory did not know.
   */
  async parsed(
    files: readonly TreeFile[],
    read: (paths: readonly string[]) => Promise<ReadonlyMap<string, Uint8Array>>,
    onRead: (path: string, parsed: Parsed) => void = () => undefined,
  ): Promise<ReadonlyMap<string, Parsed>> {
    this.#parser.warm()
    const unknown = new Map(files.filter(file => !this.#known.has(file.blob)).map(file => [file.blob, file]))
    await inBatches([...unknown.values()], 32, async ({ blob, path }) => {
      const stored = await this.#stored(blob)
      if (!stored) return
      this.#known.set(blob, stored)
      unknown.delete(blob)
      onRead(path, stored)
    })
    const passing = new Map<string, Parsed>()
    if (unknown.size > 0) {
      const contents = await read([...unknown.values()].map(file => file.path))
      const parseOne = async (file: TreeFile): Promise<void> => {
        const parsed = await this.#parse(file, contents.get(file.path), passing)
        if (parsed) onRead(file.path, parsed)
      }
      await Promise.all([...unknown.values()].map(parseOne))
      this.#save()
    }
    const found = new Map<string, Parsed>()
    for (const file of files) {
      const parsed = this.#used(file.blob) ?? passing.get(file.blob)
      if (!parsed) throw new Error(`Cannot compile as the contents of "${file.path}" were not handed over`)
      found.set(file.path, parsed)
    }
    this.#forget(new Set(files.map(file => file.blob)))
    return found
  }

  /** Waits for what is being written, then ends the parse process. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#saving
    await this.#parser[Symbol.asyncDispose]()
  }

  /** What is used moves to the end, so that the front of the map is what was not used for longest. */
  #used(blob: string): Parsed | undefined {
    const parsed = this.#known.get(blob)
    if (!parsed) return undefined
    this.#known.delete(blob)
    this.#known.set(blob, parsed)
    return parsed
  }

  /** Keeps memory bounded over many revisions; the disk keeps what is forgotten here. */
  #forget(except: ReadonlySet<string>): void {
    let marks = 0
    for (const parsed of this.#known.values()) marks += marksOf(parsed)
    for (const [blob, parsed] of this.#known) {
      if (marks <= maxMarks || except.has(blob)) return
      marks -= marksOf(parsed)
      this.#known.delete(blob)
    }
  }

  async #parse(file: TreeFile, bytes: Uint8Array | undefined, passing: Map<string, Parsed>): Promise<Parsed | undefined> {
    if (!bytes) return undefined
    const { text, complete } = await this.#parser.parse(bytes)
    const parsed = JSON.parse(text) as Parsed // written by parse-child.ts
    if (!complete) {
      passing.set(file.blob, parsed)
      return parsed
    }
    this.#known.set(file.blob, parsed)
    this.#unsaved.set(file.blob, text)
    return parsed
  }

  async #stored(blob: string): Promise<Parsed | undefined> {
    if (this.#directory === null) return undefined
    let stored: string
    try {
      stored = await readFile(join(this.#directory, `${blob}.json`), 'utf8')
    } catch {
      // Not there, or not readable: the file is parsed instead.
      return undefined
    }
    const end = stored.indexOf('\n')
    const text = stored.slice(end + 1)
    if (stored.slice(0, end) !== headOf(text)) return undefined
    return JSON.parse(text) as Parsed // the checksum says these are the bytes that were written
  }

  /** Whoever waits for the documents goes first. */
  #save(): void {
    const texts = this.#unsaved
    this.#unsaved = new Map()
    const directory = this.#directory
    if (directory === null) return
    this.#saving = this.#saving.then(async () => {
      await setImmediate()
      try {
        await mkdir(directory, { recursive: true })
        await inBatches([...texts], 8, ([blob, text]) => store(directory, blob, text))
        if (!this.#isPruned) await pruneOldest(directory, this.#maxFiles)
        this.#isPruned = true
      } catch {
        // A cache that cannot be written (full disk, read-only) costs time, never a compilation.
      }
    })
  }
}

async function store(directory: string, blob: string, text: string): Promise<void> {
  const temporary = join(directory, `.${randomUUID()}`)
  try {
    await writeFile(temporary, `${headOf(text)}\n${text}`)
    await rename(temporary, join(directory, `${blob}.json`))
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function pruneOldest(directory: string, maxFiles: number): Promise<void> {
  const names = await readdir(directory)
  if (names.length <= maxFiles) return
  const aged: { path: string; at: number }[] = []
  await inBatches(names, 32, async name => {
    const path = join(directory, name)
    const found = await stat(path).catch(() => undefined) // another process may have removed it
    if (found) aged.push({ path, at: found.mtimeMs })
  })
  aged.sort((one, other) => one.at - other.at)
  await inBatches(aged.slice(0, aged.length - maxFiles), 32, ({ path }) => rm(path, { force: true }))
}

// About 200 bytes of memory each, with the values they belong to: some hundred megabytes in all.
const maxMarks = 2_000_000

function marksOf(parsed: Parsed): number {
  return parsed.kind === 'document' ? parsed.document.marks.length : 1
}

function headOf(text: string): string {
  return `plumb-document ${format} ${createHash('sha256').update(text).digest('hex')}`
}

async function inBatches<Item>(items: readonly Item[], size: number, work: (item: Item) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += size) await Promise.all(items.slice(start, start + size).map(work))
}
