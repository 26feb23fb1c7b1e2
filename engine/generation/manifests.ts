// Manifests on disk, under `<data>/manifests`. A file is full, or a delta to the file it names as its base; it is named by the
// SHA-256 of its bytes, so that a base is part of the name of what builds on it and a flipped bit anywhere is found.
//
// A file is newline-delimited JSON: the header, then one line for each entry, removed ref and module. Lines are read and
// written in slices, as 50,000 of them would hold the thread for a second.

import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '../../schema/digest.ts'
import type { Ref, Revision } from '../../schema/ref.ts'
import type { Module } from '../../schema/resource.ts'
import { syncDirectory, writeAside } from './durable.ts'
import type { Delta, Entry, Manifest, Settings } from './manifest.ts'
import { NamedModules } from './named-modules.ts'
import { PersistentMap } from './persistent-map.ts'
import { createSlices } from './slice.ts'

export type Bases = Map<string, string | null>

/** A manifest that cannot be read back: its file, or one it builds on, is missing or not what was written. */
export class ManifestError extends Error {
  readonly retryable = false
  readonly file: string

  constructor(file: string, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'ManifestError'
    this.file = file
  }
}

/** What a manifest is written on: a file on disk, and the way from it. */
export interface OnBase {
  readonly base: { readonly name: string }
  readonly delta: Delta
}

const formatVersion = 1
/** Deltas that a reader folds at most; at 33 files a boot opens too many. */
const maxDepth = 32
const chunkBytes = 256 * 1024
/** Holds most headers. */
const headerBytes = 8 * 1024
const nameGrammar = /^[0-9a-f]{64}\.manifest$/

interface Header {
  readonly plumb: 'manifest'
  readonly version: number
  /** File that the lines are a delta to; null: they are all there is. */
  readonly base: string | null
  /** Deltas below this one, itself included; 0 for a full file. */
  readonly depth: number
  /** Bytes of the full file at the bottom, and of the deltas between it and this file; null in a full file, which is its own. */
  readonly chain: { readonly fullBytes: number; readonly deltaBytes: number } | null
  readonly revision: Revision | null
  readonly settings: Settings | null
  readonly lockfile: Digest | null
  /** Entries and modules of the manifest this file leads to. */
  readonly entries: number
  readonly modules: number
}

type Line = { readonly entry: Entry } | { readonly unset: Ref } | { readonly module: Module }

/**
 * Writes `manifest` and returns the name of its file, durable when it resolves. With `on`, the file holds only the delta from that
 * base, unless the chain is at its end or its deltas outweigh half of the full file: then a full one is written.
 * `on.delta` must lead from the manifest in `on.base` to `manifest`. A base that cannot be read is no error: a full file is written.
 */
export async function writeManifest(dataDir: string, manifest: Manifest, on: OnBase | null = null): Promise<string> {
  const dir = manifestsIn(dataDir)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const below = on && (await chainBelow(dir, on.base.name))
  const header: Header = {
    plumb: 'manifest',
    version: formatVersion,
    base: below ? below.base : null,
    depth: below ? below.depth : 0,
    chain: below ? below.chain : null,
    revision: manifest.revision,
    settings: manifest.settings,
    lockfile: manifest.lockfile,
    entries: manifest.entries.size,
    modules: manifest.modules.size,
  }
  return writeLines(dir, header, on && below ? linesOfDelta(on.delta, manifest) : linesOfFull(manifest))
}

/**
 * Reads the manifest of a file and of what it builds on.
 * @throws ManifestError where a file is missing, was changed, or is of another format
 */
