// Query strings, flat: `a=1&a=2` is a list, and no bracket or dot in a name means anything.

export type Query = Readonly<Record<string, string | readonly string[]>>

const none: Query = Object.freeze({})

/**
 * The parameters of `a=1&b=2` (form encoding: `+` is a space), or why there are none, as the end of "Cannot read the query as".
 * The names own their values: `__proto__` is refused.
 */
export function parseQuery(text: string, maxParameters: number): { readonly query: Query } | { readonly problem: string } {
  if (text === '') return { query: none }
  const query: Record<string, string | string[]> = {}
  let count = 0
  for (const pair of text.split('&', maxParameters + 2)) {
    if (pair === '') continue
    if (++count > maxParameters) return { problem: `it has more than ${maxParameters} parameters` }
    const equals = pair.indexOf('=')
    const name = decoded(equals < 0 ? pair : pair.slice(0, equals))
    const value = equals < 0 ? '' : decoded(pair.slice(equals + 1))
    if (name === null || value === null) return { problem: `"${pair.slice(0, 40)}" is not percent-encoded UTF-8` }
    if (name === '__proto__') return { problem: 'a parameter cannot be called "__proto__"' }
    const before = Object.hasOwn(query, name) ? query[name] : undefined
    if (before === undefined) query[name] = value
    else if (typeof before === 'string') query[name] = [before, value]
    else before.push(value)
  }
  return { query }
}

const plain = /^[^%+]*$/

function decoded(text: string): string | null {
  if (plain.test(text)) return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    // URIError: malformed escapes; the caller says so.
    return null
  }
}
