// Instances shared by generations. A *hold* is what one generation needs open: it begins as that of the generation beside which it
// is built, in one step, and differs from it by what changed. What no hold names any more is closed, and what two holds share is not
// looked at to find out.

import assert from 'node:assert/strict'
import type { Wrapped } from '../../adapters/wrap.ts'
import { PersistentMap } from './persistent-map.ts'
import { createSlices } from './slice.ts'

export interface SharedInstance {
  readonly key: string
  readonly wrapped: Wrapped
}

/** Key → how many resources of the generation have that instance. */
type Names = PersistentMap<string, number>

declare const held: unique symbol
/** Of one generation, or of a build. Only `Instances` reads it. */
export interface Hold {
  readonly [held]: true
}

export class Instances implements AsyncDisposable {
  readonly #open = new Map<string, SharedInstance>()
  readonly #preparing = new Map<string, Promise<SharedInstance>>()
  readonly #closing = new Set<Promise<void>>()
  /** In the order they began. */
  readonly #holds = new Map<Hold, Names>()

  /** How many are open. */
  get size(): number {
    return this.#open.size
  }

  /** Begins a hold of all that `base` holds; of nothing where there is none. */
  hold(base: Hold | null): Hold {
    const hold = Object.freeze({}) as Hold // a name, and nothing else
    this.#holds.set(hold, base ? this.#namesOf(base) : PersistentMap.of())
    return hold
  }

  /**
   * Takes the instance of `key` into a hold, for one more resource; `prepare` makes it where there is none. Callers that overlap share one.
   * Synchronous where nothing has to be waited for. Rejects, with nothing taken, with what `prepare` threw.
   * Where the hold is released meanwhile, what arrives is closed unless another hold names it.
   */
  acquire(hold: Hold, key: string, prepare: () => Wrapped | Promise<Wrapped>): SharedInstance | Promise<SharedInstance> {
    this.#count(hold, key, 1)
    const letGo = (error: unknown): never => {
      if (this.#holds.has(hold)) this.#count(hold, key, -1)
      throw error
    }
    const open = this.#open.get(key)
    if (open) return open
    const awaited = this.#preparing.get(key)
    if (awaited) return awaited.catch(letGo)
    let prepared: Wrapped | Promise<Wrapped>
    try {
      prepared = prepare()
    } catch (error) {
      return letGo(error)
    }
    if (!(prepared instanceof Promise)) return this.#opened(key, prepared)
    const opening = prepared.then(
      wrapped => {
        this.#preparing.delete(key)
        const shared = this.#opened(key, wrapped)
        if (!this.#isHeld(key)) void this.#close(shared)
        return shared
      },
      error => {
        this.#preparing.delete(key)
        throw error
      },
    )
    this.#preparing.set(key, opening)
    return opening.catch(letGo)
  }

  #opened(key: string, wrapped: Wrapped): SharedInstance {
    const shared = { key, wrapped }
    this.#open.set(key, shared)
    return shared
  }

  /** Lets go of an instance for one resource of a hold. */
  drop(hold: Hold, { key }: SharedInstance): void {
    this.#count(hold, key, -1)
    const open = this.#open.get(key)
    if (open && !this.#isHeld(key)) void this.#close(open)
  }

  /** Ends a hold; resolves when what no other one names is closed. Never rejects. */
  async release(hold: Hold): Promise<void> {
    const names = this.#namesOf(hold)
    this.#holds.delete(hold)
    // Any other would do; the newest has the most in common.
    const nearest = [...this.#holds.values()].at(-1) ?? PersistentMap.of()
    const slices = createSlices()
    const closing: Promise<void>[] = []
    for (const [key] of names.notIn(nearest)) {
      const open = this.#open.get(key)
      // Asked at this instant: a build may have taken it meanwhile.
      if (open && !this.#isHeld(key)) closing.push(this.#close(open))
      if (slices.isSpent()) await slices.rest()
    }
    await Promise.all(closing)
  }

  #close(shared: SharedInstance): Promise<void> {
    this.#open.delete(shared.key)
    const closing = shared.wrapped.close().finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
    return closing
  }

  #count(hold: Hold, key: string, by: 1 | -1): void {
    const names = this.#namesOf(hold)
    const count = (names.get(key) ?? 0) + by
    assert(count >= 0, `instance ${key} is let go of once too often`)
    this.#holds.set(hold, count === 0 ? names.without(key) : names.with(key, count))
  }

  #namesOf(hold: Hold): Names {
    const names = this.#holds.get(hold)
    assert(names, 'a hold that was released is used')
    return names
  }

  #isHeld(key: string): boolean {
    for (const names of this.#holds.values()) if (names.has(key)) return true
    return false
  }

  /** Closes whatever is still open, for the end of a process. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#preparing.values())
    const open = [...this.#open.values()]
    this.#open.clear()
    await Promise.all([...open.map(shared => shared.wrapped.close()), ...this.#closing])
  }
}
