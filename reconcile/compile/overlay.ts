// The layers of an environment, base first, become one value per resource: JSON merge patch (RFC 7396) with lists merged by key
// where the schema names one. A field is one in all its spellings; merged it has that of the nearest layer. The same function merges
// plain values and values whose leaves remember where they were declared, so that provenance can never tell another story than the
// merge itself.

import { derivedMap } from '../../schema/derived-map.ts'
import { type Issue, issue } from '../../schema/issue.ts'
import { isObject, type Json, type JsonObject, pointerOf } from '../../schema/json.ts'
import { nearest } from '../../schema/nearest.ts'
import { type KindName, partsOf, type Ref } from '../../schema/ref.ts'
import type { Kind } from '../../schema/vocabulary.ts'
import { declaredPath, fieldOf, spelledAs } from './aliases.ts'
import { positionOf } from './document.ts'
import type { FileItems, Item } from './items.ts'

/** One directory's files; `name` is the directory without the folder of all environments. */
export interface LayerItems {
  readonly name: string
  readonly files: readonly FileItems[]
}

export interface Overlaid {
  /** What each resource is made of, lowest layer first; removed resources are absent. */
  readonly chains: ReadonlyMap<Ref, readonly Item[]>
  readonly issues: readonly Issue[]
  /** Each layer by itself, for `overlayAgain`. */
  readonly layers: readonly OverlaidLayer[]
}

interface OverlaidLayer extends LayerItems {
  /** Of two items with one ref the first. */
  readonly byRef: ReadonlyMap<Ref, Item>
  /** Items over a layer that has none of their ref. */
  readonly baseless: readonly Item[]
}

export function overlayLayers(layers: readonly LayerItems[]): Overlaid {
  const chains = new Map<Ref, readonly Item[]>()
  const issues: Issue[] = []
  const overlaid: OverlaidLayer[] = []
  for (const [index, { name, files }] of layers.entries()) {
    const byRef = new Map<Ref, Item>()
    const baseless: Item[] = []
    for (const file of files)
      for (const item of file.items) {
        const twin = byRef.get(item.ref)
        if (twin) {
          issues.push(duplicate(item, twin))
          continue
        }
        byRef.set(item.ref, item)
        const below = chains.get(item.ref)
        if (index > 0 && !below) baseless.push(item)
        const chain = placed(item, below)
        if (chain) chains.set(item.ref, chain)
        else chains.delete(item.ref)
      }
    issues.push(...withoutBase(baseless, chains, name))
    overlaid.push({ name, files, byRef, baseless })
  }
  return { chains, issues, layers: overlaid }
}

export interface OverlaidAgain {
  readonly overlaid: Overlaid
  /** Refs that are declared otherwise, or no longer. All others have the chains they had. */
  readonly touched: ReadonlySet<Ref>
}

/**
 * The same from what other files gave, by what changed between them. Null where only a look at all of them can tell: most of them
 * changed, an item stands twice, or lower layers declare something over nothing.
 * @param before without an error
 */
export function overlayAgain(before: Overlaid, layers: readonly LayerItems[]): OverlaidAgain | null {
  const top = before.layers.at(-1)
  const lower = before.layers.slice(0, -1)
  if (!top || layers.length !== before.layers.length || lower.some(({ baseless }) => baseless.length > 0)) return null
  const touched = new Set<Ref>()
  const overlaid: OverlaidLayer[] = []
  for (const [index, was] of before.layers.entries()) {
    const layer = layers[index]
    const changes = layer?.name === was.name ? changesOf(was, layer) : null
    if (!layer || !changes) return null
    for (const ref of [...changes.set.keys(), ...changes.unset]) touched.add(ref)
    overlaid.push({ ...layer, byRef: derivedMap(was.byRef, changes), baseless: was.baseless })
  }
  const set = new Map<Ref, readonly Item[]>()
  const unset = new Set<Ref>()
  const baseless: Item[] = []
  for (const ref of touched) {
    let chain: readonly Item[] | undefined
    for (const [index, { byRef }] of overlaid.entries()) {
      const item = byRef.get(ref)
      if (item && index > 0 && !chain) {
        if (index < lower.length) return null
        baseless.push(item)
      }
      if (item) chain = placed(item, chain)
    }
    if (chain) set.set(ref, chain)
    else if (before.chains.has(ref)) unset.add(ref)
  }
  const chains = derivedMap(before.chains, { set, unset })
  const kept = top.baseless.filter(({ ref }) => !touched.has(ref))
  const isSame = baseless.length + top.baseless.length - kept.length + unset.size === 0 && chains.size === before.chains.size
  const others = isSame ? top.baseless : [...kept, ...baseless]
  const issues = isSame ? before.issues : withoutBase(others, chains, top.name)
  const topmost = overlaid.at(-1)
  const all = topmost ? [...overlaid.slice(0, -1), { ...topmost, baseless: others }] : overlaid
  return { overlaid: { chains, issues, layers: all }, touched }
}

