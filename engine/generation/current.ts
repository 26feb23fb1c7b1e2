// The commit point: `<data>/current` names what is live. Before its rename the old generation is live, after it the new one,
// whatever is killed in between. It carries its own history row, so that a crash before the row was inserted loses nothing.
//
// The file is two lines: `plumb-current <version> <SHA-256 of the second line>`, then the state as JSON.

import { createHash } from 'node:crypto'
import { link, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { failpoint } from '#failpoint'
import type { HistoryRow } from '../store/port.ts'
import { syncDirectory, writeAside } from './durable.ts'

/** A committed generation, as `current` names it. */
interface Committed {
  readonly serial: number
  readonly generation: number
  /** File name under `<data>/manifests`. */
  readonly manifest: string
}

export interface CurrentState extends Committed {
  /** The generation that was live before and passed probation; null where there is none. */
  readonly fallback: Committed | null
  /** ISO time; null outside probation. */
  readonly probationUntil: string | null
  /** Crashes counted in this probation. */
  readonly crashes: number
  /** The server ended in good order while this was on probation: the next boot counts no crash. */
  readonly endedInOrder?: true
  /** The serial that this one undid, and how it ended; absent where it followed on what it replaced. */
  readonly undone?: { readonly serial: number; readonly outcome: 'rolled-back' | 'failed-probation' }
  /** The history row of this serial. */
  readonly history: HistoryRow
}

/** What was found on disk. `recovered` is null where `current` itself was good, or where nothing was ever written. */
export type ReadCurrent =
  | { readonly state: CurrentState; readonly previous: CurrentState | null; readonly recovered: string | null }
  | { readonly state: null; readonly previous: null; readonly recovered: string | null }

/** The write did not happen (`committed: 'no'`), or the disk no longer tells whether it did: then only a restart can say. */
export class CurrentError extends Error {
  readonly retryable = true
  readonly committed: 'no' | 'unknown'

  constructor(committed: 'no' | 'unknown', message: string, cause: unknown) {
    super(message, { cause })
    this.name = 'CurrentError'
    this.committed = committed
  }
}

const formatVersion = 1
const magic = 'plumb-current'

/**
 * What is live according to the disk. A `current` that is not whole gives way to `current.previous`, and `recovered` says why;
 * where neither is usable the state is null with the reason. Never throws for what the files hold.
 */
export async function readCurrent(dataDir: string): Promise<ReadCurrent> {
  const [current, previous] = await Promise.all([readState(currentPath(dataDir)), readState(previousPath(dataDir))])
  const older = previous.kind === 'good' ? previous.state : null
  if (current.kind === 'good') return { state: current.state, previous: older, recovered: null }
  if (current.kind === 'absent' && previous.kind === 'absent') return { state: null, previous: null, recovered: null }
  const reason = reasonOf(dataDir, current)
  if (older) return { state: older, previous: null, recovered: `${reason}; serial ${older.serial} of current.previous is used` }
  return { state: null, previous: null, recovered: `${reason}; current.previous cannot stand in as ${whyNot(previous)}` }
}

/** A state that is on disk beside `current` and not yet live: nobody reads it. */
export interface StagedCurrent {
  /**
   * Makes it what is live. Resolves when it is durable.
   * @throws CurrentError; with `committed: 'no'` the old state is what a reader finds
   */
  commit(): Promise<void>
  discard(): Promise<void>
}

/**
 * Makes `state` what is live. Resolves when it is durable; the state before it stays as `current.previous`.
 * Calls must not overlap.
 * @throws CurrentError; with `committed: 'no'` the old state is what a reader finds
 */
export async function writeCurrent(dataDir: string, state: CurrentState): Promise<void> {
  const staged = await stageCurrent(dataDir, state)
  await staged.commit()
}

/**
 * Does what of `writeCurrent` may come to nothing: the file is written and flushed. `current.previous` stays as it is until the commit, so
 * that a state that is never committed costs nothing of what a restart could fall back on. Another write before the commit takes its place.
 * @throws CurrentError with `committed: 'no'`
 */
export async function stageCurrent(dataDir: string, state: CurrentState): Promise<StagedCurrent> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const path = currentPath(dataDir)
  const aside = `${path}.tmp`
  try {
    await writeAside(aside, async file => {
      await file.writeFile(encode(state))
      failpoint('snapshot.tmp')
    })
    failpoint('snapshot.fsynced')
  } catch (cause) {
    return await refuse(cause)
  }
  return {
    async commit() {
      const kept = await keepPrevious(dataDir).catch(refuse)
      await rename(aside, path).catch(refuse)
      try {
        failpoint('snapshot.renamed')
        await syncDirectory(dataDir)
      } catch (cause) {
        await takeBack(dataDir, { kept, serial: state.serial }, cause)
      }
    },
    discard: () => rm(aside, { force: true }),
  }

  async function refuse(cause: unknown): Promise<never> {
    await rm(aside, { force: true })
    throw new CurrentError(
      'no',
      `Cannot write "${path}" as the disk refused it: ${reasonFor(cause)}; serial ${state.serial} is not live`,
      cause,
    )
  }
}

