// The tokens of the admin API over TCP: made, found, revoked. Only their SHA-256 is kept.
//
// There is no default password. The first start makes a token that can do one thing: be exchanged, once, for one of an admin. So what
// stood in a log is void as soon as its owner has used it, and whoever reads the log later has nothing. After a day it is void anyway.

import { timingSafeEqual } from 'node:crypto'
import type { Log } from '../../adapters/port.ts'
import { messageOf } from '../../adapters/redact.ts'
import { maxTimerMs } from '../../schema/duration.ts'
import { isObject } from '../../schema/json.ts'
import type { Store } from '../store/port.ts'
import type { TokenRow, TokenStore } from '../store/tokens.ts'
import { type Actor, Refusal } from './port.ts'
import { type Role, reaches } from './role.ts'
import type { Scope } from './scope.ts'
import { digestOfToken, idIn, legacyId, makeToken } from './token-text.ts'

export interface TokenRequest {
  readonly name: string
  readonly role: Role
  /** None: all that the role reaches. */
  readonly scopes: readonly Scope[]
  /** How long it lives: whole minutes, hours or days, such as `30d`; or `never`. */
  readonly expires: string
}

/** What is made, with its text: the only time that it is told. */
export type Made = { readonly token: string } & Pick<TokenRow, 'id' | 'name' | 'role' | 'scopes' | 'expiresAt'>

export type Presented =
  | { readonly kind: 'token'; readonly row: TokenRow }
  /** The secret was right; it is over all the same. */
  | { readonly kind: 'expired'; readonly row: TokenRow | null; readonly id: string }
  | { readonly kind: 'first'; readonly id: string }
  /** `id` where there is a token with the id that was presented. */
  | { readonly kind: 'unknown'; readonly id: string | null }

export interface Tokens {
  /** The token of the first start in plain text where this start made it; null ever after. */
  readonly first: string | null
  /** Whether a token of a first start is there that nobody has exchanged. */
  waiting(): 'none' | 'waiting' | 'expired'
  /** What `text` is. Takes the same time whatever is wrong with it. */
  find(text: string): Presented
  /** Aborted when the token with this id is revoked or expires. */
  endOf(id: string): AbortSignal
  /** @throws Refusal for one that may do more than who asks for it */
  create(request: TokenRequest, by: Actor): Promise<Made>
  /** The token of an admin in place of that of the first start. @throws Refusal where another was faster */
  exchange(request: Pick<TokenRequest, 'name' | 'expires'>, by: Actor): Promise<Made>
  /** Voids the token of the first start, if there is one, and makes another; gives its text. */
  resetFirst(by: Actor): Promise<string>
  list(): Promise<readonly (Omit<TokenRow, 'digest'> & { readonly state: 'live' | 'expired' | 'revoked' })[]>
  /** @throws Refusal 404 */
  revoke(id: string, by: Actor): Promise<void>
}

export interface TokensOptions {
  readonly environment: string
  /** Whether a first start makes a token. */
  readonly makesFirst: boolean
  readonly log: Log
  /** ms */
  readonly now?: () => number
}

type Kept = Pick<Store, 'getSetting' | 'putSetting' | 'appendJournal' | keyof TokenStore>

const legacySetting = 'admin.token.sha256'
const firstSetting = 'admin.first'
const firstMadeSetting = 'admin.first.made'
export const defaultExpiry = '90d'
const hourMs = 3_600_000
const dayMs = 24 * hourMs
const longestMs = 365 * dayMs
const firstLivesMs = dayMs
/** All are held in memory. */
const maxLive = 1000
const noDigest = '0'.repeat(64)

interface First {
  readonly id: string
  readonly digest: string
  readonly expiresAt: string
}

