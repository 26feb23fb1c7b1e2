// The persistent router: a tree of path segments that no one ever writes into. A change copies the nodes on the way to it and
// shares all others, so two generations that differ in one channel differ in a handful of objects.
//
// What wins is a property of the routes, never of the order they came in: literal segments before parameters, from the left;
// on one path the request's own method before "any"; between two routes of one method and shape (a plan refuses them) the smaller
// ref. A path that matches but does not serve the method does not hide a less literal one that does. HEAD is served by a HEAD
// route, else by the GET route of the path, whose body is then not sent. OPTIONS is a method like any other: only a route that
// says OPTIONS, or says no method at all, answers it.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { hashOf, hashSeed, hashStep, lookUp, type Trie, withKey } from '../generation/trie.ts'
import { type Segment, segmentsOf } from './pattern.ts'
import type { Match, Route, Router } from './route.ts'

export function createRouter(): Router {
  return new SegmentRouter(emptyNode, null, 0)
}

interface Node {
  readonly literals: Trie<Node> | null
  readonly parameter: Node | null
  readonly end: End | null
}

/** Every route whose pattern ends at a node. */
interface End {
  /** By method, then ref. */
  readonly claims: readonly Claim[]
  /** What each method is answered by; HEAD is in it where GET is. */
  readonly byMethod: ReadonlyMap<string, Claim>
  readonly any: Claim | null
  readonly allow: readonly string[]
}

interface Claim {
  readonly route: Route
  /** Names of the parameters, from the left. */
  readonly names: readonly string[]
  /** What a match without parameters answers: made once. */
  readonly found: Match
}

const emptyNode: Node = { literals: null, parameter: null, end: null }
const nothing: Match = { kind: 'none' }
const slash = 0x2f
/** Of the 5 ms a slice may take; the rest is for the edit under way and a slow machine. */
const sliceMs = 3

class SegmentRouter implements Router {
  readonly size: number
  readonly #root: Node
  /** The same ends by whole path, of patterns without parameters: nothing is more literal, so most matches end here. */
  readonly #literal: Trie<End> | null

  constructor(root: Node, literal: Trie<End> | null, size: number) {
    this.#root = root
    this.#literal = literal
    this.size = size
  }