type Found =
  | { readonly kind: 'good'; readonly state: CurrentState }
  | { readonly kind: 'absent' }
  | { readonly kind: 'bad'; readonly reason: string }

async function readState(path: string): Promise<Found> {
  try {
    return decode(await readFile(path))
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return { kind: 'absent' }
    return { kind: 'bad', reason: `it cannot be read: ${reasonFor(cause)}` }
  }
}

function encode(state: CurrentState): string {
  const body = JSON.stringify(state)
  return `${magic} ${formatVersion} ${checksum(body)}\n${body}\n`
}

function decode(bytes: Buffer): Found {
  if (bytes.length === 0) return { kind: 'bad', reason: 'it is empty' }
  const text = bytes.toString('utf8')
  const [header = '', body = '', rest] = text.split('\n')
  const [word, version, sum] = header.split(' ')
  if (word !== magic) return { kind: 'bad', reason: 'it is not a file of ours' }
  if (version !== String(formatVersion))
    return { kind: 'bad', reason: `its format is version ${JSON.stringify(version)}; this build reads version ${formatVersion}` }
  if (rest !== '' || checksum(body) !== sum || text !== `${header}\n${body}\n` || !Buffer.from(text).equals(bytes))
    return { kind: 'bad', reason: 'its checksum does not match' }
  return { kind: 'good', state: JSON.parse(body) as CurrentState } // the checksum says that encode() wrote it
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex')
}

/** Says whether there was something to keep: a `current` that is not whole never replaces a good `current.previous`. */
async function keepPrevious(dataDir: string): Promise<boolean> {
  const current = await readState(currentPath(dataDir))
  if (current.kind !== 'good') return false
  const aside = `${previousPath(dataDir)}.tmp`
  await rm(aside, { force: true })
  await link(currentPath(dataDir), aside)
  await rename(aside, previousPath(dataDir))
  // rename does nothing where both names are one file already, and leaves the first
  await rm(aside, { force: true })
  return true
}

/** The name was changed but may not last: the old one is put back, or nobody can say what a restart will find. */
async function takeBack(dataDir: string, was: { kept: boolean; serial: number }, cause: unknown): Promise<never> {
  const path = currentPath(dataDir)
  const previous = await readState(previousPath(dataDir))
  try {
    if (was.kept && previous.kind === 'good') {
      const aside = `${path}.tmp`
      await writeAside(aside, file => file.writeFile(encode(previous.state)))
      await rename(aside, path)
    } else {
      await rm(path, { force: true })
    }
    await syncDirectory(dataDir)
  } catch (second) {
    throw new CurrentError(
      'unknown',
      `Cannot say whether "${path}" was written as flushing its directory failed twice: ${reasonFor(second)}; a restart serves what the disk kept`,
      cause,
    )
  }
  throw new CurrentError(
    'no',
    `Cannot write "${path}" as flushing its directory failed: ${reasonFor(cause)}; serial ${was.serial} is not live`,
    cause,
  )
}

function reasonOf(dataDir: string, found: Exclude<Found, { kind: 'good' }>): string {
  return `Cannot use "${currentPath(dataDir)}" as ${whyNot(found)}`
}

function whyNot(found: Found): string {
  switch (found.kind) {
    case 'absent':
      return 'it is missing'
    case 'bad':
      return found.reason
    case 'good':
      return 'it is good'
  }
}

function reasonFor(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && 'code' in cause ? cause.code : undefined
}

function currentPath(dataDir: string): string {
  return join(dataDir, 'current')
}

function previousPath(dataDir: string): string {
  return join(dataDir, 'current.previous')
}
