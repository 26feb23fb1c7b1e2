// The payload of a service: the body, with path and query parameters merged into it as the channel says.

import { isObject } from '../../schema/json.ts'
import type { Query } from './query.ts'
import type { Merging } from './route.ts'

export const defaultMerging: Merging = { parameters: true, first: 'query', over: 'body' }

/**
 * Parameters enter an object body (or the place of an absent one) under their own names. A service that declares its input receives
 * those it declares, converted to the type it declares; one without a model receives all of them as text. A text that does not
 * convert stays text, so that validation names it. Any other body stays as it is.
 */
export function payloadOf(
  body: unknown,
  params: Readonly<Record<string, string>>,
  query: Query,
  { merging, inputTypes }: { readonly merging: Merging; readonly inputTypes: Readonly<Record<string, string>> },
): unknown {
  const base = body === undefined ? {} : body
  if (!merging.parameters || !isObject(base) || (isEmpty(params) && isEmpty(query))) return base
  const [first, second] = merging.first === 'query' ? [query, params] : [params, query]
  const declares = !isEmpty(inputTypes)
  let payload: Record<string, unknown> | null = null
  for (const source of [second, first]) {
    for (const name in source) {
      const type = Object.hasOwn(inputTypes, name) ? inputTypes[name] : undefined
      if (declares && type === undefined) continue
      if (merging.over === 'nothing' && Object.hasOwn(base, name)) continue
      payload ??= { ...base }
      payload[name] = converted(source[name] ?? '', type)
    }
  }
  return payload ?? base
}

function isEmpty(record: Readonly<Record<string, unknown>>): boolean {
  for (const _ in record) return false
  return true
}

function converted(text: string | readonly string[], type: string | undefined): unknown {
  if (type === 'array') return typeof text === 'string' ? [text] : text
  if (typeof text !== 'string') return text
  switch (type) {
    case 'integer': {
      const number = Number(text)
      return /^-?\d{1,16}$/.test(text) && Number.isSafeInteger(number) ? number : text
    }
    case 'number':
      return /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?$/.test(text) && Number.isFinite(Number(text)) ? Number(text) : text
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text
    case 'null':
      return text === '' || text === 'null' ? null : text
    default:
      return text
  }
}