  match(method: string, path: string): Match {
    const end = lookUp(this.#literal, path, hashOf(path))
    const claim = end === undefined ? null : (end.byMethod.get(method) ?? end.any)
    if (claim !== null) return claim.found
    const search = new Search(method, path)
    return search.descend(this.#root, 1) ?? (search.allow === null ? nothing : { kind: 'method', allow: search.allow })
  }

  async replace(removed: readonly Route[], added: readonly Route[]): Promise<Router> {
    let root = this.#root
    let literal = this.#literal
    let size = this.size
    let sliceEndsAt = performance.now() + sliceMs
    for (const edit of editsOf(removed, added)) {
      root = edited(root, edit, 0) ?? emptyNode
      size += edit.growth
      if (edit.isLiteral) literal = withKey(literal, edit.route.pattern, edit.end ?? undefined)
      if (performance.now() < sliceEndsAt) continue
      await nextTurn()
      sliceEndsAt = performance.now() + sliceMs
    }
    return new SegmentRouter(root, literal, size)
  }
}

/** One look into the tree. Each node is visited at most once, so the work is bounded by the routes that match a part of the path. */
class Search {
  allow: readonly string[] | null = null
  readonly #method: string
  readonly #path: string
  #values: string[] | null = null

  constructor(method: string, path: string) {
    this.#method = method
    this.#path = path
  }

  descend(node: Node, from: number): Match | null {
    const path = this.#path
    let hash = hashSeed
    let to = from
    for (; to < path.length; to++) {
      const unit = path.charCodeAt(to)
      if (unit === slash) break
      hash = hashStep(hash, unit)
    }
    const segment = path.slice(from, to)
    const isLast = to === path.length
    const literal = node.literals === null ? undefined : lookUp(node.literals, segment, hash)
    if (literal !== undefined) {
      const found = isLast ? this.#arrive(literal) : this.descend(literal, to + 1)
      if (found !== null) return found
    }
    if (node.parameter === null || segment === '') return null
    this.#values ??= []
    this.#values.push(segment)
    const found = isLast ? this.#arrive(node.parameter) : this.descend(node.parameter, to + 1)
    this.#values.pop()
    return found
  }

  #arrive(node: Node): Match | null {
    if (node.end === null) return null
    const claim = node.end.byMethod.get(this.#method) ?? node.end.any
    if (claim === null) {
      this.allow = this.allow === null ? node.end.allow : [...new Set([...this.allow, ...node.end.allow])].sort()
      return null
    }
    if (claim.names.length === 0) return claim.found
    const params: Record<string, string> = {}
    for (const [at, name] of claim.names.entries()) params[name] = this.#values?.[at] ?? ''
    return { kind: 'found', route: claim.route, params }
  }
}

interface Edit {
  readonly route: Route
  readonly segments: readonly Segment[]
  /** Null removes the route. */
  readonly claim: Claim | null
  readonly isLiteral: boolean
  /** Set by the edit: how many routes the tree has more, and what stands at the end of the pattern. */
  growth: number
  end: End | null
}

function* editsOf(removed: readonly Route[], added: readonly Route[]): Generator<Edit> {
  // One that comes back where it was takes the place of its predecessor; most changes of a service are nothing else.
  const renewed = new Set(added.map(placeOf))
  for (const route of removed) if (!renewed.has(placeOf(route))) yield editOf(route, false)
  for (const route of added) yield editOf(route, true)
}

function placeOf({ ref, method, pattern }: Route): string {
  return `${method} ${pattern} ${ref}`
}

function editOf(route: Route, isKept: boolean): Edit {
  const segments = segmentsOf(route.pattern)
  const names = segments.flatMap(segment => (segment.kind === 'parameter' ? [segment.name] : []))
  const claim: Claim = { route, names, found: { kind: 'found', route, params: Object.freeze({}) } }
  return { route, segments, claim: isKept ? claim : null, isLiteral: names.length === 0, growth: 0, end: null }
}

/** A copy of `node` with the edit made below it; null where nothing is left. */
function edited(node: Node, edit: Edit, depth: number): Node | null {
  const segment = edit.segments[depth]
  if (segment === undefined) {
    const end = withClaim(node.end, edit.route, edit.claim)
    edit.end = end
    edit.growth = (end?.claims.length ?? 0) - (node.end?.claims.length ?? 0)
    return pruned(node.literals, node.parameter, end)
  }
  if (segment.kind === 'parameter') return pruned(node.literals, edited(node.parameter ?? emptyNode, edit, depth + 1), node.end)
  const before = node.literals === null ? undefined : lookUp(node.literals, segment.text, hashOf(segment.text))
  const after = edited(before ?? emptyNode, edit, depth + 1)
  return pruned(withKey(node.literals, segment.text, after ?? undefined), node.parameter, node.end)
}

function pruned(literals: Node['literals'], parameter: Node['parameter'], end: Node['end']): Node | null {
  return literals === null && parameter === null && end === null ? null : { literals, parameter, end }
}

function withClaim(end: End | null, route: Route, claim: Claim | null): End | null {
  const others = (end?.claims ?? []).filter(kept => kept.route.ref !== route.ref || kept.route.method !== route.method)
  const claims = (claim === null ? others : [...others, claim]).sort(byMethodThenRef)
  if (claims.length === 0) return null
  const byMethod = new Map<string, Claim>()
  for (const kept of claims) if (!byMethod.has(kept.route.method)) byMethod.set(kept.route.method, kept)
  const any = byMethod.get('') ?? null
  byMethod.delete('')
  const get = byMethod.get('GET')
  if (get !== undefined && !byMethod.has('HEAD')) byMethod.set('HEAD', get)
  return { claims, byMethod, any, allow: [...byMethod.keys()].sort() }
}

function byMethodThenRef(a: Claim, b: Claim): number {
  if (a.route.method !== b.route.method) return a.route.method < b.route.method ? -1 : 1
  return a.route.ref < b.route.ref ? -1 : 1
}
