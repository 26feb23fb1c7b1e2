// Files that are whole or absent, whatever the disk and the power do: written aside, flushed, renamed into place, directory flushed.
// What is written is never in place before it is on disk, so that a reader meets the old file or the new one.

import { constants } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'

/**
 * Opens a temporary file, lets `write` fill it, flushes it and closes it. The name must not be followed: a link or a file left there
 * by a crash is removed first. A failure removes the file and is thrown as it came.
 */
export async function writeAside<T>(path: string, write: (file: FileHandle) => Promise<T>): Promise<T> {
  await rm(path, { force: true })
  try {
    await using file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
    const result = await write(file)
    await file.sync()
    return result
  } catch (cause) {
    await rm(path, { force: true })
    throw cause
  }
}

/** Flushes the names in a directory: a rename is durable only after it. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  await directory.sync()
}
