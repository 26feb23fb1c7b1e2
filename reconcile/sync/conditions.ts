// The four conditions of an environment, in the manner of Kubernetes: each true or false, with a reason in one word and the time since
// when it has been so. They are what people and machines look at first.

import type { Condition } from '../../engine/generation/engine.ts'

export class Conditions {
  readonly #held = new Map<Condition['type'], Condition>()

  /** The time is kept while status and reason stay the same. @param now milliseconds */
  set(type: Condition['type'], status: boolean, reason: string, now: number): void {
    const before = this.#held.get(type)
    if (before?.status === status && before.reason === reason) return
    this.#held.set(type, { type, status, reason, since: new Date(now).toISOString() })
  }

  all(): readonly Condition[] {
    return [...this.#held.values()]
  }
}
