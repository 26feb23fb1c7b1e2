// A unit of work as an inner call sees it: the same but for what is given. `signal` stays as lazy as the outer one's.

import type { Ref } from '../../schema/ref.ts'
import type { Delivery, RequestFacts } from './sdk.ts'
import type { Unit } from './unit.ts'

export class DerivedUnit implements Unit {
  readonly #outer: Unit
  readonly #given: Partial<Pick<Unit, 'signal' | 'deadlineAt' | 'depth'>>

  constructor(outer: Unit, given: Partial<Pick<Unit, 'signal' | 'deadlineAt' | 'depth'>>) {
    this.#outer = outer
    this.#given = given
  }

  get cid(): string {
    return this.#outer.cid
  }

  get generation(): number {
    return this.#outer.generation
  }

  get signal(): AbortSignal {
    return this.#given.signal ?? this.#outer.signal
  }

  get deadlineAt(): number {
    return this.#given.deadlineAt ?? this.#outer.deadlineAt
  }

  get depth(): number {
    return this.#given.depth ?? this.#outer.depth
  }

  get request(): RequestFacts | null {
    return this.#outer.request
  }

  get delivery(): Delivery | null {
    return this.#outer.delivery
  }

  get channel(): string | null {
    return this.#outer.channel
  }

  accept(): void {
    // Whoever made the inner call has the result as it is.
  }

  isNews(failure: unknown): boolean {
    return this.#outer.isNews(failure)
  }

  resolve(ref: Ref): unknown {
    return this.#outer.resolve(ref)
  }
}
