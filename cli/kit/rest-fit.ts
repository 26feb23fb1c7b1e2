// Whether an outgoing request is one that a declared reply is for.

import { fits } from './match.ts'
import type { RestCall, RestReply } from './test-api.ts'

/** @param prefix path of the connection, which a declared path may leave out */
export function fitsRequest(call: RestCall, { method, path, query, body }: RestReply, prefix: string): boolean {
  if (method !== undefined && method.toUpperCase() !== call.method) return false
  if (path !== undefined && !fitsPath(call, path, prefix)) return false
  if (query !== undefined && !fits(call.query, textsOf(query))) return false
  return body === undefined || fits(call.body, body)
}

function fitsPath(call: RestCall, path: string | RegExp, prefix: string): boolean {
  if (path instanceof RegExp) return path.test(call.path)
  const [wanted = '', search] = path.split('?', 2)
  if (search !== undefined && !fits(call.query, Object.fromEntries(new URLSearchParams(search)))) return false
  return isPath(call.path, wanted) || isPath(call.path, `${prefix.replace(/\/$/, '')}/${wanted.replace(/^\//, '')}`)
}

function isPath(path: string, wanted: string): boolean {
  const [given, pattern] = [path, wanted].map(text => text.replace(/^\/|\/$/g, '').split('/'))
  return (
    given !== undefined &&
    pattern?.length === given.length &&
    pattern.every((segment, at) => /^\{.*\}$/.test(segment) || segment === given[at] || encodeURI(segment) === given[at])
  )
}

/** A query as it goes over the wire. */
function textsOf(query: NonNullable<RestReply['query']>): Record<string, unknown> {
  const entries = Object.entries(query).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries.map(([name, value]) => [name, Array.isArray(value) ? value.map(String) : String(value)]))
}
