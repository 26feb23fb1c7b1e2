// Where revisions come from, as a pass sees it: a git remote that is followed, or a working tree that is being edited.

import type { Revision } from '../../schema/ref.ts'
import type { Commit } from './git.ts'
import type { Tree } from './tree.ts'
import type { WorktreeSource } from './worktree.ts'

export interface Source {
  /** The full ref that is followed; null for a working tree. */
  readonly ref: string | null
  /** For messages: where it is, without anything secret. */
  readonly shown: string
  /** The newest revision, as cheaply as it can be known. @throws SourceError */
  head(): Promise<Revision>
  /** Makes the newest revision readable and names it. @throws SourceError */
  fetch(): Promise<Revision>
  /** @throws SourceError */
  tree(revision: Revision): Promise<Tree>
  /** Who made it; absent where revisions have no author. @throws SourceError */
  commit?(revision: Revision): Promise<Commit>
  /** Told when the revision is what is live. */
  accepted?(revision: Revision): Promise<void>
}

/** A working tree as a source: every look at its head is a snapshot, and the tree of the last one is what is read. */
export function followWorktree(worktree: WorktreeSource): Source {
  const kept = new Map<Revision, Tree>()
  const look = async () => {
    const tree = await worktree.snapshot()
    kept.clear()
    kept.set(tree.revision, tree)
    return tree.revision
  }
  return {
    ref: null,
    shown: worktree.root,
    head: look,
    async fetch() {
      const [latest] = kept.keys()
      return latest ?? look()
    },
    // Saved again meanwhile: the newest text is what is wanted.
    tree: async revision => kept.get(revision) ?? worktree.snapshot(),
  }
}
