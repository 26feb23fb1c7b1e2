// One resource from its layers: merged, filled in, brought to canonical form and judged by itself. What concerns other resources
// (references, guards by name, cycles) is judged later, so that this result can be kept as long as its own inputs last.

import type { KeyObject } from 'node:crypto'
import { type Issue, issue } from '../../schema/issue.ts'
import { atPointer, isObject, type Json, type JsonObject, pointerOf, stepsOf } from '../../schema/json.ts'
import type { Normalised } from '../../schema/normalise.ts'
import { type Ref, refOf } from '../../schema/ref.ts'
import { Secret } from '../../schema/secret.ts'
import type { Finding, Kind, Vocabulary } from '../../schema/vocabulary.ts'
import { canonicalPath, declaredPath } from './aliases.ts'
import type { DesiredResource } from './desired.ts'
import { digestsOf } from './digests.ts'
import type { Item } from './items.ts'
import { aboutKey, locate, positionOfItem, rawAt } from './locate.ts'
import { type NamedRef, readNames } from './names.ts'
import { duplicateListKeys, mergeChain } from './overlay.ts'
import { leavesOf, placesOf, withLeaf } from './paths.ts'
import { judgeRetyping } from './retype.ts'
import { booleanOfYaml11, lossyMessage } from './scalars.ts'
import { type Filled, type FilledLeaf, fillTemplates, hasTemplate, type TemplateInputs } from './template.ts'

export interface RenderContext {
  readonly vocabulary: Vocabulary
  readonly templates: TemplateInputs
  /** A secret in plain text and an open channel are errors. */
  readonly requireSecurity: boolean
  readonly digestKey: KeyObject | null
}

export interface Rendered {
  /** Its `refs` are those to kinds that leave no choice; see refs.ts for the others. */
  readonly resource: DesiredResource
  readonly kind: Kind
  readonly names: readonly NamedRef[]
  readonly issues: readonly Issue[]
  /** pointer → the variables that went into this leaf. */
  readonly variables: ReadonlyMap<string, readonly string[]>
  /** The secrets it asked for, as they were then; rendering again is needed when one is another. */
  readonly asked: ReadonlyMap<string, Secret | undefined>
}

