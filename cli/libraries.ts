// The npm libraries of the services: installed once for each lockfile under `<data>/deps`, or taken from the working tree.

import { join } from 'node:path'
import type { Log } from '../adapters/port.ts'
import { installDependencies } from '../engine/service/dependencies.ts'
import type { Desired } from '../reconcile/compile/desired.ts'
import type { Tree } from '../reconcile/source/tree.ts'
import { type Digest, digestOfBytes } from '../schema/digest.ts'

export interface Libraries {
  /** Remembers the package files of a compiled tree, for the install that its apply will need. */
  remember(tree: Tree, desired: Desired): Promise<void>
  /** Installs what `lockfile` names, where it is not there yet; gives the reason why it cannot be, or null. */
  ensure(lockfile: Digest | null, signal: AbortSignal): Promise<string | null>
  /** Where they are; null where there are none. */
  directoryOf(lockfile: Digest | null): string | null
}

/** @param worktree root of the working tree whose own `node_modules` serve; null: they are installed */
export function createLibraries(
  dataDirectory: string,
  { worktree, log }: { readonly worktree: string | null; readonly log: Log },
): Libraries {
  const texts = new Map<Digest, { readonly packageJson: string; readonly lockfile: string; readonly folder: string }>()
  const directoryOf = (lockfile: Digest | null) => {
    if (lockfile === null) return null
    if (worktree !== null) return join(worktree, texts.get(lockfile)?.folder ?? '')
    return join(dataDirectory, 'deps', lockfile)
  }
  return {
    directoryOf,
    async remember(tree, { lockfile }) {
      if (lockfile === null || texts.has(lockfile)) return
      for (const path of tree.files.keys()) {
        if (!/(?:^|\/)package-lock\.json$/.test(path)) continue
        const folder = path.slice(0, -'package-lock.json'.length)
        const read = await tree.read([path, `${folder}package.json`])
        const bytes = read.get(path)
        if (bytes === undefined || digestOfBytes(bytes) !== lockfile) continue
        texts.set(lockfile, {
          packageJson: new TextDecoder().decode(read.get(`${folder}package.json`)),
          lockfile: new TextDecoder().decode(bytes),
          folder,
        })
        return
      }
    },
    async ensure(lockfile, signal) {
      const directory = directoryOf(lockfile)
      const known = lockfile === null ? undefined : texts.get(lockfile)
      if (directory === null || worktree !== null || !known) return null
      try {
        await installDependencies({ packageJson: known.packageJson, lockfile: known.lockfile, directory, signal, log })
        return null
      } catch (error) {
        return error instanceof Error ? error.message : String(error)
      }
    },
  }
}
