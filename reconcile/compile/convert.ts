// Composed YAML nodes to a document: JSON value, marks and raw scalars come out of one walk, with aliases and merge keys expanded
// under a budget, and duplicate keys found by a set (the library's own check takes quadratic time).

import { type Document, isAlias, isMap, isScalar, isSeq, type ParsedNode, type Scalar, type YAMLMap } from 'yaml'
import type { IssueCode } from '../../schema/issue.ts'
import type { Json } from '../../schema/json.ts'
import { type Parsed, type ParsedDocument, placeOfOffset, type RawScalar, type Refusal } from './document.ts'
import { parseLimits } from './parse-limits.ts'
import { booleanOfYaml11, isLossy } from './scalars.ts'
import { syntaxMessage } from './syntax-messages.ts'
import { forbiddenInValue, forbiddenMessage } from './yaml-text.ts'

export type Refuse = (code: IssueCode, offset: number, message: string, related?: Refusal['related']) => Refusal

/** Never throws for bad input. */
export function convertDocument(document: Document.Parsed, lines: readonly number[], refuse: Refuse): Parsed {
  return new Conversion(document, lines, refuse).run()
}

/** Ends a conversion at once: what follows a limit is not worth reading. */
class LimitReached extends Error {
  readonly refusal: Refusal
  constructor(refusal: Refusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}

/** One walk over the composed nodes. */
class Conversion {
  readonly #document: Document.Parsed
  readonly #lines: readonly number[]
  readonly #refuse: Refuse
  readonly #targets: ReadonlyMap<unknown, ParsedNode>
  readonly #marks: number[] = []
  readonly #raw: RawScalar[] = []
  readonly #refusals: Refusal[] = []

  constructor(document: Document.Parsed, lines: readonly number[], refuse: Refuse) {
    this.#document = document
    this.#lines = lines
    this.#refuse = refuse
    this.#targets = aliasTargets(document.contents)
  }

  run(): Parsed {
    try {
      const value = this.#node(this.#document.contents, 0, 0)
      if (this.#refusals.length > 0) return { kind: 'refused', refusals: this.#refusals }
      const document: ParsedDocument = { value, marks: this.#marks, lines: this.#lines, raw: this.#raw }
      return { kind: 'document', document }
    } catch (error) {
      if (error instanceof LimitReached) return { kind: 'refused', refusals: [...this.#refusals, error.refusal] }
      throw error
    }
  }

  /** @param place offset the value is said to be at, where that is not its own: what an alias gives is where the alias stands */
  #node(node: ParsedNode | null, parentOffset: number, depth: number, place?: number): Json {
    const offset = place ?? node?.range[0] ?? parentOffset
    this.#mark(offset, depth)
    if (node === null) return null
    if (isAlias(node)) return this.#alias(node, depth)
    if (isScalar(node)) return this.#scalar(node, offset)
    if (isSeq(node)) return node.items.map(item => this.#node(item as ParsedNode | null, offset, depth + 1)) // composed from text, so items are parsed nodes
    return this.#map(node as YAMLMap.Parsed, offset, depth) // the one kind of node left
  }

  #mark(offset: number, depth: number): void {
    if (this.#marks.length >= parseLimits.nodes)
      throw this.#limit(offset, `it holds too many values once its aliases are expanded; at most ${parseLimits.nodes} are accepted`)
    if (depth > parseLimits.depth) throw this.#limit(offset, `its values nest too deep; at most ${parseLimits.depth} levels are accepted`)
    this.#marks.push(offset)
  }

  #limit(offset: number, cause: string): LimitReached {
    return new LimitReached(this.#refuse('YAML_LIMIT', offset, `Cannot read this file as ${cause}`))
  }

  #alias(node: ParsedNode, depth: number): Json {
    const target = this.#targets.get(node)
    if (!target) {
      this.#report('YAML_SYNTAX', node.range[0], 'Cannot read this file as an alias names no anchor above it; define the anchor first')
      return null
    }
    this.#marks.pop()
    return this.#node(target, node.range[0], depth + 1, node.range[0])
  }

  #scalar(node: Scalar.Parsed, offset: number): Json {
    const value: unknown = node.value
    const plain = node.type === 'PLAIN'
    if (typeof value === 'string') {
      const forbidden = forbiddenInValue.exec(value)
      if (forbidden) this.#report('FORBIDDEN_CHARACTER', offset, forbiddenMessage(forbidden[0]))
      if (plain && booleanOfYaml11(value) !== undefined) this.#keepRaw(value, false)
      return value
    }
    if (typeof value === 'number') {
      if (!Number.isFinite(value)) {
        this.#report('LOSSY_NUMBER', offset, 'Cannot take this number as it is not finite; write a number, or put the text in quotes')
        return null
      }
      if (node.source !== String(value)) this.#keepRaw(node.source, isLossy(node.source, value))
      return Object.is(value, -0) ? 0 : value
    }
    if (typeof value === 'boolean') {
      if (node.source !== String(value)) this.#keepRaw(node.source, false)
      return value
    }
    if (value === null) return null
    this.#report('YAML_TAG', offset, syntaxMessage('TAG_RESOLVE_FAILED'))
    return null
  }

  #keepRaw(source: string, lossy: boolean): void {
    this.#raw.push({ mark: this.#marks.length - 1, source, lossy })
  }

  #map(node: YAMLMap.Parsed, offset: number, depth: number): Json {
    const entries = this.#entries(node, depth)
    const value: Record<string, Json> = {}
    // In the order a JavaScript object keeps (integer-like keys first), which is the order marks are counted in.
    for (const key of Object.keys(entries)) {
      const entry = entries[key]
      if (!entry) continue
      this.#mark(entry.at, depth)
      value[key] = this.#node(entry.value, entry.at || offset, depth + 1)
    }
    return value
  }

