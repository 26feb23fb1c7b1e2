// Where deploys land: as layers over a commit, or in the folder that `plumb dev` serves. Both take a deploy whole or not at all.

import type { Engine } from '../../engine/generation/engine.ts'
import type { Deploy, Layer } from '../../engine/store/layers.ts'
import type { Store } from '../../engine/store/port.ts'
import type { LayeredSource } from '../source/layered.ts'
import { blobId } from '../source/objects.ts'
import type { Tree, TreeFile } from '../source/tree.ts'
import { filesRevision } from '../source/upload.ts'
import type { WorktreeSource } from '../source/worktree.ts'
import { type FileChange, writeFiles } from '../source/write-files.ts'
import type { CompileTree } from './policy.ts'

/** Content by path; null where the file goes. */
export type Contents = ReadonlyMap<string, Uint8Array | null>

export interface Ground {
  readonly kind: 'layers' | 'folder'
  /** Why no deploy is accepted; null where one is. */
  refusal(): { readonly code: 'MODE_GIT' | 'NOT_READY'; readonly message: string } | null
  /** What is there. @throws SourceError */
  tree(): Promise<Tree>
  /** The same with the files of a deploy, nothing is changed. */
  candidate(tree: Tree, deploy: Deploy, contents: Contents): Promise<Tree>
  readonly compile: CompileTree
  /** Takes it. The paths where another file lies than was expected; then nothing was taken. */
  take(deploy: Deploy, contents: Contents): Promise<readonly string[]>
  /** Runs a pass over what was taken. */
  pass<T>(run: () => Promise<T>): Promise<T>
  /** Whether a deploy that cannot go live is undone. */
  readonly undoes: boolean
  layers(): Promise<readonly Layer[]>
  /** The tree without the layers at these paths. */
  without(paths: readonly string[]): Promise<Tree>
  /** After layers were changed in the store. */
  renew(): void
}

export interface LayerGroundOptions {
  readonly source: LayeredSource
  readonly store: Pick<Store, 'insertDeploy'>
  readonly engine: Pick<Engine, 'live'>
  readonly compile: CompileTree
}

export function layerGround({ source, store, engine, compile }: LayerGroundOptions): Ground {
  const laidBy = async (base: Tree, deploy: Deploy, contents: Contents): Promise<Layer[]> => {
    const idBytes = [...base.files.values()][0]?.blob.length === 64 ? 64 : 40
    const { id, by, at, client } = deploy
    return deploy.files.flatMap(({ path, digest }) => {
      const content = contents.get(path) ?? null
      const below = base.files.get(path)?.blob ?? null
      const blob = content && blobId(content, idBytes)
      // What git has needs no layer.
      return blob === below ? [] : [{ path, digest, blob, bytes: content?.length ?? 0, base: below, by, at, deploy: id, client }]
    })
  }
  const kept = async (deploy: Deploy) => (await source.layers()).filter(layer => !deploy.files.some(({ path }) => path === layer.path))
  return {
    kind: 'layers',
    refusal() {
      const { settings } = engine.live().manifest
      if (settings === null)
        return {
          code: 'NOT_READY',
          message: 'Cannot deploy as nothing is live yet: the first revision comes from git; plumb status says why',
        }
      if (settings.mode === 'live') return null
      const message = `Cannot deploy as the environment "${settings.environment}" has "mode: git": every change is a commit; push it and run plumb sync`
      return { code: 'MODE_GIT', message }
    },
    tree: () => source.current(),
    async candidate(_tree, deploy, contents) {
      const base = await source.base()
      const laid = await laidBy(base, deploy, contents)
      // Their contents are in the store already: only what names them is missing.
      return source.over(base, [...(await kept(deploy)), ...laid])
    },
    compile,
    async take(deploy, contents) {
      const laid = await laidBy(await source.base(), deploy, contents)
      const lifted = deploy.files.map(({ path }) => path).filter(path => !laid.some(layer => layer.path === path))
      await store.insertDeploy(deploy, laid, lifted)
      source.renew()
      return []
    },
    pass: run => source.withoutRemote(run),
    undoes: true,
    layers: () => source.layers(),
    async without(paths) {
      return source.over(
        await source.base(),
        (await source.layers()).filter(({ path }) => !paths.includes(path)),
      )
    },
    renew: () => source.renew(),
  }
}

export interface FolderGroundOptions {
  readonly worktree: WorktreeSource
  readonly store: Pick<Store, 'insertDeploy'>
  readonly compile: CompileTree
}

/** A deploy is saved as an editor would save it: it stays where it cannot go live, and the next save mends it. */
export function folderGround({ worktree, store, compile }: FolderGroundOptions): Ground {
  return {
    kind: 'folder',
    refusal: () => null,
    tree: () => worktree.snapshot(),
    candidate: async (tree, _deploy, contents) => withFiles(tree, contents),
    compile,
    async take(deploy, contents) {
      // Recorded first: what a crash leaves half written is finished at the next start, before anything reads the folder.
      await store.insertDeploy(deploy, [], [])
      return worktree.exclusively(() => writeFiles(worktree.root, changesOf(deploy, contents)))
    },
    pass: run => run(),
    undoes: false,
    layers: async () => [],
    without: () => worktree.snapshot(),
    renew: () => undefined,
  }
}

/** What lies there may be what the client saw, or what it sends already. */
function changesOf({ files }: Deploy, contents: Contents): FileChange[] {
  return files.map(({ path, base }) => {
    const content = contents.get(path) ?? null
    return { path, content, expected: [base, content && blobId(content)] }
  })
}

function withFiles(tree: Tree, contents: Contents): Tree {
  const files = new Map<string, TreeFile>(tree.files)
  for (const [path, content] of contents) {
    if (content === null) files.delete(path)
    else files.set(path, { path, blob: blobId(content), bytes: content.length })
  }
  const sorted = [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
  return {
    revision: filesRevision(sorted),
    files: new Map(sorted.map(file => [file.path, file])),
    async read(paths) {
      const below = await tree.read(paths.filter(path => !contents.get(path)))
      const above = paths.map(path => [path, contents.get(path)] as const).filter(([, content]) => content)
      return new Map([...below, ...above.map(([path, content]) => [path, content ?? new Uint8Array()] as const)])
    },
  }
}
