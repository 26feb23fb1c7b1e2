// One timer for all deadlines: a hashed wheel (Varghese and Lauck, 1987, scheme 6) with slots of 32 ms. A request enters and leaves in
// constant time and without a timer of its own; a deadline fires up to one slot late, never early.
//
// While a debugger holds the process no time passes for it: what is due moves on by as long as it stood still.

import { neverPaused, type PausedMs } from '../debug/paused-time.ts'

export interface Deadlined {
  /** `performance.now()` at which it is due. */
  readonly deadlineAt: number
  expire(): void
  /** Neighbours in the wheel's slot; the wheel alone writes them. */
  before: Deadlined | null
  after: Deadlined | null
  slot: number
  /** When it is due by the time that passes while the process runs; the wheel alone writes it. */
  dueAt: number
}

const slotMs = 32
const slotCount = 512
const outside = -1

export class Deadlines {
  readonly #pausedMs: PausedMs
  readonly #slots: (Deadlined | null)[] = new Array(slotCount).fill(null)
  #timer: NodeJS.Timeout | null = null
  #size = 0
  /** Number of the last slot that was looked at, counted from the start of time. */
  #seen = 0
  /** Milliseconds that the process stood still, when it was last looked. */
  #paused = 0

  constructor(pausedMs: PausedMs = neverPaused) {
    this.#pausedMs = pausedMs
  }

  add(item: Deadlined): void {
    if (this.#timer === null) {
      this.#paused = this.#pausedMs()
      this.#seen = Math.floor((performance.now() - this.#paused) / slotMs)
      this.#timer = setInterval(() => this.#turn(), slotMs)
      this.#timer.unref()
    }
    item.dueAt = item.deadlineAt - this.#paused
    const due = Math.max(Math.floor(item.dueAt / slotMs), this.#seen) + 1
    const slot = due % slotCount
    const first = this.#slots[slot] ?? null
    item.slot = slot
    item.after = first
    if (first !== null) first.before = item
    this.#slots[slot] = item
    this.#size++
  }

  /** Takes it out; nothing where it is not in. */
  remove(item: Deadlined): void {
    if (item.slot === outside) return
    if (item.before === null) this.#slots[item.slot] = item.after
    else item.before.after = item.after
    if (item.after !== null) item.after.before = item.before
    item.before = null
    item.after = null
    item.slot = outside
    this.#size--
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  #turn(): void {
    this.#paused = this.#pausedMs()
    const now = performance.now() - this.#paused
    const current = Math.floor(now / slotMs)
    // A pause longer than a whole turn of the wheel still looks into each slot once.
    for (let number = Math.max(this.#seen, current - slotCount) + 1; number <= current; number++) {
      for (let item = this.#slots[number % slotCount] ?? null; item !== null; ) {
        const next: Deadlined | null = item.after
        if (item.dueAt <= now) {
          this.remove(item)
          item.expire()
        }
        item = next
      }
    }
    this.#seen = current
    if (this.#size === 0) this.close()
  }
}
