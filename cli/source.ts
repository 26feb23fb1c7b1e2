// The source a server follows: a git remote, or the working tree under `plumb dev`.

import { join } from 'node:path'
import { createGitSource } from '../reconcile/source/git.ts'
import { followWorktree, type Source } from '../reconcile/source/source.ts'
import { createWorktreeSource, type WorktreeSource } from '../reconcile/source/worktree.ts'
import type { ControlConfig } from './serve-options.ts'

export interface Followed extends AsyncDisposable {
  readonly source: Source
  /** Tells of saves; null for a remote, which is asked. */
  readonly watch: ((onChange: () => void) => () => void) | null
  /** The folder that is served; null for a remote. */
  readonly worktree: WorktreeSource | null
}

export function openSource({ source, dataDirectory }: Pick<ControlConfig, 'source' | 'dataDirectory'>): Followed {
  if (source.kind === 'worktree') {
    const worktree = createWorktreeSource({ root: source.root, except: dataDirectory })
    return {
      source: followWorktree(worktree),
      watch: onChange => worktree.watch(onChange),
      worktree,
      [Symbol.asyncDispose]: () => worktree[Symbol.asyncDispose](),
    }
  }
  const git = createGitSource({ url: source.url, ref: source.ref, directory: join(dataDirectory, 'source'), allowLocal: source.allowLocal })
  return { source: git, watch: null, worktree: null, [Symbol.asyncDispose]: () => git[Symbol.asyncDispose]() }
}
