// From items and code to resources, and what is wrong with them. A commit is looked at from the last good one, by what changed between
// their files. Where anything is wrong everything is looked at anew, so that what is said never depends on what was compiled before.

import type { AdapterRow } from '../../adapters/table.ts'
import { digestAgain, digestResources } from '../../engine/generation/state-digest.ts'
import { derivedMap } from '../../schema/derived-map.ts'
import type { Digest } from '../../schema/digest.ts'
import { hasErrors, type Issue, issue } from '../../schema/issue.ts'
import { partsOf, type Ref } from '../../schema/ref.ts'
import type { Vocabulary } from '../../schema/vocabulary.ts'
import { cyclesIn, judgeKinds } from './between.ts'
import type { CompiledServices, DesiredResource } from './desired.ts'
import { type Memo, type Round, sameObjects } from './memo.ts'
import { makeNodes, makeNodesAgain, type Nodes } from './nodes.ts'
import { type LayerItems, overlayAgain, overlayLayers } from './overlay.ts'
import type { Known } from './refs.ts'
import type { Renderer } from './renderer.ts'
import { judgeUses, serviceKind, serviceResources } from './service-resources.ts'

/** What one commit brings. */
export interface Brought {
  readonly layers: readonly LayerItems[]
  readonly services: CompiledServices
  readonly renderer: Renderer
  /** What is wrong with the files already. */
  readonly issues: readonly Issue[]
}

export interface LookOptions {
  readonly environment: string
  /** Of its environment.yaml. */
  readonly path: string
  readonly vocabulary: Vocabulary
  readonly rows: readonly AdapterRow[]
  readonly memo: Memo
}

type Resources = ReadonlyMap<Ref, DesiredResource>

export interface Seen {
  readonly nodes: Nodes
  readonly fromCode: Resources
  /** Of files and code. */
  readonly resources: Resources
  /** Null where something is wrong. */
  readonly digest: Digest | null
}

export function look(brought: Brought, options: LookOptions): { readonly issues: readonly Issue[]; readonly seen: Seen } {
  const { memo, vocabulary } = options
  const { inputs } = brought.renderer
  const judges = options.rows.flatMap(({ judge }) => judge ?? [])
  const last = memo.round
  const isSame = last?.inputs === inputs && last.vocabulary === vocabulary && sameObjects(last.judges, judges)
  const again = last && isSame && !hasErrors(brought.issues) ? lookAgain(last, brought, options) : null
  const { issues, ...state } = again ?? lookAtAll(brought, options)
  const { nodes, fromCode, resources, digested } = state
  if (digested) memo.round = { ...state, inputs, vocabulary, judges, digested }
  return { issues, seen: { nodes, fromCode, resources, digest: digested?.digest ?? null } }
}

type Looked = Omit<Round, 'inputs' | 'vocabulary' | 'judges' | 'digested'> & {
  readonly issues: readonly Issue[]
  readonly digested: Round['digested'] | null
}

function lookAtAll(brought: Brought, { environment, path, vocabulary, rows }: LookOptions): Looked {
  const { services, renderer } = brought
  const overlaid = overlayLayers(brought.layers)
  const { chains } = overlaid
  const issues: Issue[] = [...brought.issues, ...overlaid.issues]
  const errors = issues.filter(({ severity }) => severity === 'error')
  // What has a pointer is in the settings.
  const isWhole = !errors.some(({ code, pointer }) => (pointer === undefined ? leavesOut.has(code) : pointer.split('/')[1] === 'extends'))
  const isExplained = !isWhole || errors.some(({ code }) => explainsEmptiness.has(code))
  if (chains.size === 0 && !isExplained) issues.push(emptyEnvironment(environment, path))
  const fromCode = serviceResources(services, vocabulary)
  // A name may be declared in a file that could not be read; the flaw of that file is the one to tell.
  const mayExist = (ref: Ref) => (partsOf(ref).kind === serviceKind ? services.isPartial === true : !isWhole)
  const known = knownOf(chains, fromCode, mayExist)
  const nodes = makeNodes({ chains, known, render: renderer.render })
  const resources = new Map<Ref, DesiredResource>()
  for (const [ref, { resource }] of nodes.byRef) resources.set(ref, resource)
  issues.push(...issuesOf(nodes))
  issues.push(...cyclesIn(resources, vocabulary))
  issues.push(...judgeKinds(withoutErrors(resources, issues), chains, rows))
  issues.push(...judgeUses(services, vocabulary, known))
  for (const [ref, resource] of fromCode) resources.set(ref, resource)
  return { issues, overlaid, nodes, fromCode, resources, digested: hasErrors(issues) ? null : digestResources(resources) }
}

