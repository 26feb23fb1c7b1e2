// Files of a data directory that several processes know.

import { join } from 'node:path'

/** The socket between control and its workers. */
export function linkPath(dataDirectory: string): string {
  return join(dataDirectory, 'link.sock')
}

/** Where a worker leaves the name of what it was stuck on, or what ended it. */
export function blamePath(dataDirectory: string, pid: number): string {
  return join(dataDirectory, `blame-${pid}.json`)
}
