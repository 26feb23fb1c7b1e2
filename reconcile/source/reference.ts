// What a working copy was changed from: the files of the commit that it and the server have in common. It tells what the author changed
// from what others did meanwhile, so that a checkout that is behind takes nothing back.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Revision } from '../../schema/ref.ts'
import { runGit } from './spawn.ts'

const askMs = 15_000

/**
 * git's blob ids by path; null where git does not keep the folder or has no commit.
 * @param theirs the commit the server has; null where it has none that git knows
 */
export async function referenceFiles(root: string, theirs: Revision | null): Promise<ReadonlyMap<string, string> | null> {
  const gitDir = join(root, '.git')
  if (!existsSync(gitDir)) return null
  const ask = async (...args: string[]) => {
    const chunks: Buffer[] = []
    const { code } = await runGit({ args, gitDir, protocols: 'none', deadlineMs: askMs, onStdout: chunk => void chunks.push(chunk) })
    return code === 0 ? Buffer.concat(chunks).toString() : null
  }
  const common = theirs && (await ask('merge-base', '--end-of-options', theirs, 'HEAD'))
  // A commit that was not fetched is newer than the checkout, or on another branch: what the author has is measured from the checkout.
  const listed = await ask('ls-tree', '-r', '-z', '--full-tree', '--end-of-options', common?.trim() || 'HEAD')
  if (listed === null) return null
  // `<mode> SP <type> SP <object> TAB <path> NUL`
  const entries = listed.split('\0').map(line => /^\d+ blob ([0-9a-f]+)\t(.+)$/s.exec(line))
  return new Map(entries.filter(entry => entry !== null).map(([, blob = '', path = '']) => [path.normalize('NFC'), blob]))
}
