// The files that service code is made of, with what each one's syntax says and where its imports lead.

import { type Digest, digestOf } from '../../../schema/digest.ts'
import type { Tree } from '../../source/tree.ts'
import type { SourceRef } from './child-protocol.ts'
import { emptyFacts, type FileFacts } from './facts.ts'
import { resolveImport, type Target } from './imports.ts'
import type { ResultCache } from './result-cache.ts'
import type { ReadTexts, TypeScript } from './typescript.ts'

export interface SourceNode extends SourceRef {
  readonly facts: FileFacts
  /** specifier → where it leads */
  readonly targets: ReadonlyMap<string, Target>
}

export type SourceGraph = ReadonlyMap<string, SourceNode>

export interface GraphTools {
  readonly cache: ResultCache
  readonly typescript: TypeScript
  readonly readTexts: ReadTexts
}

/** Files of `<directory>/**` that are service code, and all files of the tree they import, in order of path and depth. */
export async function readSourceGraph(tree: Tree, directory: string, tools: GraphTools): Promise<SourceGraph> {
  const graph = new Map<string, SourceNode>()
  const seen = new Set<string>()
  let paths = [...tree.files.keys()].filter(path => isServiceCode(path, directory)).sort()
  while (paths.length > 0) {
    for (const path of paths) seen.add(path)
    const facts = await factsOf(
      paths.map(path => ({ path, blob: tree.files.get(path)?.blob ?? '' })),
      tools,
    )
    const next = new Set<string>()
    for (const [{ path, blob }, found] of facts) {
      const targets = new Map(found.imports.map(({ specifier }) => [specifier, resolveImport(specifier, path, tree.files)]))
      graph.set(path, { path, blob, facts: found, targets })
      for (const target of targets.values()) if (target.kind === 'file' && !seen.has(target.path)) next.add(target.path)
    }
    paths = [...next].sort()
  }
  return graph
}

/** Whether services are looked for in it: `*.ts` but tests, declarations and libraries. */
export function isServiceCode(path: string, directory: string): boolean {
  const inside = directory === '' || directory === '.' || path.startsWith(`${directory}/`)
  return inside && /\.[cm]?ts$/.test(path) && !/\.(test|d)\.[cm]?ts$/.test(path) && !/(^|\/)node_modules\//.test(path)
}

/** Paths reachable from `start`, itself included: what JavaScript loads, or with `types` also what only types name. */
export function closureOf(graph: SourceGraph, start: string, { types }: { types: boolean }): string[] {
  const reached = new Set([start])
  for (const path of reached) {
    const node = graph.get(path)
    if (!node) continue
    for (const { specifier, typeOnly } of node.facts.imports) {
      const target = node.targets.get(specifier)
      if (target?.kind !== 'file' || (typeOnly && !types) || (!types && isDeclaration(target.path))) continue
      reached.add(target.path)
    }
  }
  return [...reached].sort()
}

export function isDeclaration(path: string): boolean {
  return /\.d\.[cm]?ts$/.test(path)
}

async function factsOf(refs: readonly SourceRef[], { cache, typescript, readTexts }: GraphTools): Promise<[SourceRef, FileFacts][]> {
  const known = await Promise.all(refs.map(ref => (isPlain(ref.path) ? emptyFacts : cache.get<FileFacts>(factsKey(ref)))))
  const unknown = refs.filter((_, index) => known[index] === undefined)
  const read = unknown.length > 0 ? await typescript.ask('facts', { files: unknown }, readTexts) : []
  const fresh = new Map(unknown.map((ref, index) => [ref, read[index] ?? emptyFacts]))
  for (const [ref, facts] of fresh) cache.put(factsKey(ref), facts)
  return refs.map((ref, index) => [ref, known[index] ?? fresh.get(ref) ?? emptyFacts])
}

/** Files without imports or syntax of ours. */
function isPlain(path: string): boolean {
  return path.endsWith('.json')
}

function factsKey({ path, blob }: SourceRef): Digest {
  return digestOf(['facts', path, blob])
}
