// A persistent map from path segment to node: a hash trie whose leaves are small plain Maps.
// One level of an estate may hold 50,000 siblings; a change copies a leaf of at most 16 entries and the few branches above it,
// so that no edit of a router ever holds the event loop. (Bagwell, "Ideal Hash Trees", 2001.)

export type SegmentTable<Value> = Leaf<Value> | Branch<Value>

interface Leaf<Value> {
  readonly entries: ReadonlyMap<string, Value>
  readonly slots: null
}
interface Branch<Value> {
  readonly entries: null
  /** 32, by five bits of the hash. */
  readonly slots: readonly (SegmentTable<Value> | null)[]
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

export function hashOf(segment: string): number {
  let hash = hashSeed
  for (let at = 0; at < segment.length; at++) hash = hashStep(hash, segment.charCodeAt(at))
  return hash
}

export function lookUp<Value>(table: SegmentTable<Value> | null, segment: string, hash: number): Value | undefined {
  let found = table
  for (let shift = 0; found !== null; shift += bitsPerLevel) {
    if (found.slots === null) return found.entries.get(segment)
    found = found.slots[(hash >>> shift) & slotMask] ?? null
  }
  return undefined
}

/** A table in which `segment` holds `value`; undefined removes it. Null when nothing is left. */
export function withSegment<Value>(
  table: SegmentTable<Value> | null,
  segment: string,
  value: Value | undefined,
): SegmentTable<Value> | null {
  return edited(table, segment, value, hashOf(segment), 0)
}

function edited<Value>(
  table: SegmentTable<Value> | null,
  segment: string,
  value: Value | undefined,
  hash: number,
  shift: number,
): SegmentTable<Value> | null {
  if (table === null) return value === undefined ? null : { entries: new Map([[segment, value]]), slots: null }
  if (table.slots === null) {
    const entries = new Map(table.entries)
    if (value === undefined) entries.delete(segment)
    else entries.set(segment, value)
    if (entries.size === 0) return null
    const leaf: Leaf<Value> = { entries, slots: null }
    return entries.size > leafCapacity && shift <= deepestShift ? split(leaf, shift) : leaf
  }
  const slot = (hash >>> shift) & slotMask
  const next = edited(table.slots[slot] ?? null, segment, value, hash, shift + bitsPerLevel)
  const slots = table.slots.with(slot, next)
  return next === null && slots.every(part => part === null) ? null : { entries: null, slots }
}

function split<Value>(leaf: Leaf<Value>, shift: number): Branch<Value> {
  const parts: Map<string, Value>[] = Array.from({ length: slotMask + 1 }, () => new Map())
  for (const [segment, value] of leaf.entries) parts[(hashOf(segment) >>> shift) & slotMask]?.set(segment, value)
  return { entries: null, slots: parts.map(entries => (entries.size === 0 ? null : { entries, slots: null })) }
}
