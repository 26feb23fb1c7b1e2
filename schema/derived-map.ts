// A map made from another by a few changes, without copying it: to look up and hash every key of a large map again costs more than
// whatever is changed in it (10 ms for 10,000 keys that are not in the processor's cache). It begins as a plain map, keeps its order, and
// is for what changes seldom and in a few places; `PersistentMap` of the engine bears any number of changes and costs more to make.

export interface MapChanges<Key, Value> {
  readonly set: ReadonlyMap<Key, Value>
  /** Taken out before `set` is put in. */
  readonly unset: ReadonlySet<Key>
}

/** `map` with `changes`, in the order of `map` and with what is new at the end. `map` must never change afterwards: it is shared. */
export function derivedMap<Key, Value>(map: ReadonlyMap<Key, Value>, changes: MapChanges<Key, Value>): ReadonlyMap<Key, Value> {
  if (changes.set.size === 0 && changes.unset.size === 0) return map
  const derived = new DerivedMap(map, changes)
  return derived.isWorthCopying() ? new Map(derived) : derived
}

/** A look-up in two maps and a longer walk are paid back as long as this is the smaller part. */
const maxChangedShare = 1 / 8
const minChanges = 64

class DerivedMap<Key, Value> implements ReadonlyMap<Key, Value> {
  readonly size: number
  /** A plain map. */
  readonly #base: ReadonlyMap<Key, Value>
  /** Put in place of what is in `base`, or added. */
  readonly #set: Map<Key, Value>
  /** Not in `base` any more; if it is in `set`, it came back and stands at the end. */
  readonly #unset: Set<Key>

  constructor(map: ReadonlyMap<Key, Value>, { set, unset }: MapChanges<Key, Value>) {
    const from = map instanceof DerivedMap ? (map as DerivedMap<Key, Value>) : null // what a map of these types was derived from has them too
    this.#base = from ? from.#base : map
    this.#set = new Map(from ? from.#set : [])
    this.#unset = new Set(from ? from.#unset : [])
    let size = map.size
    for (const key of unset) {
      if (map.has(key)) size--
      this.#set.delete(key)
      if (this.#base.has(key)) this.#unset.add(key)
    }
    for (const [key, value] of set) {
      if (!map.has(key) || unset.has(key)) size++
      this.#set.set(key, value)
    }
    this.size = size
  }

  isWorthCopying(): boolean {
    return this.#set.size + this.#unset.size > Math.max(minChanges, this.#base.size * maxChangedShare)
  }

  get(key: Key): Value | undefined {
    if (this.#set.has(key)) return this.#set.get(key)
    return this.#unset.has(key) ? undefined : this.#base.get(key)
  }

  has(key: Key): boolean {
    return this.#set.has(key) || (!this.#unset.has(key) && this.#base.has(key))
  }

  *entries(): MapIterator<[Key, Value]> {
    for (const entry of this.#base) {
      const [key] = entry
      if (this.#unset.has(key)) continue
      if (this.#set.has(key))
        yield [key, this.#set.get(key) as Value] // it has the key
      else yield entry
    }
    for (const entry of this.#set) if (this.#isAdded(entry[0])) yield entry
  }

  *keys(): MapIterator<Key> {
    for (const key of this.#base.keys()) if (!this.#unset.has(key)) yield key
    for (const key of this.#set.keys()) if (this.#isAdded(key)) yield key
  }

  *values(): MapIterator<Value> {
    for (const [key, value] of this.#base)
      if (this.#set.has(key)) {
        if (!this.#unset.has(key)) yield this.#set.get(key) as Value // it has the key
      } else if (!this.#unset.has(key)) yield value
    for (const [key, value] of this.#set) if (this.#isAdded(key)) yield value
  }

  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.entries()
  }

  forEach(call: (value: Value, key: Key, map: ReadonlyMap<Key, Value>) => void): void {
    for (const [key, value] of this.entries()) call(value, key, this)
  }

  #isAdded(key: Key): boolean {
    return this.#unset.has(key) || !this.#base.has(key)
  }
}