/** The same from `last`; null where something is wrong, or too much changed. */
function lookAgain(
  last: Round,
  { layers, services, renderer, issues: brought }: Brought,
  { vocabulary, rows }: LookOptions,
): Looked | null {
  const again = overlayAgain(last.overlaid, layers)
  if (!again || again.overlaid.chains.size === 0) return null
  const { overlaid, touched } = again
  const fromCode = keptWhereSame(serviceResources(services, vocabulary), last.fromCode)
  const come = [...fromCode.keys()].filter(ref => !last.fromCode.has(ref))
  const gone = [...last.fromCode.keys()].filter(ref => !fromCode.has(ref))
  const known = knownOf(overlaid.chains, fromCode, () => false)
  const { nodes, changed, removed } = makeNodesAgain(last.nodes, { ...renderer, chains: overlaid.chains, known, touched, come, gone })
  const set = new Map<Ref, DesiredResource>()
  for (const [ref, { resource }] of changed) set.set(ref, resource)
  for (const [ref, resource] of fromCode) if (last.fromCode.get(ref) !== resource) set.set(ref, resource)
  const unset = new Set([...removed, ...gone])
  const resources = derivedMap(last.resources, { set, unset })
  const kinds = new Set([...set.keys(), ...unset].map(ref => partsOf(ref).kind))
  const issues = [
    ...brought,
    ...overlaid.issues,
    ...issuesOf(nodes),
    ...cyclesIn(resources, vocabulary, kinds),
    ...judgeKinds(
      resources,
      overlaid.chains,
      rows.filter(({ kind }) => kinds.has(kind)),
    ),
    ...judgeUses(services, vocabulary, known),
  ]
  if (hasErrors(issues)) return null
  const digested = digestAgain(last.digested, last.resources, resources, [...set.keys(), ...unset])
  return { issues, overlaid, nodes, fromCode, resources, digested }
}

function knownOf(chains: ReadonlyMap<Ref, unknown>, fromCode: Resources, mayExist: (ref: Ref) => boolean): Known {
  return {
    has: ref => chains.has(ref) || fromCode.has(ref) || mayExist(ref),
    keys: () => [...chains.keys(), ...fromCode.keys()],
  }
}

function issuesOf({ byRef, noted }: Nodes): Issue[] {
  return [...noted].flatMap(ref => byRef.get(ref)?.issues ?? [])
}

/** `now`, with the objects of `before` where nothing about them changed. */
function keptWhereSame(now: Resources, before: Resources): Resources {
  const isSame = (one: DesiredResource, other: DesiredResource) =>
    one.effectiveDigest === other.effectiveDigest &&
    one.at.path === other.at.path &&
    one.at.line === other.at.line &&
    one.at.column === other.at.column
  return new Map(
    [...now].map(([ref, resource]) => {
      const earlier = before.get(ref)
      return [ref, earlier && isSame(earlier, resource) ? earlier : resource]
    }),
  )
}

/** What is wrong with a resource by itself is the one thing to tell of it. */
function withoutErrors(resources: ReadonlyMap<Ref, DesiredResource>, issues: readonly Issue[]): ReadonlyMap<Ref, DesiredResource> {
  const bad = new Set(issues.filter(({ severity }) => severity === 'error').map(({ ref }) => ref))
  return bad.size === 0 ? resources : new Map([...resources].filter(([ref]) => !bad.has(ref)))
}

/** Codes after which resources are missing that somebody declared, and nobody knows which. */
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
  'LOSSY_NUMBER',
  'YAML_LIMIT',
  'YAML_MULTIPLE_DOCUMENTS',
  'YAML_SYNTAX',
  'YAML_TAG',
])

/** Codes, of files and not of resources, after which something is missing whose place is known: where nothing is left, they say why. */
const explainsEmptiness: ReadonlySet<Issue['code']> = new Set<Issue['code']>([
  'INVALID_NAME',
  'OVERLAY_DIRECTIVE',
  'UNKNOWN_FIELD',
  'UNKNOWN_SECTION',
])

function emptyEnvironment(environment: string, path: string): Issue {
  const message = `Cannot compile environment "${environment}" as it declares no resource at all, which would delete everything; declare at least one`
  return issue('EMPTY_ENVIRONMENT', message, { at: { path, line: 1, column: 1 } })
}
