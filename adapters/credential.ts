// A credential as its two users see it: a channel that asks for it, and a connection that sends it.

import type { IncomingHttpHeaders } from 'node:http'

/** What a channel asks of its callers. */
export interface Credential {
  /** Whose credential these headers hold, or null. Compares in constant time. Never throws. */
  authenticate(headers: IncomingHttpHeaders): { readonly security: string; readonly username: string | null } | null
  /** The value of WWW-Authenticate in a 401; null where the scheme has none. */
  readonly challenge: string | null
  /** Why nothing can pass; null where it works. */
  readonly closed: string | null
  /** True where it works and knows nobody: a group without members. */
  readonly empty?: boolean
}

/** What a connection sends. */
export interface CredentialSender {
  /** Header names in lower case and their values. Only where `closed` is null. */
  headers(): Readonly<Record<string, string>>
  readonly closed: string | null
}

export function isCredential(view: unknown): view is Credential {
  return typeof view === 'object' && view !== null && 'authenticate' in view && 'closed' in view
}

export function isCredentialSender(view: unknown): view is CredentialSender {
  return typeof view === 'object' && view !== null && 'headers' in view && 'closed' in view
}

/** Lets nobody pass and sends nothing. */
export function closedCredential(reason: string): Credential & CredentialSender {
  return { authenticate: () => null, headers: () => ({}), challenge: null, closed: reason }
}