export function renderResource(chain: readonly Item[], context: RenderContext): Rendered {
  const last = chain.at(-1)
  if (!last) throw new Error('Cannot render a resource that nobody declares')
  const { kind, ref, name } = last
  const retyped = judgeRetyping(chain, knownValue)
  const issues: Issue[] = [...chain.flatMap(duplicateListKeys), ...retyped]
  const merged = mergeChain(chain)
  const { filled, asked } = filledIn()
  for (const { code, message, path } of filled.problems) report(code, message, pointerOf(path))
  // What a leaf will hold once its variable is there is not guessed.
  const unset = [...filled.leaves.filter(leaf => leaf.isUnknown), ...filled.problems].map(({ path }) => path)
  const { declared, spec: raw, findings } = normalised(filled.value)
  const failed = filled.problems.length === 0 ? nothing : new Set(filled.problems.map(problem => pointerOf(problem.path)))
  for (const finding of findings) if (!failed.has(finding.pointer)) report(finding.code, finding.message, finding.pointer, finding.severity)
  judgeLossy()

  const leaves = mapOf(filled.leaves.map(leaf => [pointerOf(canonicalPath(kind, leaf.path)), leaf] as const))
  const { spec: named, names: found, empty } = readNames(kind, raw)
  for (const pointer of empty) report('INVALID_VALUE', emptyName(pointer), pointerOf(declaredPath(kind, stepsOf(pointer), declared)))
  const { spec, secrets } = sealSecrets(named)
  const tainted = [...leaves].filter(([pointer, leaf]) => leaf.isTainted && !secrets.has(pointer)).map(([pointer]) => pointer)
  const unknown = unset.map(path => pointerOf(canonicalPath(kind, path)))
  judgeOpening(spec)
  const names = unknown.length === 0 ? found : found.filter(({ pointer }) => !unknown.includes(pointer))
  const closes = spec.is_active === false ? 'inactive' : (findings.find(finding => finding.closes)?.closes ?? null)
  const resource: DesiredResource = {
    ref,
    kind: kind.name,
    name,
    spec,
    tainted: tainted.sort(),
    refs: refsOf(names),
    ...digestsOf(kind, ref, spec, secrets, context.digestKey),
    closed: closes,
    secrets,
    ...(unknown.length > 0 ? { unknown } : {}),
    at: positionOfItem(chain[0] ?? last),
  }
  const variables = mapOf(Array.from(leaves, ([pointer, leaf]) => [pointer, leaf.variables] as const))
  // Of fields that the other type does not take, the change of type is the one thing to tell.
  const told = retyped.length === 0 ? issues : issues.filter(({ code }) => code !== 'MISPLACED_FIELD')
  return { resource, kind, names, issues: told, variables, asked }

  function knownValue(leaf: Json): Json | undefined {
    const { value, leaves, problems } = fillTemplates(leaf, context.templates, () => 'string')
    return problems.length > 0 || leaves.some(({ isUnknown }) => isUnknown) ? undefined : value
  }

  function filledIn(): { filled: Filled; asked: Rendered['asked'] } {
    if (!hasTemplate(merged)) return { filled: { value: merged, leaves: [], problems: [] }, asked: none }
    const asked = new Map<string, Secret | undefined>()
    const typeAt = (path: readonly (string | number)[]) => context.vocabulary.typeAt(kind, canonicalPath(kind, path), merged)
    return { filled: fillTemplates(merged, recording(context.templates, asked), typeAt), asked }
  }

  function report(code: Issue['code'], message: string, pointer: string, severity?: Issue['severity']): void {
    const { at, related } = locate(chain, pointer, aboutKey.has(code) ? 'key' : 'value')
    const where = { at, ref, pointer, ...(related.length > 0 ? { related } : {}), ...(severity ? { severity } : {}) }
    issues.push(issue(code, message, where))
  }

  /** The schema decides the type: where it refuses a plain scalar, the text of the file is tried as what it wants. */
  function normalised(value: Json): { declared: JsonObject; spec: JsonObject; findings: readonly Finding[] } {
    const first = isObject(value) ? value : {}
    const result = context.vocabulary.normalise(kind, first)
    let adapted: Json = first
    for (const { pointer } of result.findings) {
      const found = atPointer(first, pointer)
      if (found === undefined || found === null || typeof found === 'object' || filledAt(pointer)) continue
      const leaf = adaptedLeaf(found, pointer)
      if (leaf !== found) adapted = withLeaf(adapted, pathOf(pointer, first), leaf)
    }
    if (adapted === first || !isObject(adapted)) return { declared: first, ...known(result) }
    return { declared: adapted, ...known(context.vocabulary.normalise(kind, adapted)) }
  }

  /** Without what only a variable tells that is not there. */
  function known({ spec, findings }: Normalised): Normalised {
    if (unset.length === 0) return { spec, findings }
    const pointers = new Set(unset.map(pointerOf))
    return { spec, findings: findings.filter(finding => !restsOnUnknown(kind, finding, pointers)) }
  }

  function adaptedLeaf(found: string | number | boolean, pointer: string): Json {
    const wanted = context.vocabulary.typeAt(kind, canonicalPath(kind, pathOf(pointer, filled.value)), merged)
    if (wanted === 'string' && typeof found !== 'string') return rawAt(chain, pointer)?.source ?? String(found)
    if (wanted === 'boolean' && typeof found === 'string' && rawAt(chain, pointer)) return booleanOfYaml11(found) ?? found
    return found
  }

  function filledAt(pointer: string): boolean {
    return filled.leaves.some(leaf => pointerOf(leaf.path) === pointer)
  }

  function judgeLossy(): void {
    if (!chain.some(item => item.document.raw.some(scalar => scalar.lossy))) return
    for (const { path, value } of leavesOf(declared)) {
      if (typeof value !== 'number') continue
      const pointer = pointerOf(path)
      if (rawAt(chain, pointer)?.lossy) report('LOSSY_NUMBER', lossyMessage(path), pointer)
    }
  }

  /** Takes every secret out of the spec: by expression anywhere, by schema wherever it lies. */
  function sealSecrets(from: JsonObject): { spec: JsonObject; secrets: ReadonlyMap<string, Secret> } {
    const found = new Map<string, Secret>()
    let sealed: Json = from
    for (const [pointer, leaf] of leaves) if (leaf.secret && atPointer(from, pointer) !== undefined) found.set(pointer, leaf.secret)
    for (const pattern of kind.secretPaths)
      for (const place of placesOf(from, pattern))
        for (const { path, value } of leavesOf(place.value, place.path)) {
          const pointer = pointerOf(path)
          if (value === null || failed.has(pointerOf(declaredPath(kind, path, declared)))) continue
          const leaf = leaves.get(pointer)
          const isHidden = leaf !== undefined && (leaf.secret !== null || leaf.isTainted)
          if (leaf?.hasPlainDefault || (!isHidden && value !== '')) plaintext(pointer, path, leaf)
          if (found.has(pointer) || value === '') continue
          found.set(pointer, new Secret(String(value)))
          sealed = withLeaf(sealed, path, isHidden ? leaf.reference : literal)
        }
    return { spec: sealed as JsonObject, secrets: found.size === 0 ? none : found } // the root is never replaced
  }

  function plaintext(pointer: string, path: readonly (string | number)[], leaf: FilledLeaf | undefined): void {
    const from = leaf && leaf.variables.length > 0 ? ` (it comes from ${leaf.variables.join(', ')})` : ''
    const cause = leaf?.hasPlainDefault ? 'its default stands in plain text' : `it stands in plain text${from}`
    const message = `Cannot keep the secret in "${stepsOf(pointer).join('.')}" as ${cause}; write \${{ secrets.NAME }} there, and the value where "secrets" of environment.yaml says`
    report('PLAINTEXT_SECRET', message, pointerOf(declaredPath(kind, path, declared)), context.requireSecurity ? 'error' : 'warning')
  }

  /** A boolean marked `x-opens` lets everybody in; without it, one of the fields it lists must name a guard. */
  function judgeOpening(of: JsonObject): void {
    for (const [opener, guards] of kind.openers) {
      if (unknown.includes(pointerOf([opener]))) continue
      const named = guards.filter(guard => isSet(of[guard]))
      const surely = named.filter(guard => !unknown.includes(pointerOf([guard]))).flatMap(guard => declaredPath(kind, [guard], merged))
      const listed = guards.map(guard => `"${guard}"`).join(' or ')
      if (of[opener] === true && surely.length > 0)
        report(
          'PUBLIC_WITH_SECURITY',
          `Cannot open "${ref}" to everyone as it also names ${surely.map(guard => `"${guard}"`).join(' and ')}; remove "${opener}", or set the other to null`,
          `/${opener}`,
        )
      if (of[opener] !== true && named.length === 0 && context.requireSecurity)
        report(
          'SECURITY_REQUIRED',
          `Cannot open "${ref}" as nothing guards it; name ${listed}, or write "${opener}: true" if everyone may call it`,
          '',
        )
    }
  }
}

