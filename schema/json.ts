// JSON as data: what a document, a spec and a message body are made of.

export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [key: string]: Json
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An RFC 6901 pointer to `path`: `['a/b', 0]` gives `/a~1b/0`; an empty path gives the empty string, the whole document. */
export function pointerOf(path: readonly (string | number)[]): string {
  return path.map(step => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** The steps of an RFC 6901 pointer. */
export function stepsOf(pointer: string): string[] {
  if (pointer === '') return []
  return pointer
    .slice(1)
    .split('/')
    .map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** What `pointer` finds in `document`, or undefined. Own properties only, so `__proto__` finds nothing that was not declared. */
export function atPointer(document: Json, pointer: string): Json | undefined {
  let found: Json | undefined = document
  for (const step of stepsOf(pointer)) {
    if (Array.isArray(found)) found = found[Number(step)]
    else if (isObject(found) && Object.hasOwn(found, step)) found = found[step]
    else return undefined
  }
  return found
}
