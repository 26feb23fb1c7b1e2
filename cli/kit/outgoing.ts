// What goes out of an application under test: every call in order, and those that no test declared an answer for. A service may swallow
// the failure of such a call, so it is kept until somebody who can fail the test takes it.

import type { OutgoingCall } from './test-api.ts'

export class Outgoing {
  readonly #calls: OutgoingCall[] = []
  readonly #unexpected: UnexpectedCall[] = []

  add(call: OutgoingCall): void {
    this.#calls.push(call)
  }

  /** Notes a call that nobody declared an answer for; what comes back is to be thrown at whoever made it. */
  refuse(what: string, next: string): UnexpectedCall {
    const error = new UnexpectedCall(`Cannot send ${what} as the test declares no answer for it: ${next}`)
    this.#unexpected.push(error)
    return error
  }

  of<Call extends OutgoingCall>(connection: string | undefined, isOne: (call: OutgoingCall) => call is Call): readonly Call[] {
    return this.#calls.filter(isOne).filter(call => connection === undefined || call.connection === connection)
  }

  /** @throws UnexpectedCall the first that nobody has been told of; it and those after it are then told */
  throwUnexpected(): void {
    const [first, ...more] = this.#unexpected.splice(0)
    if (first === undefined) return
    if (more.length === 0) throw first
    throw new UnexpectedCall([first, ...more].map(({ message }) => message).join('\n'))
  }
}

/** A call that a test declares no answer for. */
export class UnexpectedCall extends Error {
  override readonly name = 'UnexpectedCall'
}
