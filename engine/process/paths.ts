// Files of a data directory that several processes know.

import { closeSync, constants, openSync } from 'node:fs'
import { join } from 'node:path'

/** The socket between control and its workers. */
export function linkPath(dataDirectory: string): string {
  return join(dataDirectory, 'link.sock')
}

/** The socket at which a worker takes debuggers, of that life of it. */
export function debugSocketPath(dataDirectory: string, life: string): string {
  return join(dataDirectory, `debug-${life}.sock`)
}

const debugSocket = /^debug-(.+)\.sock$/

/** The life that such a socket belongs to; null for any other file. */
export function debuggedLife(name: string): string | null {
  return debugSocket.exec(name)?.[1] ?? null
}

/** sockaddr_un holds 108 bytes, a zero at the end included. */
const maxAddressBytes = 107

/**
 * A path by which the kernel takes a socket file however deep it lies. It is good until it is disposed of, in this process only.
 * @param path its directory exists
 */
export function socketAddress(directory: string, name: string): { readonly path: string } & Disposable {
  const path = join(directory, name)
  if (Buffer.byteLength(path) <= maxAddressBytes) return { path, [Symbol.dispose]: () => undefined }
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  return { path: `/proc/self/fd/${fd}/${name}`, [Symbol.dispose]: () => closeSync(fd) }
}
