// A source with the files of deploys over it. `tree` is the tree of the commit with each layer in place of the file it was laid over, so
// that both are compiled as one. A commit that changes such a file wins, and its layer is lifted once the commit is live.

import { createHash } from 'node:crypto'
import type { Layer } from '../../engine/store/layers.ts'
import type { Store } from '../../engine/store/port.ts'
import { commitOf, type Revision, revision as revisionOf } from '../../schema/ref.ts'
import { defaultBudget, withinBudget } from './budget.ts'
import { nameFaults } from './portable.ts'
import type { Source } from './source.ts'
import { SourceError } from './source-error.ts'
import type { Tree, TreeFile } from './tree.ts'

export interface LayeredTree extends Tree {
  readonly base: Tree
  readonly layers: readonly Layer[]
}

export function isLayered(tree: Tree): tree is LayeredTree {
  return 'layers' in tree
}

export interface Superseded {
  readonly layer: Layer
  /** What took its place, as the end of a sentence. */
  readonly why: string
  readonly revision: Revision
}

export interface LayeredSourceOptions {
  readonly base: Source
  readonly store: Pick<Store, 'listLayers' | 'liftLayers' | 'getBlob'>
  /** The revision that is live, for a server that has not reached its remote yet. */
  readonly live: () => Revision | null
  /** Told of layers that gave way, once what took their place is live. Must not throw. */
  readonly onSuperseded: (superseded: readonly Superseded[]) => Promise<void>
}

export interface LayeredSource extends Source {
  /** The newest tree that is known, without its layers; no remote is asked. @throws SourceError where none is known */
  base(): Promise<Tree>
  /** The same with the layers that hold over it. */
  current(): Promise<Tree>
  /** `base` with these layers in place of those it has. */
  over(base: Tree, layers: readonly Layer[]): Tree
  /** All that are stored. */
  layers(): Promise<readonly Layer[]>
  /** Reads the layers again, after they were changed in the store. */
  renew(): void
  /** While `run` runs, passes look at what is known and ask no remote. */
  withoutRemote<T>(run: () => Promise<T>): Promise<T>
  /** These layers cannot stay over what `revision` has; they are lifted when it is live. */
  giveWay(revision: Revision, layers: readonly Layer[], why: string): void
}

export function createLayeredSource(options: LayeredSourceOptions): LayeredSource {
  return new Layered(options)
}

// A pass reads the tree that its fetch made, also where a layer came meanwhile.
const keptTrees = 4

class Layered implements LayeredSource {
  readonly ref: string | null
  readonly shown: string
  readonly commit?: NonNullable<Source['commit']>
  readonly #options: LayeredSourceOptions
  readonly #made = new Map<Revision, Tree>()
  #stored: Promise<readonly Layer[]> | null = null
  #base: Tree | null = null
  #withoutRemote = 0
  #givingWay: readonly Superseded[] = []
  #judged: { readonly base: Tree; readonly layers: readonly Layer[]; readonly past: ReadonlySet<Layer> } | null = null

  constructor(options: LayeredSourceOptions) {
    const { base } = options
    this.#options = options
    this.ref = base.ref
    this.shown = base.shown
    if (base.commit) this.commit = revision => base.commit?.(commitOf(revision) ?? revision) ?? Promise.reject(unknown(revision))
  }

