// One parsed YAML document: its JSON value, and beside it a flat array of places, so that a cached document is small and quick to read.
// *Marks* are offsets in pre-order over `value`: a node gives one, and an entry of a mapping gives the one of its key before it.
// A place (line, column) is computed when somebody asks, by counting through the value.

import type { IssueCode, Position } from '../../schema/issue.ts'
import { isObject, type Json, stepsOf } from '../../schema/json.ts'

/** A plain scalar whose text says more than its JSON value: `0123`, `yes`, `12345678901234567890`. */
export interface RawScalar {
  /** Index into `marks`. */
  readonly mark: number
  readonly source: string
  /** The number is not what the text says; only a field that wants text may take it. */
  readonly lossy: boolean
}

export interface ParsedDocument {
  readonly value: Json
  readonly marks: readonly number[]
  /** Offsets at which lines start; the first is 0. */
  readonly lines: readonly number[]
  readonly raw: readonly RawScalar[]
}

/** Why a file gives no document; the path is added by the reader, so that a cached refusal fits every file with these bytes. */
export interface Refusal {
  readonly code: IssueCode
  readonly message: string
  readonly line: number
  readonly column: number
  readonly related?: readonly { readonly message: string; readonly line: number; readonly column: number }[]
}

export type Parsed =
  | { readonly kind: 'document'; readonly document: ParsedDocument }
  | { readonly kind: 'refused'; readonly refusals: readonly Refusal[] }

/** How many marks `value` takes. */
export function marksIn(value: Json): number {
  if (value === null || typeof value !== 'object') return 1
  let count = 1
  if (Array.isArray(value)) for (const item of value) count += marksIn(item)
  else for (const key of Object.keys(value)) count += 1 + marksIn((value as Record<string, Json>)[key] ?? null) // an own key of a JSON object
  return count
}

/**
 * The marks of what `pointer` names inside `value`, whose own mark is `start`: of the value, and of its key where it is an entry.
 * Where the pointer leads nowhere, the marks of the last step that exists.
 */
export function marksAt(value: Json, start: number, pointer: string): { value: number; key: number } {
  let found = { value: start, key: start }
  let node: Json = value
  for (const step of stepsOf(pointer)) {
    const next = stepInto(node, found.value, step)
    if (!next) return found
    found = next.marks
    node = next.value
  }
  return found
}

export function placeOf(document: ParsedDocument, mark: number): { line: number; column: number } {
  const offset = document.marks[mark] ?? 0
  return placeOfOffset(document.lines, offset)
}

export function positionOf(path: string, document: ParsedDocument, mark: number): Position {
  return { path, ...placeOf(document, mark) }
}

/** Line and column, from 1, of an offset. */
export function placeOfOffset(lines: readonly number[], offset: number): { line: number; column: number } {
  let low = 0
  let high = lines.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((lines[middle] ?? 0) <= offset) low = middle
    else high = middle - 1
  }
  return { line: low + 1, column: offset - (lines[low] ?? 0) + 1 }
}

function stepInto(node: Json, start: number, step: string): { value: Json; marks: { value: number; key: number } } | undefined {
  let mark = start + 1
  if (Array.isArray(node)) {
    const wanted = Number(step)
    for (const [index, item] of node.entries()) {
      if (index === wanted) return { value: item, marks: { value: mark, key: mark } }
      mark += marksIn(item)
    }
  } else if (isObject(node)) {
    for (const [key, item] of Object.entries(node)) {
      if (key === step) return { value: item, marks: { value: mark + 1, key: mark } }
      mark += 1 + marksIn(item)
    }
  }
  return undefined
}
