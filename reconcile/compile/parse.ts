// Bytes of one YAML file to a document, with every guard that hostile or careless input needs. Runs in a child process that may be
// killed (parser.ts): `yaml` has inputs that cost seconds, and on older engines inputs that abort the process.
// Nesting is judged on the concrete syntax tree, which is built without recursion, before anything recursive sees the input.

import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type ParsedNode,
  Parser,
  type Scalar,
  type YAMLMap,
} from 'yaml'
import type { IssueCode } from '../../schema/issue.ts'
import type { Json } from '../../schema/json.ts'
import { type Parsed, type ParsedDocument, placeOfOffset, type RawScalar, type Refusal } from './document.ts'

/** What one file may cost. Nodes are counted after aliases are expanded. */
export const parseLimits = { depth: 64, nodes: 200_000, keyLength: 1_000, refusals: 20 }

/** Never throws for bad input: what is wrong with the bytes comes back as refusals, at most 20. */
export function parseYaml(bytes: Uint8Array): Parsed {
  const text = decode(bytes)
  if (typeof text !== 'string') return { kind: 'refused', refusals: [text] }
  const lines = lineStarts(text)
  const refuse = (code: IssueCode, offset: number, message: string, related?: Refusal['related']): Refusal => ({
    code,
    message,
    ...placeOfOffset(lines, offset),
    ...(related ? { related } : {}),
  })
  const forbidden = forbiddenInText.exec(text)
  if (forbidden) return refused(refuse('FORBIDDEN_CHARACTER', forbidden.index, forbiddenMessage(forbidden[0])))
  const tokens = [...new Parser().parse(text)]
  const deep = tooDeep(tokens)
  if (deep !== undefined)
    return refused(
      refuse('YAML_LIMIT', deep, `Cannot read this file as its values nest too deep; at most ${parseLimits.depth} levels are accepted`),
    )
  const documents = [...new Composer({ uniqueKeys: false, schema: 'core', prettyErrors: false, strict: true, merge: true }).compose(tokens)]
  const second = documents[1]
  if (second)
    return refused(
      refuse(
        'YAML_MULTIPLE_DOCUMENTS',
        second.range[0],
        'Cannot read this file as it holds more than one document; keep one per file and remove the "---" between them',
      ),
    )
  const document = documents[0]
  if (!document) return { kind: 'document', document: { value: null, marks: [0], lines, raw: [] } }
  const problems = [...document.errors, ...document.warnings].slice(0, parseLimits.refusals)
  if (problems.length > 0)
    return { kind: 'refused', refusals: problems.map(problem => refuse(codeOf(problem.code), problem.pos[0], syntaxMessage(problem.code))) }
  return new Conversion(document, lines, refuse).run()
}

function refused(refusal: Refusal): Parsed {
  return { kind: 'refused', refusals: [refusal] }
}

function decode(bytes: Uint8Array): string | Refusal {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    // The decoder does not say where; the bytes before the first wrong one decode to as many lines as they have.
    const { line, column, byte } = firstInvalid(bytes)
    const hex = byte.toString(16).toUpperCase().padStart(2, '0')
    return {
      code: 'FORBIDDEN_CHARACTER',
      line,
      column,
      message: `Cannot read this file as it is not UTF-8: byte 0x${hex}; save it as UTF-8`,
    }
  }
}

function firstInvalid(bytes: Uint8Array): { line: number; column: number; byte: number } {
  const marked = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  // A file may hold U+FFFD itself, rightly encoded as EF BF BD; the wrong byte is the first replacement that is not.
  let offset = 0
  for (let index = 0; index < marked.length; index++) {
    const code = marked.codePointAt(index) ?? 0
    if (code === 0xfffd && !(bytes[offset] === 0xef && bytes[offset + 1] === 0xbf && bytes[offset + 2] === 0xbd)) {
      const before = marked.slice(0, index)
      return { line: before.split('\n').length, column: index - before.lastIndexOf('\n'), byte: bytes[offset] ?? 0 }
    }
    offset += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    if (code > 0xffff) index++
  }
  return { line: 1, column: 1, byte: bytes[0] ?? 0 }
}

function lineStarts(text: string): number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}

