// A tree and the name of an environment become the desired state: load → overlay → template → validate → references → graph.
// Nothing is executed, nothing is thrown for bad input: what is wrong comes back as issues, all of it at once.

import { failpoint } from '#failpoint'
import type { AdapterRow } from '../../adapters/table.ts'
import type { Issue } from '../../schema/issue.ts'
import type { Vocabulary } from '../../schema/vocabulary.ts'
import type { Tree } from '../source/tree.ts'
import type { Compiled, CompiledServices } from './desired.ts'
import { marksAt, positionOf } from './document.ts'
import type { DocumentCache } from './document-cache.ts'
import { type Environment, type LoadOptions, loadEnvironment } from './environment-chain.ts'
import { explainCode, explainResource } from './explain.ts'
import { type FileItems, readItems } from './items.ts'
import { type LoadedFile, layerName, loadLayers } from './load.ts'
import { look } from './look.ts'
import { type RendererOptions, rendererFor } from './renderer.ts'
import type { OpenSecrets } from './secrets.ts'

export interface CompileOptions extends RendererOptions {
  readonly secrets: OpenSecrets
  /** Parsed documents, and what follows from them alone; share one between compilations. */
  readonly documents: DocumentCache
  /** Finds and compiles the service code below `directory`. */
  readonly services: (tree: Tree, directory: string, vocabulary: Vocabulary) => Promise<CompiledServices>
  /** Rows whose `judge` looks at the resources of a kind together. Default: none. */
  readonly rows?: Iterable<AdapterRow>
  /** Folder of all environments; default `environments`. */
  readonly layout?: string
  /** Whose defaults fill in environment.yaml; default `serve`. */
  readonly command?: 'serve' | 'dev'
}

/** @throws only what the tree, the secrets' reader or `services` throws: a failing world */
export async function compile(tree: Tree, environment: string, options: CompileOptions): Promise<Compiled> {
  const load: LoadOptions = {
    documents: options.documents,
    layout: options.layout ?? 'environments',
    command: options.command ?? 'serve',
  }
  const found = await loadEnvironment(tree, environment, load)
  if (!found.environment) return { desired: null, issues: found.issues, explain: () => undefined }
  const { path, settings, inputs, services: code, hasServices } = found.environment
  const [{ loaded, secrets, renderer }, compiled] = await Promise.all([
    readDeclared(tree, found.environment, load, options),
    options.services(tree, code, options.vocabulary),
  ])
  // That there is no directory is told once, not at each name that it would hold.
  const services = hasServices ? compiled : { ...compiled, isPartial: true }
  failpoint('parse.done')
  failpoint('secrets.read')
  const layers = loaded.layers.map(({ name, files }) => ({ name, files: files.map(file => itemsOf(file, name, options)) }))
  const declared = layers.flatMap(({ files }) => files.flatMap(({ issues }) => issues))
  const { issues, seen } = look(
    { layers, services, renderer, issues: [...found.issues, ...loaded.issues, ...secrets.issues, ...services.issues, ...declared] },
    { environment, path, vocabulary: options.vocabulary, rows: [...(options.rows ?? [])], memo: options.documents.memo },
  )
  failpoint('validate.done')
  return {
    desired: seen.digest && {
      environment,
      revision: tree.revision,
      resources: seen.resources,
      modules: services.modules,
      settings,
      lockfile: services.lockfile,
      ref: inputs.ref,
      digest: seen.digest,
    },
    issues: issues.toSorted(byPlace),
    explain(ref) {
      const node = seen.nodes.byRef.get(ref)
      const service = seen.fromCode.get(ref)
      return node ? explainResource(node.rendered, node.chain) : service && explainCode(service)
    },
  }
}

/** Files and secrets. What lies in the lowest layer is rendered while other files are still parsed: nothing is laid over most of it. */
async function readDeclared(tree: Tree, environment: Environment, load: LoadOptions, options: CompileOptions) {
  const secrets = await options.secrets(environment.inputs.secrets)
  const renderer = rendererFor(environment, secrets.source, options)
  const [lowest] = environment.layers
  const loaded = await loadLayers(tree, environment, load, (file, layer) => {
    if (lowest === undefined || layer !== layerName(lowest, load)) return
    for (const item of itemsOf(file, layer, options).items) if (item.directive !== 'remove') renderer.render(item.alone)
  })
  return { loaded, secrets: { issues: secrets.issues.map(found => placedIn(environment, found)) }, renderer }
}

/** With the place in environment.yaml that its pointer names. */
function placedIn({ path, document }: Environment, found: Issue): Issue {
  return { ...found, at: positionOf(path, document, marksAt(document.value, 0, found.pointer ?? '').value) }
}

function itemsOf({ path, document }: LoadedFile, layer: string, { documents, vocabulary }: CompileOptions): FileItems {
  return documents.memo.itemsOf({ document, path, layer, vocabulary }, () => readItems(path, layer, document, vocabulary))
}

/** File by file, from top to bottom; what has no place comes first. */
function byPlace({ at: one }: Issue, { at: other }: Issue): number {
  if (!one || !other) return Number(one !== undefined) - Number(other !== undefined)
  if (one.path !== other.path) return one.path < other.path ? -1 : 1
  return one.line - other.line || one.column - other.column
}
