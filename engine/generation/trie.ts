// A persistent map from text to value: a hash trie whose leaves are small arrays. A change copies one leaf and the few branches
// above it and shares all else, so that what differs in one entry differs in a handful of objects, and no edit of a map of 50,000
// ever holds the event loop. (Bagwell, "Ideal Hash Trees", 2001.)

export type Trie<Value> = Leaf<Value> | Branch<Value>

interface Leaf<Value> {
  readonly slots: null
  /** Of the keys, so that a look compares text once. */
  readonly hashes: readonly number[]
  readonly keys: readonly string[]
  readonly values: readonly Value[]
}
interface Branch<Value> {
  /** 32, by five bits of the hash. */
  readonly slots: readonly (Trie<Value> | null)[]
}

const leafCapacity = 16
const bitsPerLevel = 5
const slotMask = 31
/** Below this the hash has no bits left and a leaf may grow. */
const deepestShift = 25

/** FNV-1a over UTF-16 units; feed it unit by unit: `hashStep(hash, unit)` from `hashSeed`. */
export const hashSeed = 0x811c9dc5 | 0

export function hashStep(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, 0x01000193)
}

export function hashOf(key: string): number {
  let hash = hashSeed
  for (let at = 0; at < key.length; at++) hash = hashStep(hash, key.charCodeAt(at))
  return hash
}

export function lookUp<Value>(trie: Trie<Value> | null, key: string, hash: number): Value | undefined {
  return lookUpBelow(trie, key, hash, 0)
}

function lookUpBelow<Value>(trie: Trie<Value> | null, key: string, hash: number, depth: number): Value | undefined {
  let found = trie
  for (let shift = depth; found !== null; shift += bitsPerLevel) {
    if (found.slots === null) {
      const at = placeOf(found, key, hash)
      return at < 0 ? undefined : found.values[at]
    }
    found = found.slots[(hash >>> shift) & slotMask] ?? null
  }
  return undefined
}

/** A trie in which `key` holds `value`; undefined removes it. Null when nothing is left. The same trie where nothing changes. */
export function withKey<Value>(trie: Trie<Value> | null, key: string, value: Value | undefined, hash = hashOf(key)): Trie<Value> | null {
  return edited(trie, { key, value, hash }, 0)
}

/** Keys and values in no order that means anything; the same for equal tries that were made the same way. */
export function* entriesOf<Value>(trie: Trie<Value> | null): Generator<[string, Value], undefined> {
  const open = trie === null ? [] : [trie]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.slots === null) for (let at = 0; at < next.keys.length; at++) yield [next.keys[at] as string, next.values[at] as Value]
    // as above: both lists are as long
    else for (let slot = slotMask; slot >= 0; slot--) if (next.slots[slot]) open.push(next.slots[slot] as Trie<Value>)
  }
}

/** The entries of `trie` that `other` has not, or has with another value. What both share is not walked. */
export function* entriesNotIn<Value>(trie: Trie<Value> | null, other: Trie<Value> | null): Generator<[string, Value], undefined> {
  const open = [{ trie, other, shift: 0 }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { shift } = next
    if (next.trie === null || next.trie === next.other) continue
    if (next.trie.slots === null) {
      const { keys, hashes, values } = next.trie
      for (const [at, key] of keys.entries()) {
        const value = values[at] as Value // both lists are as long
        if (lookUpBelow(next.other, key, hashes[at] ?? 0, shift) !== value) yield [key, value]
      }
      continue
    }
    // A leaf of the other stands for all of its slots.
    for (const [slot, part] of next.trie.slots.entries())
      open.push({ trie: part, other: next.other?.slots ? (next.other.slots[slot] ?? null) : next.other, shift: shift + bitsPerLevel })
  }
}

interface Edit<Value> {
  readonly key: string
  readonly value: Value | undefined
  readonly hash: number
}

function edited<Value>(trie: Trie<Value> | null, edit: Edit<Value>, shift: number): Trie<Value> | null {
  if (trie === null) return edit.value === undefined ? null : { slots: null, hashes: [edit.hash], keys: [edit.key], values: [edit.value] }
  if (trie.slots === null) return editedLeaf(trie, edit, shift)
  const slot = (edit.hash >>> shift) & slotMask
  const before = trie.slots[slot] ?? null
  const after = edited(before, edit, shift + bitsPerLevel)
  if (after === before) return trie
  const slots = trie.slots.with(slot, after)
  return after === null && slots.every(part => part === null) ? null : { slots }
}

function editedLeaf<Value>(leaf: Leaf<Value>, { key, value, hash }: Edit<Value>, shift: number): Trie<Value> | null {
  const { hashes, keys, values } = leaf
  const at = placeOf(leaf, key, hash)
  if (at < 0) {
    if (value === undefined) return leaf
    const grown: Leaf<Value> = { slots: null, hashes: [...hashes, hash], keys: [...keys, key], values: [...values, value] }
    return grown.keys.length > leafCapacity && shift <= deepestShift ? split(grown, shift) : grown
  }
  if (values[at] === value) return leaf
  if (value !== undefined) return { slots: null, hashes, keys, values: values.with(at, value) }
  if (keys.length === 1) return null
  return { slots: null, hashes: hashes.toSpliced(at, 1), keys: keys.toSpliced(at, 1), values: values.toSpliced(at, 1) }
}

function placeOf({ hashes, keys }: Leaf<unknown>, key: string, hash: number): number {
  for (let at = 0; at < hashes.length; at++) if (hashes[at] === hash && keys[at] === key) return at
  return -1
}

function split<Value>({ hashes, keys, values }: Leaf<Value>, shift: number): Branch<Value> {
  const parts = Array.from({ length: slotMask + 1 }, () => ({
    slots: null,
    hashes: [] as number[],
    keys: [] as string[],
    values: [] as Value[],
  }))
  for (const [at, key] of keys.entries()) {
    const hash = hashes[at] ?? 0
    const part = parts[(hash >>> shift) & slotMask]
    part?.hashes.push(hash)
    part?.keys.push(key)
    part?.values.push(values[at] as Value) // both lists are as long
  }
  return { slots: parts.map(part => (part.keys.length === 0 ? null : part)) }
}
