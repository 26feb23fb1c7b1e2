// The request target of an outgoing REST call. Values are encoded once, into the segment they were given for.

import type { RestOptions } from './rest-client.ts'

/**
 * `path` appended to `base`, its `{name}` segments filled in, and the query added.
 * @throws TypeError where a parameter is missing or would change the path's shape
 */
export function requestTarget(base: string, path: string, { params = {}, query = {} }: Pick<RestOptions, 'params' | 'query'>): string {
  const [pathname = '', search = ''] = splitOnce(joined(base, path), '?')
  const filled = pathname.replace(/\{([^{}/]+)\}/g, (_whole, name: string) => segmentOf(name, params))
  const searches = [search, queryOf(query)].filter(part => part !== '')
  const target = searches.length === 0 ? filled : `${filled}?${searches.join('&')}`
  return target.replace(/[^!-~]/gu, encodeURIComponent)
}

function joined(base: string, path: string): string {
  const whole = path === '' || path.startsWith('?') ? base + path : `${base.replace(/\/$/, '')}/${path.replace(/^\//, '')}`
  return whole.startsWith('/') ? whole : `/${whole}`
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

function segmentOf(name: string, params: NonNullable<RestOptions['params']>): string {
  const value = Object.hasOwn(params, name) ? String(params[name]) : ''
  if (value === '' || value === '.' || value === '..')
    throw new TypeError(
      `Cannot fill in the path parameter "${name}" as its value is ${JSON.stringify(value)}; a segment that is not empty, "." or ".." is accepted`,
    )
  return encodeURIComponent(value)
}

function queryOf(query: NonNullable<RestOptions['query']>): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue
    for (const item of Array.isArray(value) ? value : [value]) search.append(name, String(item))
  }
  return search.toString()
}