export async function openTokens(store: Kept, options: TokensOptions): Promise<Tokens> {
  const { environment, log, now = Date.now } = options
  const iso = (ms: number) => new Date(ms).toISOString()
  const rows = new Map((await store.listTokens()).map(row => [row.id, row]))
  const ends = new Map<string, AbortController>()
  let first = firstIn(await store.getSetting(firstSetting))
  await migrate()
  const made =
    options.makesFirst && rows.size === 0 && (await store.getSetting(firstMadeSetting)) === undefined ? await makeFirst('plumb') : null

  return {
    first: made,
    waiting: () => (first === null ? 'none' : Date.parse(first.expiresAt) > now() ? 'waiting' : 'expired'),
    find(text) {
      const id = idIn(text) ?? ''
      const row = rows.get(id)
      const ofFirst = first?.id === id ? first : null
      const isRight = timingSafeEqual(Buffer.from(digestOfToken(text)), Buffer.from(row?.digest ?? ofFirst?.digest ?? noDigest))
      if (!isRight || (row && (row.revokedAt !== null || row.environment !== environment))) return { kind: 'unknown', id: row ? id : null }
      const isOver = (expiresAt: string | null) => expiresAt !== null && Date.parse(expiresAt) <= now()
      if (row === undefined) return isOver(ofFirst?.expiresAt ?? null) ? { kind: 'expired', row: null, id } : { kind: 'first', id }
      if (isOver(row.expiresAt)) return { kind: 'expired', row, id }
      touch(row)
      return { kind: 'token', row }
    },
    endOf,
    async create(request, by) {
      const { role, scopes } = request
      if (!reaches(by.role, role)) throw tooStrong(by, `has the role ${by.role}, and ${role} was asked for`)
      const beyond = scopes.filter(scope => !by.scopes.includes(scope))
      if (by.scopes.length > 0 && (scopes.length === 0 || beyond.length > 0))
        throw tooStrong(by, `is for ${by.scopes.join(', ')}, and ${beyond.join(', ') || 'a token for everything'} was asked for`)
      return await insert(request, by)
    },
    async exchange({ name, expires }, by) {
      const value = await store.getSetting(firstSetting)
      if (first === null || value === undefined || first.id !== by.token) throw spent()
      const found = await insert({ name, expires, role: 'admin', scopes: [] }, by, { key: firstSetting, value })
      first = null
      return found
    },
    resetFirst: by => makeFirst(by.name),
    async list() {
      const at = iso(now())
      return (await store.listTokens()).map(({ digest: _, ...row }) => ({
        ...row,
        state: row.revokedAt !== null ? 'revoked' : row.expiresAt !== null && row.expiresAt <= at ? 'expired' : 'live',
      }))
    },
    async revoke(id, by) {
      const row = rows.get(id)
      const revokedAt = iso(now())
      if (row === undefined || row.environment !== environment || !(await store.revokeToken(id, revokedAt)))
        throw new Refusal(
          404,
          'NOT_FOUND',
          `Cannot revoke the token ${JSON.stringify(id)} as no such token is live; plumb token list shows which are`,
        )
      rows.set(id, { ...row, revokedAt })
      ends.get(id)?.abort()
      ends.delete(id)
      await tell('token.revoked', { actor: by.name, id, name: row.name })
    },
  }

  async function insert(request: TokenRequest, by: Actor, redeems?: { readonly key: string; readonly value: string }): Promise<Made> {
    const { name, role, scopes, expires } = request
    const at = now()
    const expiresAt = expiryOf(expires, at)
    const live = rows.values().filter(row => row.revokedAt === null && (row.expiresAt === null || Date.parse(row.expiresAt) > at))
    if ([...live].length >= maxLive)
      throw new Refusal(409, 'TOO_MANY_TOKENS', `Cannot make another token as ${maxLive} are live; plumb token revoke ends one`)
    const { id, text, digest } = makeToken()
    const row: TokenRow = {
      ...{ id, name, role, scopes, digest, environment, expiresAt },
      ...{ createdBy: by.name, createdAt: iso(at), lastUsedAt: null, revokedAt: null },
    }
    if (!(await store.insertToken(row, redeems))) throw spent()
    rows.set(id, row)
    await tell(redeems ? 'token.exchanged' : 'token.created', { actor: by.name, id, name, role, scopes, expiresAt })
    return { token: text, id, name, role, scopes, expiresAt }
  }

  async function makeFirst(actor: string): Promise<string> {
    const { id, text, digest } = makeToken()
    const made: First = { id, digest, expiresAt: iso(now() + firstLivesMs) }
    await Promise.all([store.putSetting(firstSetting, JSON.stringify(made)), store.putSetting(firstMadeSetting, iso(now()))])
    first = made
    await tell('token.first', { actor, id, expiresAt: made.expiresAt })
    return text
  }

  /** An installation of before has one token, without an id. It becomes a row as any other, which expires and can be revoked. */
  async function migrate(): Promise<void> {
    const digest = await store.getSetting(legacySetting)
    if (digest === undefined) return
    const row: TokenRow = {
      ...{ id: legacyId, name: 'admin', role: 'admin', scopes: [], digest, environment, createdBy: 'plumb', createdAt: iso(now()) },
      ...{ expiresAt: expiryOf(defaultExpiry, now()), lastUsedAt: null, revokedAt: null },
    }
    await store.insertToken(row, { key: legacySetting, value: digest })
    rows.set(legacyId, row)
    await tell('token.migrated', { actor: 'plumb', id: legacyId, name: row.name, role: row.role, expiresAt: row.expiresAt })
  }

  /** What happened stands, also where the journal cannot be written. */
  async function tell(type: string, body: Parameters<Kept['appendJournal']>[1]): Promise<void> {
    await store.appendJournal(type, body).catch(error => log.error({ reason: messageOf(error) }, `Cannot write "${type}" to the journal`))
  }

  /** Written once an hour and token, and nobody waits for it. */
  function touch(row: TokenRow): void {
    const at = now()
    if (row.lastUsedAt !== null && at - Date.parse(row.lastUsedAt) < hourMs) return
    const lastUsedAt = iso(at - (at % hourMs))
    rows.set(row.id, { ...row, lastUsedAt })
    store.touchToken(row.id, lastUsedAt).catch(error => log.warn({ reason: messageOf(error) }, 'Cannot note when a token was used'))
  }

  function endOf(id: string): AbortSignal {
    const known = ends.get(id)
    if (known) return known.signal
    const row = rows.get(id)
    const ending = new AbortController()
    if (row === undefined || row.revokedAt !== null) {
      ending.abort()
      return ending.signal
    }
    ends.set(id, ending)
    if (row.expiresAt !== null) endAt(Date.parse(row.expiresAt), ending)
    return ending.signal
  }

  function endAt(atMs: number, ending: AbortController): void {
    const leftMs = atMs - now()
    if (leftMs <= 0) return ending.abort()
    setTimeout(() => endAt(atMs, ending), Math.min(leftMs, maxTimerMs)).unref()
  }
}

