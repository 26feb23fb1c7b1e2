// A map that no one ever writes into: `with` and `without` give the next one, which shares with this one all they have in common.

import { entriesNotIn, entriesOf, hashOf, lookUp, type Trie, withKey } from './trie.ts'

/** Holds no undefined. Iterates in no order that means anything. */
export class PersistentMap<Key extends string, Value> implements ReadonlyMap<Key, Value> {
  readonly size: number
  readonly #trie: Trie<Value> | null

  private constructor(trie: Trie<Value> | null, size: number) {
    this.#trie = trie
    this.size = size
  }

  /** Of what `map` holds: itself where it is persistent. */
  static of<Key extends string, Value>(map?: ReadonlyMap<Key, Value>): PersistentMap<Key, Value> {
    if (map instanceof PersistentMap) return map
    let trie: Trie<Value> | null = null
    for (const [key, value] of map ?? []) trie = withKey(trie, key, value)
    return new PersistentMap(trie, map?.size ?? 0)
  }

  with(key: Key, value: Value): PersistentMap<Key, Value> {
    const hash = hashOf(key)
    const trie = withKey(this.#trie, key, value, hash)
    if (trie === this.#trie) return this
    return new PersistentMap(trie, lookUp(this.#trie, key, hash) === undefined ? this.size + 1 : this.size)
  }

  without(key: Key): PersistentMap<Key, Value> {
    const trie = withKey(this.#trie, key, undefined)
    return trie === this.#trie ? this : new PersistentMap(trie, this.size - 1)
  }

  get(key: Key): Value | undefined {
    return lookUp(this.#trie, key, hashOf(key))
  }

  has(key: Key): boolean {
    return this.get(key) !== undefined
  }

  /** What this one holds and `other` does not, or holds otherwise: takes as long as they differ. */
  notIn(other: PersistentMap<Key, Value>): MapIterator<[Key, Value]> {
    return entriesNotIn(this.#trie, other.#trie) as MapIterator<[Key, Value]> // the keys that came in
  }

  entries(): MapIterator<[Key, Value]> {
    return entriesOf(this.#trie) as MapIterator<[Key, Value]> // the keys that came in
  }

  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.entries()
  }

  *keys(): Generator<Key, undefined> {
    for (const [key] of this.entries()) yield key
  }

  *values(): Generator<Value, undefined> {
    for (const [, value] of this.entries()) yield value
  }

  forEach(act: (value: Value, key: Key, map: ReadonlyMap<Key, Value>) => void): void {
    for (const [key, value] of this.entries()) act(value, key, this)
  }
}
