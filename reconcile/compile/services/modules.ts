// The JavaScript of services: every file that one of them loads, transpiled once.

import { type Digest, digestOf } from '../../../schema/digest.ts'
import type { Module } from '../../../schema/resource.ts'
import type { PlacedFlaw } from './child-protocol.ts'
import { closureOf, type GraphTools, isDeclaration, type SourceGraph, type SourceNode } from './graph.ts'
import { type Transpiled, transpile } from './transpile.ts'

export interface CompiledModules {
  readonly modules: readonly Module[]
  readonly flaws: readonly PlacedFlaw[]
  /** path → digest for the file and all it loads; files that did not compile are left out. */
  closureOf(path: string): Readonly<Record<string, Digest>>
}

export async function compileModules(graph: SourceGraph, roots: readonly string[], tools: GraphTools): Promise<CompiledModules> {
  const closures = new Map(roots.map(root => [root, closureOf(graph, root, { types: false })]))
  // Files that no service loads are transpiled too: one that is broken is said to be so before someone imports it.
  const nodes = [...graph.values()].filter(({ path, facts }) => !isDeclaration(path) && facts.flaws.length === 0)
  const transpiled = await transpileAll(nodes, tools)
  const modules = new Map<string, Module>()
  const flaws: PlacedFlaw[] = []
  for (const node of nodes) {
    const result = transpiled.get(node)
    if (result?.kind === 'module') modules.set(node.path, moduleOf(node, result))
    else flaws.push(...(result?.flaws ?? []).map(flaw => ({ ...flaw, path: node.path })))
  }
  const loaded = new Set([...closures.values()].flat())
  return {
    modules: [...modules.values()].filter(({ path }) => loaded.has(path)),
    flaws,
    closureOf: root =>
      Object.fromEntries(
        (closures.get(root) ?? []).flatMap(path => {
          const module = modules.get(path)
          return module ? [[path, module.digest]] : []
        }),
      ),
  }
}

async function transpileAll(nodes: readonly SourceNode[], { cache, readTexts }: GraphTools): Promise<Map<SourceNode, Transpiled>> {
  const known = await Promise.all(nodes.map(node => cache.get<Transpiled>(keyOf(node))))
  const missing = nodes.filter((_, index) => known[index] === undefined)
  const texts = missing.length > 0 ? await readTexts(missing.map(({ path }) => path)) : {}
  const fresh = await Promise.all(missing.map(({ path, facts }) => transpile(path, texts[path] ?? '', facts.importMeta)))
  const results = new Map<SourceNode, Transpiled>()
  for (const [index, node] of nodes.entries()) {
    const result = known[index]
    if (result) results.set(node, result)
  }
  for (const [index, node] of missing.entries()) {
    const result = fresh[index]
    if (!result) continue
    results.set(node, result)
    cache.put(keyOf(node), result)
  }
  return results
}

function keyOf({ path, blob }: SourceNode): Digest {
  return digestOf(['module', path, blob])
}

function moduleOf({ path, facts, targets }: SourceNode, { js, map }: { js: string; map: string }): Module {
  const imports: Record<string, string> = {}
  for (const { specifier, typeOnly } of facts.imports) {
    const target = targets.get(specifier)
    if (!typeOnly && target?.kind === 'file') imports[specifier] = target.path
  }
  // Where an import leads is part of what the code does, though the text does not say it.
  return { digest: digestOf([path, js, imports]), path, js, map, imports }
}