// Shared, as most resources have nothing of the kind, and ten thousand empty maps are a burden.
const none: ReadonlyMap<string, never> = new Map<string, never>()
const nothing: ReadonlySet<string> = new Set<string>()

function mapOf<Value>(entries: readonly (readonly [string, Value])[]): ReadonlyMap<string, Value> {
  return entries.length === 0 ? none : new Map(entries)
}

/** Stands in a spec for a secret that was written out. */
const literal = `\${{ literal }}`

function recording(templates: TemplateInputs, asked: Map<string, Secret | undefined>): TemplateInputs {
  return {
    ...templates,
    secret: name => {
      const secret = templates.secret(name)
      asked.set(name, secret)
      return secret
    },
  }
}

/** The steps of `pointer` with list positions as numbers. */
function pathOf(pointer: string, document: Json): (string | number)[] {
  const path: (string | number)[] = []
  let node: Json | undefined = document
  for (const step of stepsOf(pointer)) {
    path.push(Array.isArray(node) ? Number(step) : step)
    node = node === undefined ? undefined : atPointer(node, pointerOf([step]))
  }
  return path
}

/** Whether only a variable that is not there tells if the finding is right. @param unknown as declared */
function restsOnUnknown(kind: Kind, { code, pointer }: Finding, unknown: ReadonlySet<string>): boolean {
  switch (code) {
    case 'WRONG_TYPE':
    case 'INVALID_VALUE':
      return unknown.has(pointer)
    case 'FIELD_NOT_SERVED':
      return unknown.has(pointer) && fieldAt(kind, pointer)['x-served'] !== false
    case 'MISPLACED_FIELD': {
      const when = fieldAt(kind, pointer)['x-when']
      return isObject(when) && Object.keys(when).some(other => unknown.has(pointerOf([other])))
    }
    default:
      return false
  }
}

function fieldAt(kind: Kind, pointer: string): JsonObject {
  const [first = ''] = canonicalPath(kind, stepsOf(pointer))
  const field = isObject(kind.schema.properties) && Object.hasOwn(kind.schema.properties, first) ? kind.schema.properties[first] : undefined
  return isObject(field) ? field : {}
}

function emptyName(pointer: string): string {
  return `Cannot use the name in "${stepsOf(pointer).join('.')}" as it is empty; name a resource, or remove the entry`
}

function isSet(value: Json | undefined): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null && value !== ''
}

function refsOf(names: readonly NamedRef[]): Ref[] {
  const refs = names.flatMap(({ kinds, name }) => (kinds.length === 1 && kinds[0] ? [refOf(kinds[0], name)] : []))
  return [...new Set(refs)].sort()
}
