// The part of the store that knows the tokens of the admin API. What is kept of one cannot be used as one.

import type { Role } from '../admin/role.ts'
import type { Scope } from '../admin/scope.ts'

export interface TokenRow {
  /** Public: it is a part of the token, and what people revoke it by. */
  readonly id: string
  readonly name: string
  readonly role: Role
  /** What it is narrowed to; none: all that its role reaches. */
  readonly scopes: readonly Scope[]
  /** SHA-256 of the token as it is presented, 64 hex digits. */
  readonly digest: string
  /** The one environment it is good for. */
  readonly environment: string
  readonly createdBy: string
  /** ISO times. */
  readonly createdAt: string
  /** Null only where it was asked for that it never expires. */
  readonly expiresAt: string | null
  /** To the hour. */
  readonly lastUsedAt: string | null
  readonly revokedAt: string | null
}

export interface TokenStore {
  /**
   * Inserts a token; false where its id is taken. With `redeems` it comes in place of a setting: only where that still has this value,
   * which is then gone, all of it or nothing.
   */
  insertToken(row: TokenRow, redeems?: { readonly key: string; readonly value: string }): Promise<boolean>
  /** Oldest first. */
  listTokens(): Promise<readonly TokenRow[]>
  /** False where there is none, or it was revoked before. */
  revokeToken(id: string, at: string): Promise<boolean>
  touchToken(id: string, at: string): Promise<void>
}
