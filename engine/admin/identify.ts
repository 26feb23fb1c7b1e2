// Who makes a request, by the door it came through and the token it carries.

import type { ClientAddresses } from '../plane/client-address.ts'
import type { Attempts } from './attempts.ts'
import type { Arrival } from './guard.ts'
import { type Actor, Refusal } from './port.ts'
import type { Role } from './role.ts'
import { reaches } from './role.ts'
import type { Row } from './route.ts'
import type { Presented, Tokens } from './tokens.ts'

/** `claimed`: id of the token that a wrong one pretended to be. */
export type Who =
  | { readonly kind: 'actor'; readonly actor: Actor }
  | { readonly kind: 'first'; readonly actor: Actor }
  | {
      readonly kind: 'denied'
      readonly refusal: Refusal
      readonly actor: Actor | null
      readonly claimed: string | null
      readonly tokenless: boolean
    }

export interface Identify {
  readonly tokens: Pick<Tokens, 'find'>
  readonly attempts: Attempts
  /** Behind proxies it is the client that is slowed down and written down. */
  readonly clients: ClientAddresses
}

/** @param authorization the header of that name */
export function identify({ via, incoming }: Arrival, authorization: string | undefined, { tokens, attempts, clients }: Identify): Who {
  const text = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(authorization ?? '')?.[1]
  const found: Presented | null = text === undefined ? null : tokens.find(text)
  if (via === 'socket') {
    // The user of the server needs no token. One that is to be exchanged is looked at all the same, as nothing else says what for.
    const actor: Actor = { name: 'local', via: 'socket', role: 'admin', scopes: [], token: null, address: null }
    return found?.kind === 'first' ? { kind: 'first', actor: { ...actor, token: found.id } } : { kind: 'actor', actor }
  }
  const address = clients.of(incoming)
  switch (found?.kind) {
    case 'token': {
      const { id, name, role, scopes } = found.row
      return { kind: 'actor', actor: { name: `${name} (${id})`, via: 'token', role, scopes, token: id, address } }
    }
    case 'first':
      return { kind: 'first', actor: ofFirst(found.id, address) }
    case 'expired': {
      const { row, id } = found
      const actor = row
        ? { ...ofFirst(id, address), name: `${row.name} (${id})`, role: row.role, scopes: row.scopes }
        : ofFirst(id, address)
      return denied(unauthorized('TOKEN_EXPIRED', wrong), { actor, claimed: id })
    }
    case 'unknown': {
      const waitMs = attempts.failed(address, found.id)
      return denied(waitMs > 0 ? tooMany(waitMs, address) : unauthorized('UNAUTHORIZED', wrong), { claimed: found.id })
    }
    default:
      return denied(unauthorized('UNAUTHORIZED', 'carries no token'), { tokenless: true })
  }
}

/** Whether `who` may use a row. @throws Refusal 401, 403 */
export function authorised(who: Who, { role, scope, id }: Pick<Row, 'role' | 'scope' | 'id'>): Actor {
  if (who.kind === 'denied') throw who.refusal
  const { actor } = who
  if (role === 'first' && who.kind !== 'first')
    throw forbidden('as it carries another token than that of the first start, which alone can be exchanged')
  if (role === 'first' || role === null) return actor
  if (who.kind === 'first' && actor.via === 'token')
    throw new Refusal(
      403,
      'TOKEN_NOT_EXCHANGED',
      'Cannot take the request as the token of the first start can do one thing, be exchanged for one that can do more: plumb token exchange',
    )
  if (who.kind === 'first') return { ...actor, token: null }
  if (!reaches(actor.role, role)) throw forbidden(`as "${actor.name}" has the role ${actor.role}: ${role} is needed`)
  if (scope !== null && actor.scopes.length > 0 && !actor.scopes.includes(scope))
    throw forbidden(`as "${actor.name}" is for ${actor.scopes.join(', ')}: the scope ${scope} is needed for ${id}`)
  return actor
}

/** One sentence for whatever is wrong with a token, so that it tells nothing of the tokens that there are. */
const wrong = 'carries a wrong token'

const viewer: Role = 'viewer'

function ofFirst(id: string, address: string): Actor {
  return { name: `first (${id})`, via: 'token', role: viewer, scopes: [], token: id, address }
}

function denied(refusal: Refusal, rest: Partial<Omit<Extract<Who, { kind: 'denied' }>, 'kind' | 'refusal'>>): Who {
  return { kind: 'denied', refusal, actor: null, claimed: null, tokenless: false, ...rest }
}

function forbidden(why: string): Refusal {
  return new Refusal(403, 'FORBIDDEN', `Cannot take the request ${why}`)
}

function unauthorized(code: string, why: string): Refusal {
  const message = `Cannot take the request as it ${why}; send "Authorization: Bearer …" with a token that plumb token list shows as live, or use the socket in the data directory`
  return new Refusal(401, code, message, [], { 'www-authenticate': 'Bearer realm="plumb"' })
}

function tooMany(waitMs: number, address: string): Refusal {
  const seconds = Math.ceil(waitMs / 1000)
  const message = `Cannot take the request as too many wrong tokens came from ${address} or for the same token; a right one is taken at once, wrong ones wait ${seconds} s`
  return new Refusal(429, 'TOO_MANY_ATTEMPTS', message, [], { 'retry-after': String(seconds) })
}