/** What other files make of the items of a layer; null where an item stands twice, or most of it changed. */
function changesOf(before: OverlaidLayer, { files }: LayerItems): { set: Map<Ref, Item>; unset: Set<Ref> } | null {
  const set = new Map<Ref, Item>()
  const unset = new Set<Ref>()
  const gone = new Set(before.files)
  const come = files.filter(file => !gone.delete(file))
  if (come.length + gone.size > files.length) return null
  for (const file of gone) for (const { ref } of file.items) unset.add(ref)
  for (const file of come)
    for (const item of file.items) {
      if (set.has(item.ref) || (before.byRef.has(item.ref) && !unset.has(item.ref))) return null
      set.set(item.ref, item)
    }
  return { set, unset }
}

/** What an item's layers give together; directives and nulls are gone. */
export function mergeChain(chain: readonly Item[]): JsonObject {
  if (chain.length === 1 && chain[0] && isSettled(chain[0].value)) return chain[0].value
  let merged: Branch = {}
  for (const item of chain) merged = mergeItem(merged, item, item.value)
  return merged as JsonObject // merging plain values gives plain values
}

/** Where each leaf of the merged value was declared, by its pointer there. */
export function originsOf(chain: readonly Item[]): ReadonlyMap<string, Origin> {
  let merged: Branch = {}
  for (const item of chain) merged = mergeItem(merged, item, withOrigins(item, item.value, []))
  const origins = new Map<string, Origin>()
  collect(merged, [], origins)
  return origins
}

/** The lists of an item that name the same key twice, which no merge could tell apart. */
export function duplicateListKeys(item: Item): readonly Issue[] {
  const issues: Issue[] = []
  for (const [path, key] of item.kind.mergeKeys) {
    const steps = declaredPath(item.kind, path.split('/'), item.value)
    const list = steps.reduce<Json | undefined>((value, step) => (isObject(value) ? value[step] : undefined), item.value)
    if (!Array.isArray(list)) continue
    const seen = new Map<Json, number>()
    for (const [index, entry] of list.entries()) {
      const value = isObject(entry) ? entry[key] : undefined
      if (value === undefined || value === null || typeof value === 'object') continue
      const first = seen.get(value)
      if (first === undefined) seen.set(value, index)
      else {
        const message = `Cannot merge list "${steps.join('.')}" as two items share the key "${key}": items ${first + 1} and ${index + 1}; keep one`
        issues.push(
          issue('DUPLICATE_LIST_KEY', message, {
            at: positionOf(item.path, item.document, item.mark),
            ref: item.ref,
            pointer: pointerOf([...steps, index]),
          }),
        )
      }
    }
  }
  return issues
}

/** A leaf together with the item that declared it and its pointer there. */
export class Origin {
  readonly value: null | boolean | number | string
  readonly item: Item
  readonly pointer: string

  constructor(value: null | boolean | number | string, item: Item, pointer: string) {
    this.value = value
    this.item = item
    this.pointer = pointer
  }
}

type Tree = null | boolean | number | string | Origin | readonly Tree[] | Branch
type Branch = { readonly [key: string]: Tree }

/** The chain after an item over what is below; undefined after one that removes. */
function placed(item: Item, below: readonly Item[] | undefined): readonly Item[] | undefined {
  if (item.directive === 'remove') return undefined
  return below && item.directive === 'patch' ? [...below, item] : item.alone
}

function duplicate(item: Item, twin: Item): Issue {
  const message = `Cannot declare "${item.ref}" as the layer "${item.layer}" declares it twice; keep one, or rename one`
  const related = [{ message: 'the first one', at: positionOf(twin.path, twin.document, twin.mark) }]
  return issue('DUPLICATE_NAME', message, { at: positionOf(item.path, item.document, item.mark), ref: item.ref, related })
}

