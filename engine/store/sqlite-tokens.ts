// Tokens in SQL.

import type { Role } from '../admin/role.ts'
import type { Scope } from '../admin/scope.ts'
import type { Row, Sql } from './sql.ts'
import type { SyncPart } from './sqlite-protocol.ts'
import type { TokenRow, TokenStore } from './tokens.ts'

/** Calls that only read. */
export const tokenReaders = ['listTokens'] as const

export function tokenStatements({ all, changes }: Sql): SyncPart<TokenStore> {
  return {
    insertToken(row, redeems) {
      if (redeems && changes('DELETE FROM setting WHERE key = ? AND value = ?', redeems.key, redeems.value) === 0) return false
      const inserted = changes(
        `INSERT INTO token (id, name, role, scopes, digest, environment, created_by, created_at, expires_at, last_used_at, revoked_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
        row.id,
        row.name,
        row.role,
        JSON.stringify(row.scopes),
        row.digest,
        row.environment,
        row.createdBy,
        row.createdAt,
        row.expiresAt,
        row.lastUsedAt,
        row.revokedAt,
      )
      // Undone as a whole: what it was to come in place of must not be gone without it.
      if (redeems && inserted === 0) throw new Error(`a token with the id ${row.id} is there`)
      return inserted === 1
    },
    listTokens: () => all('SELECT * FROM token ORDER BY created_at, id').map(tokenRow),
    revokeToken: (id, at) => changes('UPDATE token SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL', at, id) === 1,
    touchToken: (id, at) => void changes('UPDATE token SET last_used_at = ? WHERE id = ?', at, id),
  }
}

/** Removes those that ended before `before`. */
export function pruneTokens({ changes }: Sql, before: string): void {
  changes('DELETE FROM token WHERE revoked_at < ?1 OR expires_at < ?1', before)
}

function tokenRow(row: Row): TokenRow {
  const textOrNull = (value: Row[string] | undefined) => (value === null || value === undefined ? null : String(value))
  return {
    id: String(row.id),
    name: String(row.name),
    role: row.role as Role, // only insertToken writes it
    scopes: JSON.parse(String(row.scopes)) as readonly Scope[], // only insertToken writes it
    digest: String(row.digest),
    environment: String(row.environment),
    createdBy: String(row.created_by),
    createdAt: String(row.created_at),
    expiresAt: textOrNull(row.expires_at),
    lastUsedAt: textOrNull(row.last_used_at),
    revokedAt: textOrNull(row.revoked_at),
  }
}
