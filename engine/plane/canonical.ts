// The one reading of a request target. A server, a guard and a proxy that read the same bytes differently are how access rules are
// walked around, so there is one spelling for each path and every other is refused: what reaches the router is decoded, once, and
// nothing behind it decodes, normalises or splits again. (RFC 3986 §6.2, RFC 9112 §3.2)
//
// Canonical: `/` and segments of `pchar` without `;`; a percent sign only where RFC 3986 needs one, with upper-case digits.

export type Target =
  | { readonly kind: 'path'; readonly path: string /** Raw, without `?`; empty where there is none. */; readonly query: string }
  | { readonly kind: 'refused'; readonly detail: string }

/** @param host the Host header, for an absolute-form target, whose authority must be the same; null where there is none */
export function canonicalTarget(target: string, host: string | null): Target {
  const origin = target.charCodeAt(0) === slash ? target : originForm(target, host)
  if (origin === null) return refused('it is neither a path nor an absolute form of this host')
  const mark = origin.indexOf('?')
  const path = mark < 0 ? origin : origin.slice(0, mark)
  const query = mark < 0 ? '' : origin.slice(mark + 1)
  if (mark >= 0 && strayInQuery.test(query)) return refused('the query holds a character that a URL cannot')
  if (plainPath.test(path)) return { kind: 'path', path, query }
  const problem = problemOfPath(path)
  if (problem !== null) return refused(problem)
  return { kind: 'path', path: decodeURIComponent(path), query }
}

const slash = 0x2f
/** Needs no second look: no percent sign, no empty segment but the last, dots only within a segment and one at a time. */
const plainPath = /^(?:\/[A-Za-z0-9_~!$&'()*+,=:@-]+(?:\.[A-Za-z0-9_~!$&'()*+,=:@-]+)*)+\/?$|^\/$/
const pathCharacters = /^[A-Za-z0-9._~!$&'()*+,=:@/%-]*$/
const strayInQuery = /[^\x21\x22\x24-\x7e]/
const octet = /%[0-9A-F]{2}/g
const unreserved = /[A-Za-z0-9._~-]/

function originForm(target: string, host: string | null): string | null {
  const parts = /^https?:\/\/([^/?#@\\]+)(\/.*)$/i.exec(target)
  if (parts === null || host === null) return null
  const [, authority = '', rest = ''] = parts
  return authority.toLowerCase() === host.toLowerCase() ? rest : null
}

function refused(detail: string): Target {
  return { kind: 'refused', detail }
}

function problemOfPath(path: string): string | null {
  if (!pathCharacters.test(path)) return 'the path holds a character that must be percent-encoded or may not occur'
  if (path.includes('%')) {
    if (path.replace(octet, '').includes('%')) return 'a percent sign is not followed by two upper-case hexadecimal digits'
    for (const [found] of path.matchAll(octet)) {
      const code = Number.parseInt(found.slice(1), 16)
      if (code < 0x20 || code === 0x7f) return 'the path holds an encoded control character'
      if (code === slash || code === 0x5c) return 'the path holds an encoded slash or backslash'
      if (code < 0x80 && unreserved.test(String.fromCharCode(code))) return `"${found}" stands for a character that needs no encoding`
    }
    if (/%25[0-9A-Fa-f]{2}/.test(path)) return 'the path is encoded twice'
  }
  const decoded = decodedOf(path)
  if (decoded === null) return 'the path is not UTF-8'
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(decoded)) return 'the path holds an encoded control or formatting character'
  const segments = decoded.slice(1).split('/')
  if (segments.some((segment, at) => segment === '' && at < segments.length - 1)) return 'the path holds an empty segment'
  if (segments.some(segment => segment === '.' || segment === '..')) return 'the path holds a dot segment'
  if (segments.some(segment => /[. ]$|^ /.test(segment))) return 'a segment ends in a dot or has a space at an end'
  return null
}

function decodedOf(path: string): string | null {
  try {
    return decodeURIComponent(path)
  } catch {
    // URIError is how the platform says that the octets are not UTF-8 (overlong forms and surrogates included).
    return null
  }
}
