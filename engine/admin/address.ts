// Where the local CLI finds the API: a Unix socket in the data directory, or in the runtime directory where that path would be too
// long for the kernel. `<data>/admin.addr` always names it.

import { createHash } from 'node:crypto'
import { lstat, mkdtemp, readFile, rename, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

/** sockaddr_un holds 108 bytes, a zero at the end included. */
const maxPathBytes = 107

/**
 * Path for the socket of a data directory.
 * @param env for XDG_RUNTIME_DIR; where it is missing a private directory under the system's temporary one is made, once for a data directory
 */
export async function chooseSocketPath(dataDir: string, env: Readonly<Record<string, string | undefined>> = process.env): Promise<string> {
  const usual = join(resolve(dataDir), 'admin.sock')
  if (Buffer.byteLength(usual) <= maxPathBytes) return usual
  const name = `plumb-${createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, 16)}.sock`
  const runtime = env.XDG_RUNTIME_DIR
  if (runtime && Buffer.byteLength(join(runtime, name)) <= maxPathBytes) return join(runtime, name)
  const before = await addressIn(dataDir)
  if (before !== null && dirname(dirname(before)) === tmpdir() && (await isPrivate(dirname(before)))) return before
  return join(await mkdtemp(join(tmpdir(), 'plumb-')), 'admin.sock')
}

/** What `<data>/admin.addr` names; null where there is none. */
async function addressIn(dataDir: string): Promise<string | null> {
  return await readFile(join(dataDir, 'admin.addr'), 'utf8').then(
    text => text.trim(),
    () => null, // the first start, or a file that cannot be read: a new one is written
  )
}

/** Whether it is a directory of this user that nobody else may enter. */
async function isPrivate(directory: string): Promise<boolean> {
  const found = await lstat(directory).catch(() => null) // gone, as temporary ones may be
  return found?.isDirectory() === true && found.uid === process.getuid?.() && (found.mode & 0o077) === 0
}

/** Names the socket in `<data>/admin.addr`, whole or not at all. */
export async function writeAddress(dataDir: string, socketPath: string): Promise<void> {
  const path = join(dataDir, 'admin.addr')
  await writeFile(`${path}.tmp`, `${socketPath}\n`, { mode: 0o600 })
  await rename(`${path}.tmp`, path)
}