/** @throws Refusal 400 */
function expiryOf(expires: string, now: number): string | null {
  if (expires === 'never') return null
  const [, amount, unit = ''] = /^([1-9][0-9]{0,5})([mhd])$/.exec(expires) ?? []
  const ms = Number(amount) * ({ m: 60_000, h: hourMs, d: dayMs }[unit] ?? Number.NaN)
  if (ms <= longestMs) return new Date(now + ms).toISOString()
  throw new Refusal(
    400,
    'REQUEST_INVALID',
    `Cannot make the token as it would expire after ${JSON.stringify(expires)}: minutes, hours or days up to a year, such as "90d", or "never" are accepted`,
  )
}

function tooStrong(by: Actor, why: string): Refusal {
  return new Refusal(403, 'FORBIDDEN', `Cannot make a token that may do more than who makes it: "${by.name}" ${why}`)
}

function spent(): Refusal {
  return new Refusal(
    401,
    'UNAUTHORIZED',
    'Cannot exchange the token as it is void; plumb token reset-first makes a new one over the socket',
  )
}

function firstIn(value: string | undefined): First | null {
  const found: unknown = value === undefined ? null : JSON.parse(value) // written by makeFirst
  return isObject(found) ? { id: String(found.id), digest: String(found.digest), expiresAt: String(found.expiresAt) } : null
}
