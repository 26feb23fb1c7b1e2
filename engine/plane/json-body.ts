// JSON as it comes from outside: UTF-8, of bounded depth, without the one name that could reach a prototype, and with the place of an
// error by line and column. A number is what JSON.parse makes of it; integers beyond 2^53 lose digits, so they belong in strings.

import { isUtf8 } from 'node:buffer'

export type Parsed = { readonly value: unknown } | { readonly problem: string }

/** The value, undefined for an empty body; else the end of "Cannot read the body as". */
export function parseJson(body: Buffer, maxDepth: number): Parsed {
  if (body.length === 0) return { value: undefined }
  const text = body.toString('utf8', startsWithMark(body) ? 3 : 0)
  // What is not UTF-8 was read as U+FFFD; so was a U+FFFD.
  if (text.includes('\ufffd') && !isUtf8(body)) return { problem: 'it is not UTF-8' }
  // Each level takes two characters, so that a short body cannot be deep.
  if (text.length > 2 * maxDepth && depthOf(text, maxDepth) > maxDepth) return { problem: `it is nested deeper than ${maxDepth} levels` }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    if (text.trim() === '') return { value: undefined }
    // SyntaxError: its own words differ by case and quote the body; the place is found below.
    return { problem: `it is not JSON: ${placeOfError(text)}` }
  }
  // A name can also be spelt with \u escapes.
  if ((text.includes('__proto__') || text.includes('\\u')) && holdsProto(value))
    return { problem: 'a property cannot be called "__proto__"' }
  return { value }
}

function startsWithMark(body: Buffer): boolean {
  return body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf
}

/** Stops counting one above `limit`. */
function depthOf(text: string, limit: number): number {
  let depth = 0
  let deepest = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22: // a string: to its closing quote
        for (at++; at < text.length && text.charCodeAt(at) !== 0x22; at++) if (text.charCodeAt(at) === 0x5c) at++
        break
      case 0x5b:
      case 0x7b:
        depth++
        if (depth > deepest) deepest = depth
        if (deepest > limit) return deepest
        break
      case 0x5d:
      case 0x7d:
        depth--
        break
    }
  }
  return deepest
}

function holdsProto(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (Object.hasOwn(value, '__proto__')) return true
  return Object.values(value).some(holdsProto)
}

const token =
  /[ \t\n\r]*(?:([[\]{},:])|("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])|(?:true|false|null)(?!\w)))/y

type Expected = 'value' | 'value or end' | 'name' | 'name or end' | 'colon' | 'comma or end' | 'nothing'

/** "line 1, column 17: expected …" for a text that is not JSON. */
function placeOfError(text: string): string {
  const open: ('[' | '{')[] = []
  let expected: Expected = 'value'
  let end = 0
  token.lastIndex = 0
  for (let found = token.exec(text); found !== null; found = token.exec(text)) {
    const next: Expected | null = after(expected, found[1] ?? (found[2] === undefined ? 'scalar' : 'string'), open)
    if (next === null) return placed(text, token.lastIndex - (found[1] ?? found[2] ?? found[3] ?? '').length, expected)
    expected = next
    end = token.lastIndex
  }
  return placed(text, end + (/^[ \t\n\r]*/.exec(text.slice(end))?.[0].length ?? 0), expected)
}

/** What may follow once `seen` stood where `expected` was; null where it may not stand there. */
function after(expected: Expected, seen: string, open: ('[' | '{')[]): Expected | null {
  const closed = (): Expected => (open.length === 0 ? 'nothing' : 'comma or end')
  const takesValue = expected === 'value' || expected === 'value or end'
  const takesName = expected === 'name' || expected === 'name or end'
  switch (seen) {
    case '[':
    case '{':
      if (!takesValue) return null
      open.push(seen)
      return seen === '[' ? 'value or end' : 'name or end'
    case ']':
    case '}':
      if (
        open.at(-1) !== (seen === ']' ? '[' : '{') ||
        (expected !== 'comma or end' && expected !== 'value or end' && expected !== 'name or end')
      )
        return null
      open.pop()
      return closed()
    case ',':
      if (expected !== 'comma or end') return null
      return open.at(-1) === '[' ? 'value' : 'name'
    case ':':
      return expected === 'colon' ? 'value' : null
    case 'string':
      if (takesName) return 'colon'
      return takesValue ? closed() : null
    default:
      return takesValue ? closed() : null
  }
}

function placed(text: string, at: number, expected: Expected): string {
  const before = text.slice(0, at).split('\n')
  const found = at >= text.length ? 'the end' : 'something else'
  return `line ${before.length}, column ${(before.at(-1) ?? '').length + 1}: expected ${expected}, found ${found}`
}
