// What is due when: a binary heap whose earliest item is looked at in no time, however many there are.

export interface Agenda<Item> {
  add(at: number, item: Item): void
  /** When the earliest is due; null where nothing is. */
  earliest(): number | null
  /** Removes and gives the earliest that is due at `now`. */
  take(now: number): Item | undefined
  clear(): void
}

export function createAgenda<Item>(): Agenda<Item> {
  let heap: { readonly at: number; readonly item: Item }[] = []
  const atOf = (index: number) => heap[index]?.at ?? Number.POSITIVE_INFINITY

  function swap(one: number, other: number): void {
    const [a, b] = [heap[one], heap[other]]
    if (a && b) [heap[one], heap[other]] = [b, a]
  }

  return {
    add(at, item) {
      let index = heap.push({ at, item }) - 1
      for (let parent = (index - 1) >> 1; index > 0 && atOf(index) < atOf(parent); parent = (index - 1) >> 1) {
        swap(index, parent)
        index = parent
      }
    },
    earliest: () => heap[0]?.at ?? null,
    take(now) {
      const [first] = heap
      if (!first || first.at > now) return undefined
      const last = heap.pop()
      if (heap.length === 0 || !last) return first.item
      heap[0] = last
      for (let index = 0; ; ) {
        const [left, right] = [2 * index + 1, 2 * index + 2]
        const least = atOf(right) < atOf(left) ? right : left
        if (atOf(least) >= atOf(index)) return first.item
        swap(index, least)
        index = least
      }
    },
    clear() {
      heap = []
    },
  }
}
