// The files that service code is made of, with what each one's syntax says and where its imports lead.

import { type Digest, digestOf } from '../../../schema/digest.ts'
import type { Tree } from '../../source/tree.ts'
import { isTestFile } from '../test-file.ts'
import type { SourceRef } from './child-protocol.ts'
import { emptyFacts, type FileFacts } from './facts.ts'
import { resolveImport, type Target } from './imports.ts'
import type { ResultCache } from './result-cache.ts'
import { CompilerEnded, type ReadTexts, type TypeScript } from './typescript.ts'

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
  return inside && /\.[cm]?ts$/.test(path) && !isTestFile(path) && !isDeclaration(path) && !/(^|\/)node_modules\//.test(path)
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

async function factsOf(refs: readonly SourceRef[], tools: GraphTools): Promise<[SourceRef, FileFacts][]> {
  const known = await Promise.all(refs.map(ref => (isPlain(ref.path) ? emptyFacts : tools.cache.get<FileFacts>(factsKey(ref)))))
  const fresh = await readFacts(
    refs.filter((_, index) => known[index] === undefined),
    tools,
  )
  return refs.map((ref, index) => [ref, known[index] ?? fresh.get(ref) ?? emptyFacts])
}

async function readFacts(
  refs: readonly SourceRef[],
  { cache, typescript, readTexts }: GraphTools,
): Promise<ReadonlyMap<SourceRef, FileFacts>> {
  if (refs.length === 0) return new Map()
  try {
    const read = await typescript.ask('facts', { files: refs }, readTexts)
    const facts = new Map(refs.map((ref, index) => [ref, read[index] ?? emptyFacts]))
    for (const [ref, each] of facts) cache.put(factsKey(ref), each)
    return facts
  } catch (error) {
    const culprit = error instanceof CompilerEnded ? refs[error.at ?? 0] : undefined
    if (!culprit) throw error
    const message = 'Cannot read it as TypeScript as the parser did not finish with it; make the file smaller or simpler'
    return new Map([[culprit, { ...emptyFacts, flaws: [{ code: 'TYPESCRIPT_SYNTAX', message, line: 1, column: 1 }] }]])
  }
}

/** Files without imports or syntax of ours. */
function isPlain(path: string): boolean {
  return path.endsWith('.json')
}

function factsKey({ path, blob }: SourceRef): Digest {
  return digestOf(['facts', path, blob])
}
