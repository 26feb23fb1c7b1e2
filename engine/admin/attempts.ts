// Slows down whoever tries tokens: after a few wrong ones an address waits, each time twice as long; so does a token that is tried from
// many addresses. It backs off and never bans, and only wrong tokens wait: a right one is taken whatever happened before, so that
// nobody can lock an operator out, not even from behind the same address. A token has 256 bits; what is slowed down is the noise.
//
// There is nothing to flush (Argo CD's CVE-2024-21652: the counters of a lockout were evicted by other names): the counters are a table
// of fixed size, and what is counted falls into a place of it by a hash that is seeded at each start. Two that share a place wait
// together, which only ever makes a wrong token wait: so a fast hash is good enough.

import { randomInt } from 'node:crypto'

export interface Attempts {
  /**
   * Takes note of a wrong token. Milliseconds that such ones still have to wait; 0 where this one was counted.
   * @param token id of the token that was meant, if it is known
   */
  failed(address: string, token: string | null): number
}

const freeAttempts = 5
const firstWaitMs = 1000
const longestWaitMs = 60_000
/** What was silent for so long starts anew. */
const forgetMs = 15 * 60_000
const defaultPlaces = 65_536

/**
 * @param now milliseconds of a clock that does not go back
 * @param places size of the table; 17 bytes each
 */
export function createAttempts(now: () => number = () => performance.now(), places = defaultPlaces): Attempts {
  const seed = randomInt(2 ** 32)
  const failures = new Uint8Array(places)
  const until = new Float64Array(places)
  const at = new Float64Array(places)
  return {
    failed(address, token) {
      const found = [`address ${networkOf(address)}`, ...(token === null ? [] : [`token ${token}`])].map(
        name => hashOf(name, seed) % places,
      )
      const present = now()
      const waitMs = Math.max(...found.map(place => (until[place] ?? 0) - present))
      if (waitMs > 0) return waitMs
      for (const place of new Set(found)) count(place, present)
      return 0
    },
  }

  function count(place: number, present: number): void {
    const before = present - (at[place] ?? 0) < forgetMs ? (failures[place] ?? 0) : 0
    const counted = Math.min(before + 1, 255)
    const waitMs = counted < freeAttempts ? 0 : Math.min(firstWaitMs * 2 ** (counted - freeAttempts), longestWaitMs)
    failures[place] = counted
    until[place] = present + waitMs
    at[place] = present
  }
}

/** FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/, with a last mix (MurmurHash3's), as the places are taken from its low bits. */
function hashOf(text: string, seed: number): number {
  let hash = seed ^ 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** What one attacker has many of is one: an IPv6 address counts as its /64. */
export function networkOf(address: string): string {
  const [mapped] = /(?<=^::ffff:)\d+\.\d+\.\d+\.\d+$/i.exec(address) ?? []
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address
  const [head = '', tail] = (address.split('%', 1)[0] ?? '').toLowerCase().split('::', 2)
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const gap = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0')
  const groups = [...left, ...gap, ...right].slice(0, 4)
  return `${groups.map(group => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
