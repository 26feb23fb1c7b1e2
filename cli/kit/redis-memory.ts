// The commands that the double of Redis knows, over a map. What is not here is refused by name, never guessed.

import type { Reply } from './resp.ts'

type Value = string | Map<string, string> | string[] | Set<string>

interface Slot {
  value: Value
  /** Milliseconds; null: kept. */
  expiresAt: number | null
}

const ok = { status: 'OK' }
const wrongType = 'WRONGTYPE Operation against a key holding the wrong kind of value'

/** Commands by which a client sets its connection up: no service called them. */
export function isHousekeeping(command: string): boolean {
  return ['hello', 'client', 'info', 'select', 'auth', 'ping', 'quit', 'readonly'].includes(command)
}

export class RedisMemory {
  readonly #slots = new Map<string, Slot>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** Undefined for a command that is not known. @throws the server's error */
  run(command: string, args: readonly string[]): Reply | undefined {
    const act = Object.hasOwn(this.#commands, command) ? this.#commands[command] : undefined
    return act?.(...args)
  }

  readonly #commands: Readonly<Record<string, (...args: string[]) => Reply>> = {
    hello: () => {
      throw new Error('NOPROTO unsupported protocol version')
    },
    client: () => ok,
    info: () => 'redis_version:7.4.0\r\nloading:0\r\n',
    select: () => ok,
    auth: () => ok,
    readonly: () => ok,
    ping: (text?: string) => text ?? { status: 'PONG' },
    quit: () => ok,
    get: key => this.#text(key),
    set: (key, value, ...options) => this.#set(key, value, options),
    setex: (key, seconds, value) => this.#set(key, value, ['EX', seconds]),
    psetex: (key, ms, value) => this.#set(key, value, ['PX', ms]),
    setnx: (key, value) => Number(this.#set(key, value, ['NX']) !== null),
    getset: (key, value) => this.#swap(key, () => this.#set(key, value, [])),
    getdel: key => this.#swap(key, () => void this.#slots.delete(key)),
    mget: (...keys) => keys.map(key => this.#text(key)),
    mset: (...pairs) => {
      for (const [key, value] of pairsOf(pairs)) this.#set(key, value, [])
      return ok
    },
    append: (key, text) => this.#write(key, `${this.#text(key) ?? ''}${text}`).length,
    strlen: key => Buffer.byteLength(this.#text(key) ?? ''),
    incr: key => this.#add(key, 1),
    decr: key => this.#add(key, -1),
    incrby: (key, by) => this.#add(key, whole(by)),
    decrby: (key, by) => this.#add(key, -whole(by)),
    incrbyfloat: (key, by) => this.#write(key, String(Number(this.#text(key) ?? 0) + Number(by))),
    del: (...keys) => keys.filter(key => this.#slot(key) !== undefined && this.#slots.delete(key)).length,
    unlink: (...keys) => keys.filter(key => this.#slot(key) !== undefined && this.#slots.delete(key)).length,
    exists: (...keys) => keys.filter(key => this.#slot(key) !== undefined).length,
    type: key => ({ status: typeNameOf(this.#slot(key)?.value) }),
    keys: pattern => [...this.#slots.keys()].filter(key => this.#slot(key) !== undefined && glob(pattern).test(key)),
    flushall: () => done(this.#slots.clear()),
    flushdb: () => done(this.#slots.clear()),
    dbsize: () => [...this.#slots.keys()].filter(key => this.#slot(key) !== undefined).length,
    expire: (key, seconds) => this.#expireAt(key, this.#now() + whole(seconds) * 1000),
    pexpire: (key, ms) => this.#expireAt(key, this.#now() + whole(ms)),
    expireat: (key, seconds) => this.#expireAt(key, whole(seconds) * 1000),
    pexpireat: (key, ms) => this.#expireAt(key, whole(ms)),
    persist: key => this.#expireAt(key, null),
    ttl: key => this.#ttl(key, 1000),
    pttl: key => this.#ttl(key, 1),
    hset: (key, ...pairs) => this.#hset(key, pairs),
    hmset: (key, ...pairs) => done(this.#hset(key, pairs)),
    hget: (key, field) => this.#hash(key).get(field) ?? null,
    hmget: (key, ...fields) => fields.map(field => this.#hash(key).get(field) ?? null),
    hgetall: key => [...this.#hash(key)].flat(),
    hdel: (key, ...fields) => this.#shrink(key, this.#hash(key), hash => fields.filter(field => hash.delete(field)).length),
    hexists: (key, field) => Number(this.#hash(key).has(field)),
    hkeys: key => [...this.#hash(key).keys()],
    hvals: key => [...this.#hash(key).values()],
    hlen: key => this.#hash(key).size,
    hincrby: (key, field, by) => {
      const sum = whole(this.#hash(key).get(field) ?? '0') + whole(by)
      this.#hset(key, [field, String(sum)])
      return sum
    },
    lpush: (key, ...items) => this.#list(key, true).unshift(...items.reverse()),
    rpush: (key, ...items) => this.#list(key, true).push(...items),
    lpop: key => this.#shrink(key, this.#list(key), list => list.shift() ?? null),
    rpop: key => this.#shrink(key, this.#list(key), list => list.pop() ?? null),
    llen: key => this.#list(key).length,
    lrange: (key, from, to) => {
      const list = this.#list(key)
      return list.slice(placeIn(list, from), placeIn(list, to) + 1)
    },
    sadd: (key, ...members) => {
      const set = this.#members(key, true)
      const before = set.size
      for (const member of members) set.add(member)
      return set.size - before
    },
    srem: (key, ...members) => this.#shrink(key, this.#members(key), set => members.filter(member => set.delete(member)).length),
    sismember: (key, member) => Number(this.#members(key).has(member)),
    smembers: key => [...this.#members(key)],
    scard: key => this.#members(key).size,
    publish: () => 0,
  }

  #slot(key: string): Slot | undefined {
    const slot = this.#slots.get(key)
    if (slot?.expiresAt == null || slot.expiresAt > this.#now()) return slot
    this.#slots.delete(key)
    return undefined
  }

  #text(key: string): string | null {
    const value = this.#slot(key)?.value ?? null
    if (value !== null && typeof value !== 'string') throw new Error(wrongType)
    return value
  }

  /** Keeps the expiry. */
  #write(key: string, value: string): string {
    this.#slots.set(key, { value, expiresAt: this.#slot(key)?.expiresAt ?? null })
    return value
  }

  #set(key: string, value: string, options: readonly string[]): Reply {
    const words = options.map(option => option.toUpperCase())
    const after = (word: string) => (words.includes(word) ? whole(options[words.indexOf(word) + 1] ?? '') : null)
    const known = this.#slot(key)
    if ((words.includes('NX') && known) || (words.includes('XX') && !known)) return null
    const before = words.includes('GET') ? this.#text(key) : ok
    const seconds = after('EX')
    const ms = after('PX') ?? (seconds === null ? null : seconds * 1000)
    const until = after('PXAT') ?? (after('EXAT') === null ? null : (after('EXAT') ?? 0) * 1000)
    const kept = words.includes('KEEPTTL') ? (known?.expiresAt ?? null) : null
    this.#slots.set(key, { value, expiresAt: ms === null ? (until ?? kept) : this.#now() + ms })
    return before
  }

  #swap(key: string, act: () => unknown): string | null {
    const before = this.#text(key)
    act()
    return before
  }

  #add(key: string, by: number): number {
    return Number(this.#write(key, String(whole(this.#text(key) ?? '0') + by)))
  }

  #expireAt(key: string, at: number | null): number {
    const slot = this.#slot(key)
    if (slot === undefined || (at === null && slot.expiresAt === null)) return 0
    slot.expiresAt = at
    this.#slot(key)
    return 1
  }

  #ttl(key: string, unitMs: number): number {
    const slot = this.#slot(key)
    if (slot === undefined) return -2
    return slot.expiresAt === null ? -1 : Math.ceil((slot.expiresAt - this.#now()) / unitMs)
  }

  /** The value of a key of one type, an empty one where there is none; `keep` puts that there. */
  #of<Kind extends Value>(key: string, isOne: (value: Value) => value is Kind, { empty, keep }: { empty: Kind; keep: boolean }): Kind {
    const value = this.#slot(key)?.value
    if (value !== undefined && !isOne(value)) throw new Error(wrongType)
    if (value === undefined && keep) this.#slots.set(key, { value: empty, expiresAt: null })
    return value ?? empty
  }

  #hash(key: string, keep = false): Map<string, string> {
    return this.#of(key, value => value instanceof Map, { empty: new Map(), keep })
  }

  #list(key: string, keep = false): string[] {
    return this.#of(key, value => Array.isArray(value), { empty: [], keep })
  }

  #members(key: string, keep = false): Set<string> {
    return this.#of(key, value => value instanceof Set, { empty: new Set(), keep })
  }

  #hset(key: string, pairs: readonly string[]): number {
    const hash = this.#hash(key, true)
    const before = hash.size
    for (const [field, value] of pairsOf(pairs)) hash.set(field, value)
    return hash.size - before
  }

  /** A value that is empty afterwards is gone. */
  #shrink<Kind extends Map<string, string> | string[] | Set<string>>(key: string, value: Kind, act: (value: Kind) => Reply): Reply {
    const reply = act(value)
    if ((Array.isArray(value) ? value.length : value.size) === 0) this.#slots.delete(key)
    return reply
  }
}

/** The reply of a command whose result says nothing. */
function done(_result: unknown): Reply {
  return ok
}

function whole(text: string): number {
  if (!/^-?\d+$/.test(text)) throw new Error('ERR value is not an integer or out of range')
  return Number(text)
}

function* pairsOf(words: readonly string[]): Iterable<[string, string]> {
  if (words.length === 0 || words.length % 2 === 1) throw new Error('ERR wrong number of arguments')
  for (let at = 0; at < words.length; at += 2) yield [words[at] ?? '', words[at + 1] ?? '']
}

function placeIn(list: readonly string[], text: string): number {
  const at = whole(text)
  return at < 0 ? Math.max(-1, list.length + at) : at
}

function glob(pattern: string): RegExp {
  return new RegExp(
    `^${pattern
      .split(/([*?])/)
      .map(part => (part === '*' ? '.*' : part === '?' ? '.' : part.replace(/[\^$.*+?()[\]{}|]/g, '\\$&')))
      .join('')}$`,
    's',
  )
}

function typeNameOf(value: Value | undefined): string {
  if (value === undefined) return 'none'
  if (typeof value === 'string') return 'string'
  if (Array.isArray(value)) return 'list'
  return value instanceof Map ? 'hash' : 'set'
}
