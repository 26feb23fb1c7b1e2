// A small disk that can be filled, for what must survive a full one. Mounting needs root.

import { execFileSync } from 'node:child_process'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryDirectory } from './directory.ts'

export interface SmallDisk extends AsyncDisposable {
  readonly path: string
  /** Leaves no room for a single block. */
  fill(): Promise<void>
  free(): Promise<void>
}

/** Null where this process may not mount: skip by name. In CI that is a failure. */
export async function mountSmallDisk(megabytes = 2): Promise<SmallDisk | null> {
  const directory = await temporaryDirectory()
  const { path } = directory
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path], { stdio: 'ignore' })
  } catch (cause) {
    await directory[Symbol.asyncDispose]()
    if (process.env.CI === 'true') throw new Error('Cannot mount a small disk, which CI must test on: run it as root', { cause })
    return null // no root, or a container without the right to mount
  }
  const filler = join(path, 'filler')
  return {
    path,
    async fill() {
      await using file = await open(filler, 'w')
      for (const bytes of [65_536, 1]) await untilFull(() => file.write(Buffer.alloc(bytes)))
    },
    free: () => rm(filler),
    async [Symbol.asyncDispose]() {
      // Lazy: a process that was just killed may still hold a file.
      execFileSync('umount', ['--lazy', path])
      await directory[Symbol.asyncDispose]()
    },
  }
}

async function untilFull(write: () => Promise<unknown>): Promise<void> {
  try {
    for (;;) await write()
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC')) throw cause
  }
}
