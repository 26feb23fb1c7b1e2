// The data directory: whether it is there, ours and private, and has room.

import { randomUUID } from 'node:crypto'
import { open, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { schemaVersion } from '../../engine/store/sqlite-schema.ts'
import { fileReason } from '../file-reason.ts'
import { type Diagnosis, ok, problem, skipped, warning } from './diagnosis.ts'

/** A full manifest of a large estate, its successor and the journal of a day fit into so much. */
const wantedBytes = 1_000_000_000
const neededBytes = 100_000_000
const slowFlushMs = 50

export async function examineDisk(directory: string): Promise<readonly Diagnosis[]> {
  const found = await stat(directory).catch(() => null)
  if (found === null)
    return [skipped('data', `${directory} is not there yet: the first start makes it`), await examineRoom(await nearestAbove(directory))]
  if (!found.isDirectory()) return [problem('data', `${directory} is no directory`, 'Name another by --data')]
  return [examineMode(directory, found.mode), await examineFlush(directory), await examineRoom(directory)]
}

function examineMode(directory: string, mode: number): Diagnosis {
  if ((mode & 0o077) === 0) return ok('data', `${directory} is this user's alone`)
  return warning('data', `${directory} is open to others: mode is ${(mode & 0o777).toString(8)}`, `Run chmod 700 ${directory}`)
}

/** What a commit point waits for. */
async function examineFlush(directory: string): Promise<Diagnosis> {
  const path = join(directory, `.doctor-${randomUUID()}`)
  try {
    const startedAt = performance.now()
    await using file = await open(path, 'wx', 0o600)
    await file.write('x')
    await file.sync()
    const elapsedMs = Math.round((performance.now() - startedAt) * 10) / 10
    if (elapsedMs <= slowFlushMs) return ok('disk', `A flushed write takes ${elapsedMs} ms`)
    return warning(
      'disk',
      `A flushed write takes ${elapsedMs} ms: every change waits for some of them`,
      'Put the data directory on a faster disk',
    )
  } catch (error) {
    return problem(
      'disk',
      `${directory} cannot be written as ${fileReason(error)}`,
      'Give it to the user that runs plumb, or name another by --data',
    )
  } finally {
    await rm(path, { force: true }).catch(() => undefined) // it could not be made
  }
}

async function examineRoom(directory: string): Promise<Diagnosis> {
  const { bavail, bsize, ffree, files } = await statfs(directory)
  const free = bavail * bsize
  const text = `${(free / 1e9).toFixed(1)} GB are free`
  if (files > 0 && ffree < 1_000) return problem('room', `${ffree} inodes are free`, 'Delete files on that file system')
  if (free < neededBytes) return problem('room', `${text}: nothing can go live once it is full`, 'Free some room')
  if (free < wantedBytes) return warning('room', text, 'Free some room')
  return ok('room', text)
}

async function nearestAbove(directory: string): Promise<string> {
  const above = dirname(directory)
  return above === directory || (await stat(above).catch(() => null)) !== null ? above : nearestAbove(above)
}

/** Whether this version can read the store. One that a server has open is not looked into: the server could. */
export async function examineStore(directory: string): Promise<Diagnosis> {
  const path = join(directory, 'plumb.db')
  if ((await stat(path).catch(() => null)) === null) return skipped('store', 'There is no store yet: the first start makes it')
  try {
    using database = new DatabaseSync(path, { readOnly: true })
    const version = Number(database.prepare('PRAGMA user_version').get()?.user_version)
    if (version > schemaVersion)
      return problem(
        'store',
        `A later version wrote it: its tables are version ${version}, this one reads ${schemaVersion}`,
        'Start the later version, or move the file away',
      )
    return ok('store', `Its tables are version ${version} of ${schemaVersion}`)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    if (/locked|busy/.test(message)) return ok('store', 'A server has it open')
    return problem(
      'store',
      `It cannot be read: ${message}`,
      'Move plumb.db away to start with an empty history; what is live is kept elsewhere and stays',
    )
  }
}
