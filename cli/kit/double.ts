// The port of doubles: what each kind of stand-in offers to the application under test.

import type { Adapter, Clock } from '../../adapters/port.ts'
import type { Outgoing } from './outgoing.ts'
import type { Recorder } from './recording.ts'
import type { ConnectionStub } from './test-api.ts'

export interface DoubleSurroundings {
  readonly outgoing: Outgoing
  readonly clock: Clock
  /** Null: nothing is recorded. */
  readonly recorder: Recorder | null
}

/** The doubles of all connections of one client method. */
export interface Doubles {
  /** The kind's own adapter, made to reach nothing. It has no ping: there is no far end. */
  adapter(real: Adapter): Adapter
  /** What a test says and asks by about the connection of that name. */
  of(name: string): object
  /** Takes in what the connection answers. @throws TypeError where the stub is of another kind of connection */
  stub(name: string, stub: ConnectionStub): void
}

/** Values by name, made when they are first asked for. */
export class Named<Value> {
  readonly #make: (name: string) => Value
  readonly #values = new Map<string, Value>()

  constructor(make: (name: string) => Value) {
    this.#make = make
  }

  get(name: string): Value {
    let value = this.#values.get(name)
    if (value === undefined) {
      value = this.#make(name)
      this.#values.set(name, value)
    }
    return value
  }
}

/** Declared answers: those for one call first, in their order; then the one declared last. */
export class Declarations<Declared> {
  readonly #once: Declared[] = []
  readonly #always: Declared[] = []

  add(declared: Declared, { once }: { readonly once: boolean }): void {
    if (once) this.#once.push(declared)
    else this.#always.unshift(declared)
  }

  /** Takes the one that answers; undefined where none does. */
  take(isOne: (declared: Declared) => boolean): Declared | undefined {
    const at = this.#once.findIndex(isOne)
    return at < 0 ? this.#always.find(isOne) : this.#once.splice(at, 1)[0]
  }
}
