// A secret value that cannot be printed by accident: it travels from the template to the adapter inside this class,
// and only `reveal()`, called at the door of a client library, hands it out.

import { inspect } from 'node:util'

export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The value itself. Call it where a client library takes it, never to build a message. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '***'
  }

  toJSON(): string {
    return '***'
  }

  [inspect.custom](): string {
    return '***'
  }
}