  #entries(node: YAMLMap.Parsed, depth: number): Record<string, Entry> {
    const entries: Record<string, Entry> = Object.create(null)
    const merged: Record<string, Entry>[] = []
    for (const pair of node.items) {
      const at = pair.key?.range[0] ?? node.range[0]
      const key = this.#key(pair.key as ParsedNode | null, at)
      if (key === undefined) continue
      if (key === '<<' && isScalar(pair.key) && pair.key.type === 'PLAIN') {
        merged.push(...this.#mergedMaps(pair.value as ParsedNode | null, at, depth))
        continue
      }
      const earlier = entries[key]
      if (earlier)
        this.#report('DUPLICATE_KEY', at, `Cannot read this mapping as the key "${key}" stands in it twice; keep one`, [
          { message: 'the first one', ...placeOfOffset(this.#lines, earlier.at) },
        ])
      else entries[key] = { at, value: pair.value as ParsedNode | null } // composed from text
    }
    for (const map of merged) for (const key of Object.keys(map)) entries[key] ??= map[key] as Entry // an own key of it
    return entries
  }

  #key(key: ParsedNode | null, at: number): string | undefined {
    const target = isAlias(key) ? this.#targets.get(key) : key
    const text = isScalar(target) && target.value !== null ? String(target.source ?? target.value) : undefined
    if (text === undefined || text.length > parseLimits.keyLength) {
      this.#report('YAML_SYNTAX', at, 'Cannot read this mapping as a key is not a short plain text; write each entry as "name: value"')
      return undefined
    }
    if (text === '__proto__' || text === 'constructor' || text === 'prototype' || forbiddenInValue.test(text)) {
      this.#report('FORBIDDEN_KEY', at, `Cannot accept this key as it is reserved: ${JSON.stringify(text)}; choose another name`)
      return undefined
    }
    return text
  }

  /** The mappings that `<<` names (YAML 1.1 merge keys): one, or a list where the first wins. */
  #mergedMaps(value: ParsedNode | null, at: number, depth: number): Record<string, Entry>[] {
    if (depth > parseLimits.depth) throw this.#limit(at, `its values nest too deep; at most ${parseLimits.depth} levels are accepted`)
    const sources = isSeq(value) ? (value.items as (ParsedNode | null)[]) : [value] // composed from text
    return sources.flatMap(source => {
      const target = isAlias(source) ? this.#targets.get(source) : source
      if (isMap(target)) {
        const entries = this.#entries(target as YAMLMap.Parsed, depth + 1)
        this.#spend(Object.keys(entries).length, at)
        return [entries]
      }
      this.#report('YAML_SYNTAX', at, 'Cannot merge with "<<" as its value is no mapping; name an anchor of a mapping')
      return []
    })
  }

  #merges = 0

  #spend(entries: number, at: number): void {
    this.#merges += entries
    if (this.#merges > parseLimits.nodes) throw this.#limit(at, 'its merge keys ("<<") expand to too many entries; write them out')
  }

  #report(code: IssueCode, offset: number, message: string, related?: Refusal['related']): void {
    const refusal = this.#refuse(code, offset, message, related)
    if (this.#refusals.push(refusal) >= parseLimits.refusals) throw new LimitReached(this.#refusals.pop() ?? refusal)
  }
}

/** What each alias names: the last node above it with that anchor. One pass, where the library's own look-up walks the document for each alias. */
function aliasTargets(contents: ParsedNode | null): ReadonlyMap<unknown, ParsedNode> {
  const targets = new Map<unknown, ParsedNode>()
  const anchors = new Map<string, ParsedNode>()
  const stack: unknown[] = [contents]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (isAlias(node)) {
      const target = anchors.get(node.source)
      if (target) targets.set(node, target)
      continue
    }
    if (isScalar(node) || isMap(node) || isSeq(node)) if (node.anchor) anchors.set(node.anchor, node as ParsedNode) // composed from text
    if (isSeq(node)) for (const item of [...node.items].reverse()) if (item) stack.push(item)
    if (isMap(node)) {
      for (const pair of [...node.items].reverse()) {
        if (pair.value) stack.push(pair.value)
        if (pair.key) stack.push(pair.key)
      }
    }
  }
  return targets
}

interface Entry {
  readonly at: number
  readonly value: ParsedNode | null
}
