// A tree and the name of an environment become the desired state: load → overlay → template → validate → references → graph.
// Nothing is executed, nothing is thrown for bad input: what is wrong comes back as issues, all of it at once.

import { createSecretKey } from 'node:crypto'
import { failpoint } from '#failpoint'
import type { AdapterRow } from '../../adapters/table.ts'
import type { Settings } from '../../engine/generation/manifest.ts'
import { digestOf, keyedDigestOf } from '../../schema/digest.ts'
import { hasErrors, type Issue, issue } from '../../schema/issue.ts'
import type { Json } from '../../schema/json.ts'
import { type KindName, partsOf, type Ref } from '../../schema/ref.ts'
import type { Kind, Vocabulary } from '../../schema/vocabulary.ts'
import type { Tree } from '../source/tree.ts'
import type { Compiled, CompiledServices, Desired, DesiredResource } from './desired.ts'
import { digestResources } from './desired-digest.ts'
import type { DocumentCache } from './document-cache.ts'
import { type Environment, type LoadOptions, loadEnvironment } from './environment-chain.ts'
import { explainCode, explainResource } from './explain.ts'
import { Graph } from './graph.ts'
import { type FileItems, type Item, readItems } from './items.ts'
import { type LoadedFile, type LoadedLayer, layerName, loadLayers } from './load.ts'
import { locate } from './locate.ts'
import { makeNodes, type Node } from './nodes.ts'
import { overlayLayers } from './overlay.ts'
import { type RenderContext, type Rendered, renderResource } from './render.ts'
import type { OpenSecrets, SecretSource } from './secrets.ts'
import { judgeUses, serviceKind, serviceResources } from './service-resources.ts'

export interface CompileOptions {
  readonly vocabulary: Vocabulary
  /** Settings that judge: those of the live revision made stricter by the server's floors. Null: the revision's own file judges. */
  readonly policy: Settings | null
  readonly secrets: OpenSecrets
  /** Process variables; only those that `env` of environment.yaml lists are read. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Null where no key is at hand: secret digests are null. */
  readonly keys: { readonly digestKey: Uint8Array } | null
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
  const [{ loaded, secrets, renderer }, services] = await Promise.all([
    readDeclared(tree, found.environment, load, options),
    options.services(tree, found.environment.services, options.vocabulary),
  ])
  failpoint('parse.done')
  failpoint('secrets.read')
  const issues: Issue[] = [...found.issues, ...loaded.issues, ...secrets.issues, ...services.issues]

  const { chains, issues: declared } = readLayers(loaded.layers, options)
  issues.push(...declared)
  const isWhole = !issues.some(problem => problem.severity === 'error' && leavesOut.has(problem.code))
  if (chains.size === 0 && isWhole) issues.push(emptyEnvironment(environment, found.environment.path))

  const fromCode = serviceResources(services, options.vocabulary)
  // A name may be declared in a file that could not be read; the flaw of that file is the one to tell.
  const mayExist = (ref: Ref) => (partsOf(ref).kind === serviceKind ? services.isPartial === true : !isWhole)
  const known = {
    has: (ref: Ref) => chains.has(ref) || fromCode.has(ref) || mayExist(ref),
    keys: () => [...chains.keys(), ...fromCode.keys()],
  }
  const { memo } = options.documents
  const round = memo.round?.inputs === renderer.inputs && memo.round.vocabulary === options.vocabulary ? memo.round : undefined
  const nodes = makeNodes({
    ...renderer,
    chains,
    known,
    fromCode: new Set(fromCode.keys()),
    isWhole: isWhole && services.isPartial !== true,
    before: round?.nodes,
  })
  const resources = new Map<Ref, DesiredResource>()
  for (const [ref, node] of nodes.byRef) {
    resources.set(ref, node.resource)
    for (const problem of node.issues) issues.push(problem)
  }
  issues.push(...cyclesIn(resources, options.vocabulary))
  issues.push(...judgeKinds(withoutErrors(resources, issues), chains, options))
  issues.push(...judgeUses(services, options.vocabulary, known))
  for (const [ref, resource] of fromCode) resources.set(ref, resource)

