// The credential of the admin API over TCP. There is no default password: the first start makes a random token and hands it out
// once, to be printed; only its SHA-256 is kept. A random token of 256 bits needs no slow hash.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Store } from '../store/port.ts'
import type { Actor } from './port.ts'

export interface Tokens {
  /** The token in plain text where this start made it; null ever after. */
  readonly first: string | null
  /** Who presents `token`; null for a wrong one. Takes the same time whatever is wrong with it. */
  actorOf(token: string): Actor | null
}

const settingKey = 'admin.token.sha256'

export async function openTokens(store: Pick<Store, 'getSetting' | 'putSetting'>): Promise<Tokens> {
  const kept = await store.getSetting(settingKey)
  if (kept !== undefined) return tokensOf(Buffer.from(kept, 'hex'), null)
  const first = `plumb_${randomBytes(32).toString('base64url')}`
  const digest = digestOfToken(first)
  await store.putSetting(settingKey, digest.toString('hex'))
  return tokensOf(digest, first)
}

function tokensOf(digest: Buffer, first: string | null): Tokens {
  return {
    first,
    actorOf: token => (timingSafeEqual(digestOfToken(token), digest) ? { name: 'admin', via: 'token', role: 'admin' } : null),
  }
}

function digestOfToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