// Control characters but tab, line feed and carriage return, and the marks that turn the direction of text (they hide what a reviewer reads).
const forbiddenInText = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\uFFFE\uFFFF]/
// An escape such as "\0" or "\u202E" builds them behind the first check's back.
const forbiddenInValue = /[\u0000\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/

function forbiddenMessage(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  return `Cannot read this file as it holds a character that is not accepted: U+${code}; remove it`
}

/** The offset of the first token nested deeper than the limit. */
function tooDeep(tokens: readonly CST.Token[]): number | undefined {
  const stack: { token: CST.Token; depth: number }[] = tokens.map(token => ({ token, depth: 0 }))
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { token, depth } = next
    if (depth > parseLimits.depth) return 'offset' in token ? token.offset : 0
    if (token.type === 'document' && token.value) stack.push({ token: token.value, depth })
    if (!('items' in token)) continue
    for (const item of token.items) {
      if (item.key) stack.push({ token: item.key, depth: depth + 1 })
      if (item.value) stack.push({ token: item.value, depth: depth + 1 })
    }
  }
  return undefined
}

function codeOf(code: string): IssueCode {
  return code === 'TAG_RESOLVE_FAILED' ? 'YAML_TAG' : 'YAML_SYNTAX'
}

/** The library's own messages may quote the file, and what they quote may be a password: these sentences never do. */
function syntaxMessage(code: string): string {
  return `Cannot read this file as ${sentences[code] ?? 'its YAML is not well formed here'}`
}

const sentences: Readonly<Record<string, string>> = {
  ALIAS_PROPS: 'an alias has a tag or an anchor of its own; write the alias alone',
  BAD_ALIAS: 'an anchor or alias has no valid name; quote a text that starts with "*" or "&"',
  BAD_DIRECTIVE: 'a line that starts with "%" is no known directive; quote the text or remove the line',
  BAD_DQ_ESCAPE: 'a double-quoted text holds an unknown escape; double the backslash or use single quotes',
  BAD_INDENT: 'a line is indented differently from its neighbours; align it with the entries it belongs to',
  BAD_PROP_ORDER: 'a tag or anchor stands in the wrong place; put it right before its value',
  BAD_SCALAR_START: 'a text starts with a character that YAML reserves; put the text in quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'a mapping stands where a single value belongs; put a text with ": " in quotes, or indent the mapping on its own lines',
  BLOCK_IN_FLOW: 'an indented block stands inside brackets; close the brackets first',
  IMPOSSIBLE: 'its YAML is not well formed here',
  KEY_OVER_1024_CHARS: 'a key is longer than 1024 characters; shorten it',
  MISSING_CHAR: 'a closing quote, bracket, comma, colon or space is missing; add it',
  MULTILINE_IMPLICIT_KEY: 'a key goes over more than one line; a colon or a quote is missing',
  MULTIPLE_ANCHORS: 'a value has more than one anchor; keep one',
  MULTIPLE_TAGS: 'a value has more than one tag; keep one',
  TAB_AS_INDENT: 'a line is indented with a tab; use spaces',
  TAG_RESOLVE_FAILED: 'it uses a tag that is not accepted; remove the "!" tag and write the value plainly',
  UNEXPECTED_TOKEN: 'something stands where it does not belong; check the quotes and the indentation',
}

type Refuse = (code: IssueCode, offset: number, message: string, related?: Refusal['related']) => Refusal

/** Ends a conversion at once: what follows a limit is not worth reading. */
class LimitReached extends Error {
  readonly refusal: Refusal
  constructor(refusal: Refusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}

/** One walk over the composed nodes: JSON value, marks and raw scalars come out together. */
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

/** What YAML 1.1, which Zato reads, takes for a boolean and YAML 1.2 for a text. */
export function booleanOfYaml11(text: string): boolean | undefined {
  return /^(?:y|yes|on)$/i.test(text) ? true : /^(?:n|no|off)$/i.test(text) ? false : undefined
}

/** Whether `value` is another number than `source` says to a reader of YAML 1.1 or 1.2: digits lost, or a leading zero (octal in one, decimal in the other). */
function isLossy(source: string, value: number): boolean {
  if (/^[-+]?0[0-9_]+$/.test(source)) return true
  if (/^[-+]?0[xo]/i.test(source)) return !Number.isSafeInteger(value)
  return significant(source) !== significant(String(value))
}

/** Digits and exponent in one normal form: `1.50e3` and `1500` agree. */
function significant(text: string): string {
  const [, whole = '', fraction = '', exponent = '0'] = /^[-+]?([0-9]*)\.?([0-9]*)(?:[eE]([-+]?[0-9]+))?$/.exec(text) ?? []
  const digits = (whole + fraction).replace(/^0+/, '')
  const kept = digits.replace(/0+$/, '')
  if (kept === '') return '0'
  return `${kept}e${Number(exponent) - fraction.length + digits.length - kept.length}`
}