  failpoint('validate.done')
  let desired: Desired | null = null
  if (!hasErrors(issues)) {
    const digested = digestResources(resources, memo.round?.digested)
    memo.round = { inputs: renderer.inputs, vocabulary: options.vocabulary, nodes, digested }
    desired = {
      environment,
      revision: tree.revision,
      resources,
      modules: services.modules,
      settings: found.environment.settings,
      lockfile: services.lockfile,
      ref: found.environment.inputs.ref,
      digest: digested.digest,
    }
  }
  return {
    desired,
    issues: issues.sort(byPlace),
    explain: ref => explained(nodes.byRef.get(ref)) ?? explainedCode(fromCode.get(ref)),
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
  return { loaded, secrets, renderer }
}

/** What is wrong with a resource by itself is the one thing to tell of it. */
function withoutErrors(resources: ReadonlyMap<Ref, DesiredResource>, issues: readonly Issue[]): ReadonlyMap<Ref, DesiredResource> {
  const bad = new Set(issues.filter(({ severity }) => severity === 'error').map(({ ref }) => ref))
  return bad.size === 0 ? resources : new Map([...resources].filter(([ref]) => !bad.has(ref)))
}

/** What the adapters of a kind find wrong between its resources, at the lines that declare it. */
function judgeKinds(
  resources: ReadonlyMap<Ref, DesiredResource>,
  chains: ReadonlyMap<Ref, readonly Item[]>,
  { rows = [], documents }: CompileOptions,
): Issue[] {
  const judges = [...rows].flatMap(({ kind, judge }) => (judge ? [{ kind, judge }] : []))
  if (judges.length === 0) return []
  const all = [...resources.values()]
  return judges.flatMap(({ kind, judge }) => {
    const ofKind = all.filter(resource => resource.kind === kind)
    return documents.memo.judged(judge, ofKind).map(({ code, ref, pointer, message, other }) => {
      const { at, related } = locate(chains.get(ref) ?? [], pointer, 'value')
      const collides = other ? [{ message: 'the other one', at: locate(chains.get(other) ?? [], pointer, 'value').at }] : []
      return issue(code, message, { at, ref, pointer, related: [...related, ...collides] })
    })
  })
}

/** Codes after which resources are missing that somebody declared. */
const leavesOut: ReadonlySet<Issue['code']> = new Set<Issue['code']>([
  'DOCUMENT_SHAPE',
  'DUPLICATE_KEY',
  'EXTENDS_CYCLE',
  'EXTENDS_MISSING',
  'EXTENDS_OUTSIDE',
  'FORBIDDEN_CHARACTER',
  'FORBIDDEN_KEY',
  'INCLUDE_CYCLE',
  'INCLUDE_MISSING',
  'INCLUDE_OUTSIDE',
  'INCLUDE_RESERVED',
  'YAML_LIMIT',
  'YAML_MULTIPLE_DOCUMENTS',
  'YAML_SYNTAX',
  'YAML_TAG',
])

/** File by file, from top to bottom; what has no place comes first. */
function byPlace({ at: one }: Issue, { at: other }: Issue): number {
  if (!one || !other) return Number(one !== undefined) - Number(other !== undefined)
  if (one.path !== other.path) return one.path < other.path ? -1 : 1
  return one.line - other.line || one.column - other.column
}

function readLayers(layers: readonly LoadedLayer[], options: CompileOptions): ReturnType<typeof overlayLayers> {
  const issues: Issue[] = []
  const read = layers.map(layer => ({ name: layer.name, files: layer.files.map(file => itemsOf(file, layer.name, options)) }))
  for (const layer of read) for (const file of layer.files) issues.push(...file.issues)
  const overlaid = overlayLayers(read)
  return { chains: overlaid.chains, issues: [...issues, ...overlaid.issues] }
}

function itemsOf({ path, document }: LoadedFile, layer: string, { documents, vocabulary }: CompileOptions): FileItems {
  return documents.memo.itemsOf({ document, path, layer, vocabulary }, () => readItems(path, layer, document, vocabulary))
}

interface Renderer {
  /** Stands for all that rendering depends on besides items and secrets. */
  readonly inputs: string
  /** Remembered by the items of the chain. */
  readonly render: (chain: readonly Item[]) => Rendered
  /** Whether the secrets it was rendered with are still those. */
  readonly isCurrent: (rendered: Rendered) => boolean
}

function rendererFor(environment: Environment, secrets: SecretSource, options: CompileOptions): Renderer {
  const { vars, env } = environment.inputs
  const readable = Object.fromEntries(env.map(name => [name, options.env[name]]))
  const context: RenderContext = {
    vocabulary: options.vocabulary,
    templates: {
      vars,
      secret: name => secrets.get(name),
      describeSecret: name => secrets.describe(name),
      env: readable,
      allowedEnv: new Set(env),
    },
    requireSecurity: (options.policy ?? environment.settings).requireSecurity,
    digestKey: options.keys ? createSecretKey(options.keys.digestKey) : null,
  }
  const inputs = inputsDigest(context, secrets)
  const isCurrent = ({ asked }: Rendered): boolean => {
    if (asked.size === 0) return true
    for (const [name, before] of asked) if (secrets.get(name)?.reveal() !== before?.reveal()) return false
    return true
  }
  const { memo } = options.documents
  return { inputs, isCurrent, render: chain => memo.renderedOf(chain, inputs, isCurrent, () => renderResource(chain, context)) }
}

/** Stands for everything rendering depends on besides items and secret values. */
function inputsDigest({ templates, requireSecurity, digestKey }: RenderContext, secrets: SecretSource): string {
  const env = Object.entries(templates.env).map(([name, value]): Json => [name, value ?? null])
  const key = digestKey ? keyedDigestOf(digestKey, 'inputs') : null
  return digestOf([templates.vars, env, requireSecurity, key, [...secrets.describe('name')]])
}

function emptyEnvironment(environment: string, path: string): Issue {
  const message = `Cannot compile environment "${environment}" as it declares no resource at all, which would delete everything; declare at least one`
  return issue('EMPTY_ENVIRONMENT', message, { at: { path, line: 1, column: 1 } })
}

/** Only resources of kinds that can refer back to themselves are looked at; services may call each other as they like. */
function cyclesIn(resources: ReadonlyMap<Ref, DesiredResource>, vocabulary: Vocabulary): Issue[] {
  const looping = kindsThatLoop(vocabulary)
  if (looping.size === 0) return []
  const nodes = new Map<Ref, DesiredResource>()
  for (const [ref, resource] of resources) if (looping.has(resource.kind)) nodes.set(ref, resource)
  const graph = new Graph(nodes)
  return graph.cycles().map(([first]) => {
    const way = (first && graph.wayRound(first)) ?? []
    const at = first && resources.get(first)?.at
    const message = `Cannot order these resources as they refer to each other: ${way.join(' → ')}; remove one of the references`
    return issue('REF_CYCLE', message, { ...(at ? { at } : {}), ...(first ? { ref: first } : {}) })
  })
}

function kindsThatLoop(vocabulary: Vocabulary): ReadonlySet<KindName> {
  const targets = (kind: Kind): KindName[] => kind.refFields.flatMap(field => [...field.kinds])
  const loops = new Set<KindName>()
  for (const start of vocabulary.kinds.values()) {
    const reached = new Set<KindName>()
    const queue = targets(start)
    for (const name of queue) {
      if (reached.has(name)) continue
      reached.add(name)
      const kind = vocabulary.kinds.get(name)
      if (kind) queue.push(...targets(kind))
    }
    if (reached.has(start.name)) loops.add(start.name)
  }
  return loops
}

function explained(node: Node | undefined): ReturnType<Compiled['explain']> {
  return node && explainResource(node.rendered, node.chain)
}

function explainedCode(service: DesiredResource | undefined): ReturnType<Compiled['explain']> {
  return service && explainCode(service)
}