export async function readManifest(dataDir: string, name: string): Promise<Manifest> {
  const dir = manifestsIn(dataDir)
  const chain = [name]
  for (let header = await readHeader(dir, name); header.base !== null; header = await readHeader(dir, header.base)) {
    if (chain.length > maxDepth) throw new ManifestError(name, `Cannot read manifest "${name}" as it builds on more than ${maxDepth} files`)
    chain.push(header.base)
  }
  let entries = PersistentMap.of<Ref, Entry>()
  const modules = new Map<Digest, Module>()
  let last: Header | null = null
  for (const file of chain.toReversed())
    last = await readLines(dir, file, line => {
      if ('entry' in line) entries = entries.with(line.entry.resource.ref, line.entry)
      else if ('unset' in line) entries = entries.without(line.unset)
      else modules.set(line.module.digest, line.module)
    })
  const kept = NamedModules.of(entries.values(), modules)
  if (!last || entries.size !== last.entries || kept.size !== last.modules)
    throw new ManifestError(name, `Cannot read manifest "${name}" as it does not add up: ${entries.size} entries and ${kept.size} modules`)
  return { revision: last.revision, entries, modules: kept, settings: last.settings, lockfile: last.lockfile }
}

/**
 * Removes every file that neither is in `keep` nor is below one that is, and what a crash left half written.
 * Must not run while a manifest is written. Returns the number of files removed.
 * @param bases what files name as their bases, as far as it was seen before: a name stands for what is in the file
 */
export async function collectManifests(dataDir: string, keep: readonly string[], bases: Bases = new Map()): Promise<number> {
  const dir = manifestsIn(dataDir)
  const kept = new Set<string>()
  for (const name of keep) {
    let next: string | null = name
    while (next !== null && !kept.has(next)) {
      kept.add(next)
      const base: string | null = bases.get(next) ?? (await baseOf(dir, next))
      bases.set(next, base)
      next = base
    }
  }
  const unreachable = (await readdir(dir).catch(noDirectory)).filter(name => !kept.has(name) && isOurs(name))
  for (const name of unreachable) await rm(join(dir, name), { force: true })
  for (const name of bases.keys()) if (!kept.has(name)) bases.delete(name)
  return unreachable.length
}

async function chainBelow(dir: string, base: string): Promise<Pick<Header, 'base' | 'depth' | 'chain'> | null> {
  try {
    const header = await readHeader(dir, base)
    const { size } = await stat(join(dir, base))
    const chain = header.chain
      ? { fullBytes: header.chain.fullBytes, deltaBytes: header.chain.deltaBytes + size }
      : { fullBytes: size, deltaBytes: 0 }
    if (header.depth >= maxDepth || chain.deltaBytes > chain.fullBytes / 2) return null
    return { base, depth: header.depth + 1, chain }
  } catch (cause) {
    if (cause instanceof ManifestError) return null
    throw cause
  }
}

async function baseOf(dir: string, name: string): Promise<string | null> {
  try {
    return (await readHeader(dir, name)).base
  } catch (cause) {
    // what cannot be read holds nothing alive; the one who wants to read it hears of it
    if (cause instanceof ManifestError) return null
    throw cause
  }
}

function* linesOfFull(manifest: Manifest): Generator<Line> {
  for (const entry of manifest.entries.values()) yield { entry }
  for (const module of manifest.modules.values()) yield { module }
}

function* linesOfDelta(delta: Delta, manifest: Manifest): Generator<Line> {
  for (const unset of delta.unset) yield { unset }
  for (const entry of delta.set) yield { entry }
  for (const module of delta.modules) if (manifest.modules.has(module.digest)) yield { module }
}

async function writeLines(dir: string, header: Header, lines: Iterable<Line>): Promise<string> {
  const hash = createHash('sha256')
  const aside = join(dir, 'writing.tmp')
  await writeAside(aside, async file => {
    const slices = createSlices()
    let pending = [`${JSON.stringify(header)}\n`]
    let pendingLength = 0
    for (const line of lines) {
      const text = `${JSON.stringify(line)}\n`
      pending.push(text)
      pendingLength += text.length
      if (pendingLength > chunkBytes) {
        await flush(file, pending.join(''))
        pending = []
        pendingLength = 0
      }
      if (slices.isSpent()) await slices.rest()
    }
    await flush(file, pending.join(''))
  })
  const name = `${hash.digest('hex')}.manifest`
  await rename(aside, join(dir, name))
  await syncDirectory(dir)
  return name

  async function flush(file: FileHandle, text: string): Promise<void> {
    const bytes = Buffer.from(text)
    hash.update(bytes)
    await file.writeFile(bytes)
  }
}

