// Whether a value holds what a test expects of it. Objects may hold more than is expected, lists may not; `***` in an expected text, as
// recordings have it in place of a secret, stands for anything.

import { isDeepStrictEqual } from 'node:util'
import { pointerOf } from '../../schema/json.ts'

export interface Mismatch {
  /** JSON pointer into what was expected. */
  readonly pointer: string
  readonly expected: unknown
  readonly actual: unknown
}

/** The first difference; null where there is none. */
export function mismatch(actual: unknown, expected: unknown, path: readonly (string | number)[] = []): Mismatch | null {
  const differs = { pointer: pointerOf(path), expected, actual }
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return differs
    return firstOf(expected.entries(), ([index, item]) => mismatch(actual[index], item, [...path, index]))
  }
  if (typeof expected === 'object' && expected !== null) {
    if (typeof actual !== 'object' || actual === null || Array.isArray(actual)) return differs
    return firstOf(Object.entries(expected), ([key, item]) => mismatch(Reflect.get(actual, key), item, [...path, key]))
  }
  if (typeof expected === 'string' && expected.includes('***') && typeof actual === 'string')
    return wildcard(expected).test(actual) ? null : differs
  return isDeepStrictEqual(actual, expected) ? null : differs
}

export function fits(actual: unknown, expected: unknown): boolean {
  return mismatch(actual, expected) === null
}

function firstOf<Item>(items: Iterable<Item>, find: (item: Item) => Mismatch | null): Mismatch | null {
  for (const item of items) {
    const found = find(item)
    if (found) return found
  }
  return null
}

function wildcard(text: string): RegExp {
  return new RegExp(`^${text.split('***').map(escaped).join('.*')}$`, 's')
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
