// Compiles a tree with the files of deploys over it. What the commit below declares by itself is known beside it, since that decides whose
// each resource is; and a commit never waits for such files: where both together cannot be used and the commit alone can, the commit is.

import type { Layer } from '../../engine/store/layers.ts'
import { hasErrors } from '../../schema/issue.ts'
import type { Ref } from '../../schema/ref.ts'
import type { Compiled, Deployed, Desired } from '../compile/desired.ts'
import { isLayered, type LayeredSource, type LayeredTree } from '../source/layered.ts'
import type { Tree } from '../source/tree.ts'
import type { CompileTree } from './policy.ts'

export interface LayeredCompileOptions {
  readonly compile: CompileTree
  readonly source: Pick<LayeredSource, 'giveWay'>
  /** What a compilation depends on besides its tree. */
  readonly inputs: () => Promise<string>
}

export interface LayeredCompile {
  /** For passes: the commit alone where the files over it have to give way. */
  readonly compile: CompileTree
  /** For a deploy that is not taken yet: what is wrong with it is its own. */
  readonly candidate: CompileTree
}

export function createLayeredCompile({ compile, source, inputs }: LayeredCompileOptions): LayeredCompile {
  const kept: { base: Kept | null; layered: Kept | null } = { base: null, layered: null }
  const remembered = async (slot: 'base' | 'layered', tree: Tree): Promise<Compiled> => {
    const key = `${tree.revision} ${await inputs()}`
    const known = kept[slot]
    if (known?.key === key) return known.compiled
    const compiled = await compile(tree)
    kept[slot] = { key, compiled }
    return compiled
  }
  const candidate = async (tree: LayeredTree): Promise<Compiled> => {
    const compiled = await remembered('layered', tree)
    const base = await remembered('base', tree.base)
    return compiled.desired === null ? compiled : { ...compiled, deployed: deployedIn(compiled.desired, base.desired, tree.layers) }
  }
  return {
    candidate: tree => (isLayered(tree) ? candidate(tree) : remembered('base', tree)),
    async compile(tree) {
      // A pass looks anew, as it may be asked to: secrets that no digest covers, an environment variable.
      if (!isLayered(tree)) {
        const compiled = await compile(tree)
        kept.base = { key: `${tree.revision} ${await inputs()}`, compiled }
        return compiled
      }
      const compiled = await candidate(tree)
      const base = await remembered('base', tree.base)
      const why = whyGivingWay(compiled, base)
      if (why === null) return compiled
      source.giveWay(tree.base.revision, tree.layers, why)
      return base
    },
  }
}

interface Kept {
  readonly key: string
  readonly compiled: Compiled
}

function whyGivingWay(compiled: Compiled, base: Compiled): string | null {
  if (base.desired === null || hasErrors(base.issues)) return null
  if (base.desired.settings.mode === 'git') return 'the commit says "mode: git"'
  return compiled.desired === null || hasErrors(compiled.issues) ? 'the commit cannot be used with the file' : null
}

function deployedIn(desired: Desired, base: Desired | null, layers: readonly Layer[]): Deployed {
  const added = new Set<Ref>()
  const layered = new Map<Ref, Layer>()
  const byPath = new Map(layers.map(layer => [layer.path, layer]))
  const importsOf = new Map([...desired.modules.values()].map(({ path, imports }) => [path, Object.values(imports)]))
  const newest = layers.toSorted((a, b) => (a.at < b.at ? 1 : -1))[0]
  for (const resource of desired.resources.values()) {
    const below = base?.resources.get(resource.ref)
    if (below?.effectiveDigest === resource.effectiveDigest) continue
    const layer = layerOf(resource.at.path, byPath, importsOf) ?? newest
    // Where the commit cannot be compiled by itself, what lies in its files is its own.
    if (below === undefined && (base !== null || byPath.has(resource.at.path))) added.add(resource.ref)
    if (layer && (base !== null || byPath.has(resource.at.path))) layered.set(resource.ref, layer)
  }
  return { added, layered }
}

/** Of the file, else of one that it imports. */
function layerOf(path: string, byPath: ReadonlyMap<string, Layer>, importsOf: ReadonlyMap<string, readonly string[]>): Layer | undefined {
  const seen = new Set([path])
  for (const each of seen) {
    const found = byPath.get(each)
    if (found) return found
    for (const imported of importsOf.get(each) ?? []) seen.add(imported)
  }
  return undefined
}
