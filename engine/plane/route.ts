// What the data plane asks of a generation: routes by path, and the credentials that guard them.

import type { IncomingHttpHeaders } from 'node:http'
import type { Ref } from '../../schema/ref.ts'
import type { Caller } from '../service/unit.ts'

/** What a generation sees of a security definition or a group of them. */
export interface CredentialView {
  /** The caller whose credential these headers hold, or null. Compares in constant time. Never throws. */
  authenticate(headers: IncomingHttpHeaders): Caller | null
  /** The value of WWW-Authenticate in a 401; null where the scheme has none. */
  readonly challenge: string | null
  /** Why nothing can pass: an unserved field that guards, a secret that is missing; null where it works. */
  readonly closed: string | null
  /** True for a group without members: 403 where a channel has nothing else. */
  readonly empty?: boolean
}

/** How path and query parameters enter the payload. */
export interface Merging {
  readonly parameters: boolean
  /** Which wins where both name a parameter. */
  readonly first: 'query' | 'path'
  /** Whom a parameter beats: the body's field of its name, or nobody where the body has one. */
  readonly over: 'body' | 'nothing'
}

/**
 * What a generation sees of a channel: everything that answering a request needs, bound to the route itself. Its service alone is looked
 * up in the generation of the request, so that a service with hundreds of channels changes without changing any of them.
 */
export interface Route {
  readonly ref: string
  /** Canonical path with `{name}` segments. */
  readonly pattern: string
  /** Upper case; empty: any. */
  readonly method: string
  readonly credentials: readonly CredentialView[]
  /** Set only where the channel says so in words (`public: true`), or where requireSecurity does not hold and none is named. */
  readonly open: boolean
  readonly service: Ref | null
  readonly timeoutMs: number
  readonly contentType: string
  /** `defaultMerging` of payload.ts where absent. */
  readonly merging?: Merging
  /** Reason for 503; null where the route works. */
  readonly closed: string | null
}

export type Match =
  | { readonly kind: 'found'; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: 'method'; readonly allow: readonly string[] }
  | { readonly kind: 'none' }

/** Persistent: a change gives a new router that shares every branch it did not touch. */
export interface Router {
  match(method: string, path: string): Match
  /** Rebuilds what the change touches, in slices of at most 5 ms. */
  replace(removed: readonly Route[], added: readonly Route[]): Promise<Router>
  readonly size: number
}