/** Calls `take` for every line after the header, and throws where the file is not what its name says. */
async function readLines(dir: string, name: string, take: (line: Line) => void): Promise<Header> {
  const slices = createSlices()
  const hash = createHash('sha256')
  let header: Header | null = null
  let broken: unknown = null
  for await (const line of linesIn(dir, name, { chunk: chunkBytes, seen: bytes => hash.update(bytes) })) {
    // a line that does not parse is reported by the checksum, which says more
    try {
      if (header === null) header = headerOf(name, JSON.parse(line))
      else take(JSON.parse(line) as Line) // the checksum below says that writeLines() wrote it
    } catch (cause) {
      broken ??= cause
    }
    if (slices.isSpent()) await slices.rest()
  }
  if (`${hash.digest('hex')}.manifest` !== name)
    throw new ManifestError(name, `Cannot read manifest "${name}" as its checksum does not match: the file was changed or cut off`, broken)
  if (broken instanceof ManifestError) throw broken
  if (broken !== null || header === null)
    throw new ManifestError(name, `Cannot read manifest "${name}" as it is not a file of ours`, broken)
  return header
}

async function readHeader(dir: string, name: string): Promise<Header> {
  for await (const line of linesIn(dir, name, { chunk: headerBytes })) {
    try {
      return headerOf(name, JSON.parse(line))
    } catch (cause) {
      if (cause instanceof ManifestError) throw cause
      throw new ManifestError(name, `Cannot read manifest "${name}" as its header is not whole`, cause)
    }
  }
  throw new ManifestError(name, `Cannot read manifest "${name}" as it is empty`)
}

function headerOf(name: string, parsed: unknown): Header {
  const header = parsed as Partial<Header> | null // every field that decides is checked here or by the checksum
  if (header?.plumb !== 'manifest') throw new ManifestError(name, `Cannot read manifest "${name}" as it is not a file of ours`)
  if (header.version !== formatVersion)
    throw new ManifestError(
      name,
      `Cannot read manifest "${name}" as its format is version ${JSON.stringify(header.version)}; this build reads version ${formatVersion}`,
    )
  if (header.base !== null && !nameGrammar.test(String(header.base)))
    throw new ManifestError(name, `Cannot read manifest "${name}" as the base it names is no manifest`)
  return header as Header // as above
}

async function* linesIn(
  dir: string,
  name: string,
  { chunk: size, seen }: { readonly chunk: number; readonly seen?: (bytes: Buffer) => void },
): AsyncGenerator<string> {
  if (!nameGrammar.test(name))
    throw new ManifestError(name, `Cannot read manifest ${JSON.stringify(name)} as that is no name of a manifest file`)
  await using file = await open(join(dir, name)).catch(cause => {
    throw new ManifestError(name, `Cannot read manifest "${name}" as its file cannot be opened: ${cause.message}`, cause)
  })
  let rest: Buffer[] = []
  for (;;) {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.allocUnsafe(size) })
    if (bytesRead === 0) break
    const chunk = buffer.subarray(0, bytesRead)
    seen?.(chunk)
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = chunk.subarray(start, end)
      yield rest.length > 0 ? Buffer.concat([...rest, line]).toString() : line.toString()
      rest = []
      start = end + 1
    }
    if (start < bytesRead) rest.push(chunk.subarray(start))
  }
  if (rest.length > 0) yield Buffer.concat(rest).toString()
}

function manifestsIn(dataDir: string): string {
  return join(dataDir, 'manifests')
}

function isOurs(name: string): boolean {
  return nameGrammar.test(name) || name === 'writing.tmp'
}

function noDirectory(cause: unknown): string[] {
  if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return []
  throw cause
}
