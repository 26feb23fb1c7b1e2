// The files of the repository, as git knows them: those committed and those about to be.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Path → text, of the text files that still exist. */
export function repositoryFiles(accepts: (path: string) => boolean): ReadonlyMap<string, string> {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const paths = execFileSync('git', args, { cwd: root, encoding: 'utf8' }).split('\0')
  return new Map(paths.filter(path => path !== '' && accepts(path)).flatMap(read))
}

function read(path: string): [string, string][] {
  try {
    return [[path, readFileSync(join(root, path), 'utf8')]]
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException // what fs throws
    if (code === 'ENOENT' || code === 'EISDIR') return [] // deleted and not committed yet, or a symbolic link to a folder
    throw error
  }
}
