// Where the local CLI finds the API: a Unix socket in the data directory, or in the runtime directory where that path would be too
// long for the kernel. `<data>/admin.addr` always names it.

import { createHash } from 'node:crypto'
import { mkdtemp, rename, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** sockaddr_un holds 108 bytes, a zero at the end included. */
const maxPathBytes = 107

/**
 * Path for the socket of a data directory.
 * @param env for XDG_RUNTIME_DIR; where it is missing a new private directory under the system's temporary one is made
 */
export async function chooseSocketPath(dataDir: string, env: Readonly<Record<string, string | undefined>> = process.env): Promise<string> {
  const usual = join(resolve(dataDir), 'admin.sock')
  if (Buffer.byteLength(usual) <= maxPathBytes) return usual
  const name = `plumb-${createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, 16)}.sock`
  const runtime = env.XDG_RUNTIME_DIR
  if (runtime && Buffer.byteLength(join(runtime, name)) <= maxPathBytes) return join(runtime, name)
  return join(await mkdtemp(join(tmpdir(), 'plumb-')), 'admin.sock')
}

/** Names the socket in `<data>/admin.addr`, whole or not at all. */
export async function writeAddress(dataDir: string, socketPath: string): Promise<void> {
  const path = join(dataDir, 'admin.addr')
  await writeFile(`${path}.tmp`, `${socketPath}\n`, { mode: 0o600 })
  await rename(`${path}.tmp`, path)
}