/** An overlay item without a base is a create; one that looks like a misspelt change is flagged, and so is one that removes nothing. */
function withoutBase(items: readonly Item[], chains: ReadonlyMap<Ref, readonly Item[]>, layer: string): Issue[] {
  const issues: Issue[] = []
  const namesByKind = new Map<KindName, string[]>()
  if (items.length > 0)
    for (const [ref, [lowest]] of chains) {
      if (lowest?.layer === layer) continue
      const { kind, name } = partsOf(ref)
      const names = namesByKind.get(kind)
      if (names) names.push(name)
      else namesByKind.set(kind, [name])
    }
  // By name, so that it does not depend on the order of files which ones are judged.
  for (const [index, item] of items.toSorted((a, b) => (a.ref < b.ref ? -1 : 1)).entries()) {
    const names = namesByKind.get(item.kind.name) ?? []
    const isJudged = index < nearLimits.items && names.length <= nearLimits.names
    const near = isJudged
      ? nearest(
          item.name,
          names.filter(name => withoutDigits(name) !== withoutDigits(item.name)),
        )
      : undefined
    if (near === undefined && item.directive !== 'remove') continue
    const end = near === undefined ? 'correct the name, or remove the item' : `did you mean "${near}"?`
    const message =
      item.directive === 'remove'
        ? `Cannot remove "${item.ref}" as no layer below declares it: ${end}`
        : `Cannot merge "${item.ref}" onto anything as no layer below declares it; it is created: ${end}`
    issues.push(issue('OVERLAY_WITHOUT_BASE', message, { at: positionOf(item.path, item.document, item.mark), ref: item.ref }))
  }
  return issues
}

// Spelling is compared with every name of a kind; beyond this the hint is not worth its time.
const nearLimits = { items: 50, names: 1_000 }

/** "orders-1" beside "orders-2" is a series, not a slip. */
function withoutDigits(name: string): string {
  return name.replace(/[0-9]+/g, '')
}

/** Whether merging onto nothing would give the value itself. */
function isSettled(value: JsonObject): boolean {
  for (const key in value) {
    const entry = value[key]
    if (entry === null || key.startsWith('$')) return false
    if (typeof entry === 'object' && !(Array.isArray(entry) ? entry.every(isSettledEntry) : isSettled(entry as JsonObject))) return false // neither null nor a list
  }
  return true
}

function isSettledEntry(entry: Json): boolean {
  return !isObject(entry) || !Object.hasOwn(entry, '$remove')
}

/** @param fields the value of `item`, or the same with origins */
function mergeItem(below: Branch, { kind, directive, value }: Item, fields: Tree): Branch {
  const base = directive === 'replace' ? {} : spelledAs(kind, below, value)
  return mergeTree(base, fields, kind, []) as Branch // fields are a branch
}

/** @param path in the canonical form */
function mergeTree(base: Tree, patch: Tree, kind: Kind, path: readonly string[]): Tree {
  if (Array.isArray(patch)) {
    const key = kind.mergeKeys.get(path.join('/'))
    return key === undefined ? patch : mergeList(Array.isArray(base) ? base : [], patch, key, kind, path)
  }
  if (!isBranch(patch)) return patch
  const merged: Record<string, Tree> = isBranch(base) ? { ...base } : {}
  for (const key of Object.keys(patch)) {
    if (key.startsWith('$') && path.length === 0) continue
    const value = patch[key]
    if (value === undefined || plain(value) === null) delete merged[key]
    else merged[key] = mergeTree(merged[key] ?? null, value, kind, path.length === 0 ? [fieldOf(kind, key)] : [...path, key])
  }
  return merged
}

function mergeList(base: readonly Tree[], patch: readonly Tree[], key: string, kind: Kind, path: readonly string[]): Tree {
  const merged = [...base]
  for (const entry of patch) {
    const identity = isBranch(entry) ? plain(entry[key]) : undefined
    const found = identity === undefined ? -1 : merged.findIndex(item => isBranch(item) && plain(item[key]) === identity)
    const isRemoved = isBranch(entry) && plain(entry.$remove) === true
    if (isRemoved && found >= 0) merged.splice(found, 1)
    else if (isRemoved) continue
    else if (found >= 0) merged[found] = mergeTree(merged[found] ?? null, entry, kind, [...path, '*'])
    else merged.push(mergeTree(null, entry, kind, [...path, '*']))
  }
  return merged
}

function isBranch(tree: Tree | undefined): tree is { readonly [key: string]: Tree } {
  return typeof tree === 'object' && tree !== null && !Array.isArray(tree) && !(tree instanceof Origin)
}

function plain(tree: Tree | undefined): Tree | undefined {
  return tree instanceof Origin ? tree.value : tree
}

function withOrigins(item: Item, value: Json, path: readonly (string | number)[]): Tree {
  if (value === null || typeof value !== 'object') return new Origin(value, item, pointerOf(path))
  if (Array.isArray(value)) return value.map((entry, index) => withOrigins(item, entry, [...path, index]))
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withOrigins(item, entry, [...path, key])]))
}

function collect(tree: Tree, path: readonly (string | number)[], origins: Map<string, Origin>): void {
  if (tree instanceof Origin) origins.set(pointerOf(path), tree)
  else if (Array.isArray(tree)) for (const [index, entry] of tree.entries()) collect(entry, [...path, index], origins)
  else if (isBranch(tree)) for (const [key, entry] of Object.entries(tree)) collect(entry, [...path, key], origins)
}
