// Instances shared by generations. A generation holds one reference for each of its resources; the last reference closes.

import assert from 'node:assert/strict'
import type { Wrapped } from '../../adapters/wrap.ts'

export interface SharedInstance {
  readonly key: string
  readonly wrapped: Wrapped
}

interface Counted extends SharedInstance {
  references: number
}

export class Instances implements AsyncDisposable {
  readonly #byKey = new Map<string, Counted>()
  readonly #preparing = new Map<string, Promise<Counted>>()
  readonly #closing = new Set<Promise<void>>()

  /** How many are open. */
  get size(): number {
    return this.#byKey.size
  }

  /**
   * Takes a reference to the instance of `key`; `prepare` makes it where there is none. Callers that overlap share one.
   * Synchronous where nothing has to be waited for. Rejects, without a reference taken, with what `prepare` threw.
   */
  acquire(key: string, prepare: () => Wrapped | Promise<Wrapped>): SharedInstance | Promise<SharedInstance> {
    const open = this.#byKey.get(key)
    if (open) return this.#retained(open)
    const awaited = this.#preparing.get(key)
    if (awaited) return awaited.then(shared => this.#retained(shared))
    const prepared = prepare()
    if (!(prepared instanceof Promise)) return this.#retained(this.#opened(key, prepared))
    const opening = prepared.then(wrapped => this.#opened(key, wrapped)).finally(() => this.#preparing.delete(key))
    this.#preparing.set(key, opening)
    return opening.then(shared => this.#retained(shared))
  }

  #opened(key: string, wrapped: Wrapped): Counted {
    const shared = { key, wrapped, references: 0 }
    this.#byKey.set(key, shared)
    return shared
  }

  #retained(shared: Counted): Counted {
    assert(this.#byKey.get(shared.key) === shared, `instance ${shared.key} is closed`)
    shared.references += 1
    return shared
  }

  /** Takes one more reference to an instance that is open. */
  retain(shared: SharedInstance): void {
    this.#retained(this.#counted(shared))
  }

  /** Gives one reference back; with the last one the instance closes, and the promise resolves when it has. Never rejects. */
  release(shared: SharedInstance): Promise<void> | null {
    const counted = this.#counted(shared)
    counted.references -= 1
    if (counted.references > 0) return null
    this.#byKey.delete(counted.key)
    const closing = counted.wrapped.close().finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
    return closing
  }

  #counted(shared: SharedInstance): Counted {
    const counted = this.#byKey.get(shared.key)
    assert(counted === shared, `instance ${shared.key} is closed`)
    return counted
  }

  /** Closes whatever is still open, for the end of a process. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#preparing.values())
    const open = [...this.#byKey.values()]
    this.#byKey.clear()
    await Promise.all([...open.map(shared => shared.wrapped.close()), ...this.#closing])
  }
}