  async head(): Promise<Revision> {
    if (this.#withoutRemote > 0) return (await this.current()).revision
    const head = await this.#options.base.head()
    return head === this.#base?.revision ? (await this.current()).revision : head
  }

  async fetch(): Promise<Revision> {
    if (this.#withoutRemote === 0) {
      const revision = await this.#options.base.fetch()
      if (this.#base?.revision !== revision) this.#base = await this.#options.base.tree(revision)
    }
    return (await this.current()).revision
  }

  async tree(revision: Revision): Promise<Tree> {
    const made = this.#made.get(revision)
    if (made) return made
    if (commitOf(revision) !== revision) throw unknown(revision)
    return this.#options.base.tree(revision)
  }

  async base(): Promise<Tree> {
    const live = this.#options.live()
    const commit = live && commitOf(live)
    if (this.#base === null && commit === null)
      throw new SourceError('unreachable', 'Cannot lay files over the tree as no commit was read yet; they are sent again once one is live')
    this.#base ??= await this.#options.base.tree(commit as Revision) // one of both is there
    return this.#base
  }

  async current(): Promise<Tree> {
    const base = await this.base()
    const layers = await this.layers()
    return this.over(base, layers)
  }

  over(base: Tree, layers: readonly Layer[]): Tree {
    const past = this.#past(base, layers)
    const kept = layers.filter(layer => !past.has(layer) && !this.#isGivingWay(base, layer))
    if (kept.length === 0) return this.#keep(base)
    return this.#keep(layOver(base, kept, digest => this.#options.store.getBlob(digest)))
  }

  layers(): Promise<readonly Layer[]> {
    this.#stored ??= this.#options.store.listLayers()
    this.#stored.catch(() => this.renew()) // told to whoever asked; the next one asks again
    return this.#stored
  }

  renew(): void {
    this.#stored = null
  }

  async withoutRemote<T>(run: () => Promise<T>): Promise<T> {
    this.#withoutRemote++
    try {
      return await run()
    } finally {
      this.#withoutRemote--
    }
  }

  giveWay(revision: Revision, layers: readonly Layer[], why: string): void {
    this.#givingWay = layers.map(layer => ({ layer, why, revision }))
  }

  async accepted(revision: Revision): Promise<void> {
    const base = this.#base
    if (base === null || base.revision !== commitOf(revision)) return
    const stored = await this.layers()
    const past = this.#past(base, stored)
    const changed = [...past].filter(layer => blobIn(base, layer.path) !== layer.blob)
    const others = stored.filter(layer => !past.has(layer) && this.#isGivingWay(base, layer))
    const superseded = [
      ...changed.map(layer => ({ layer, why: 'a commit changed the file', revision: base.revision })),
      ...this.#givingWay.filter(({ layer: { path, deploy } }) => others.some(other => other.path === path && other.deploy === deploy)),
    ]
    this.#givingWay = []
    const lifted = [...past, ...others]
    if (lifted.length === 0) return
    await this.#options.store.liftLayers(lifted.map(({ path }) => path))
    this.renew()
    if (superseded.length > 0) await this.#options.onSuperseded(superseded)
  }

  #past(base: Tree, layers: readonly Layer[]): ReadonlySet<Layer> {
    if (this.#judged?.base !== base || this.#judged.layers !== layers) this.#judged = { base, layers, past: pastIn(base, layers) }
    return this.#judged.past
  }

  #isGivingWay(base: Tree, { path, deploy }: Layer): boolean {
    return this.#givingWay.some(({ layer, revision }) => revision === base.revision && layer.path === path && layer.deploy === deploy)
  }

  #keep(tree: Tree): Tree {
    this.#made.delete(tree.revision)
    this.#made.set(tree.revision, tree)
    const [oldest] = this.#made.keys()
    if (this.#made.size > keptTrees && oldest !== undefined) this.#made.delete(oldest)
    return tree
  }
}

/** Those over another file than they were laid over, and new ones whose name can no longer lie beside what is there. */
function pastIn(base: Tree, layers: readonly Layer[]): ReadonlySet<Layer> {
  const past = layers.filter(({ path, base: over, blob }) => blobIn(base, path) !== over || over === blob)
  const fresh = layers.filter(layer => layer.base === null && layer.digest !== null && !past.includes(layer))
  const gone = new Set(layers.filter(layer => layer.digest === null && !past.includes(layer)).map(({ path }) => path))
  const held = new Set([...base.files.keys()].filter(path => !gone.has(path)))
  const faults =
    fresh.length === 0
      ? []
      : nameFaults(
          fresh.map(({ path }) => path),
          held,
        )
  return new Set([...past, ...fresh.filter(({ path }) => faults.some(fault => fault.path === path))])
}

function blobIn(tree: Tree, path: string): string | null {
  return tree.files.get(path)?.blob ?? null
}

function layOver(base: Tree, layers: readonly Layer[], contentOf: (digest: string) => Promise<Uint8Array | undefined>): LayeredTree {
  const files = new Map<string, TreeFile>(base.files)
  const digests = new Map<string, string>()
  for (const { path, blob, bytes, digest } of layers) {
    files.delete(path)
    if (blob === null || digest === null) continue
    files.set(path, { path, blob, bytes })
    digests.set(path, digest)
  }
  const read = async (path: string) => {
    const content = await contentOf(digests.get(path) ?? '')
    if (content === undefined)
      throw new SourceError('corrupt', `Cannot read the deployed file "${path}" as the store does not hold it`, { path })
    return [path, content] as const
  }
  return {
    revision: revisionOf(`${base.revision}+${digestOf(layers)}`),
    files,
    base,
    layers,
    async read(paths) {
      withinBudget(files, paths, defaultBudget)
      const below = await base.read(paths.filter(path => !digests.has(path)))
      const above = await Promise.all(paths.filter(path => digests.has(path)).map(read))
      return new Map([...below, ...above])
    },
  }
}

function digestOf(layers: readonly Layer[]): string {
  const hash = createHash('sha256')
  for (const { path, blob } of layers.toSorted((a, b) => (a.path < b.path ? -1 : 1))) hash.update(`${blob} ${path}\0`)
  return hash.digest('hex').slice(0, 12)
}

function unknown(revision: Revision): SourceError {
  return new SourceError('ref-missing', `Cannot read ${revision} as the files that were deployed over its commit are others by now`)
}
