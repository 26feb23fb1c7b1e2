// Who may pass: a route is open because it says so in words, or one of its own credentials knows the caller. There is no third way in.

import type { IncomingHttpHeaders } from 'node:http'
import type { Caller } from '../service/unit.ts'
import type { Route } from './route.ts'

export type Admission =
  | { readonly kind: 'admitted'; readonly caller: Caller | null }
  | { readonly kind: 'refused'; readonly status: 401 | 403 | 503; readonly detail: string; readonly challenges: readonly string[] }

/** Headers are read only where a credential has to be looked at. */
export function admissionTo(route: Route, request: { readonly headers: IncomingHttpHeaders }): Admission {
  if (route.closed !== null) return refused(503, route.closed)
  if (route.open) return admitted
  const working = route.credentials.filter(credential => credential.closed === null)
  if (working.length === 0) return refused(503, route.credentials[0]?.closed ?? 'the channel names no security and is not public')
  const { headers } = request
  for (const credential of working) {
    const caller = credential.authenticate(headers)
    if (caller !== null) return { kind: 'admitted', caller }
  }
  if (working.every(credential => credential.empty === true)) return refused(403, 'no credential may use this channel')
  const challenges = working.flatMap(({ challenge }) => (challenge === null ? [] : [challenge]))
  // RFC 9110 §11.6.1: a 401 names at least one scheme; an API key has none of its own.
  return refused(401, 'the credentials are missing or wrong', challenges.length > 0 ? [...new Set(challenges)] : ['ApiKey'])
}

const admitted: Admission = { kind: 'admitted', caller: null }

function refused(status: 401 | 403 | 503, detail: string, challenges: readonly string[] = []): Admission {
  return { kind: 'refused', status, detail, challenges }
}
