// The double of a connection whose client is not known here: an object of which every function asks the test.

import type { Adapter } from '../../adapters/port.ts'
import { type DoubleSurroundings, type Doubles, Named } from './double.ts'
import type { Outgoing } from './outgoing.ts'
import type { ClientCall, ClientDouble } from './test-api.ts'

export class ClientDoubles implements Doubles {
  readonly #method: string
  readonly #named: Named<Control>

  constructor(method: string, { outgoing }: DoubleSurroundings) {
    this.#method = method
    this.#named = new Named(name => new Control(method, name, outgoing))
  }

  adapter(): Adapter {
    return { prepare: ({ resource }) => this.#named.get(resource.name).client, close: () => undefined }
  }

  of(name: string): ClientDouble {
    return this.#named.get(name)
  }

  stub(name: string): never {
    throw new TypeError(
      `Cannot stub "${name}" as ${this.#method} connections have no stubs: app.client("${this.#method}", "${name}").on(…) is accepted`,
    )
  }
}

class Control implements ClientDouble {
  readonly client: object
  readonly #name: string
  readonly #outgoing: Outgoing
  readonly #answers = new Map<string, (...args: never[]) => unknown>()

  constructor(method: string, name: string, outgoing: Outgoing) {
    this.#name = name
    this.#outgoing = outgoing
    this.client = new Proxy(
      {},
      {
        get: (target, key) => {
          // Awaiting a client asks it for `then`.
          if (typeof key === 'symbol' || key === 'then') return Reflect.get(target, key)
          return (...args: unknown[]) => {
            outgoing.add({ connection: name, call: key, args })
            const answer = this.#answers.get(key)
            const next = `app.client("${method}", "${name}").on("${key}", () => …)`
            if (!answer) throw outgoing.refuse(`${key}() of ${method} "${name}"`, next)
            return Reflect.apply(answer, undefined, args)
          }
        },
      },
    )
  }

  get calls(): readonly ClientCall[] {
    return this.#outgoing.of(this.#name, call => 'call' in call)
  }

  on(call: string, answer: (...args: never[]) => unknown): this {
    this.#answers.set(call, answer)
    return this
  }
}
