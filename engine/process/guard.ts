// Stands before every service of a worker: names it to the lifeline before it runs, so that a loop it blocks is blamed on it,
// and answers 503 for a service that took workers with it too often.

import type { Adapter } from '../../adapters/port.ts'
import type { Ref } from '../../schema/ref.ts'
import { ServiceUnavailable } from '../service/sdk.ts'
import type { ServiceCounters, ServiceView, Unit } from '../service/unit.ts'

export interface Guard {
  /** A service begins to run. */
  begins(name: string): void
  /** Why it may not run, or null. */
  refuses(name: string): string | null
}

/** The same adapter, whose views pass through `guard`. */
export function guarded<Instance extends ServiceView>(
  adapter: Adapter<Instance, ServiceView>,
  guard: Guard,
): Adapter<Instance, ServiceView> {
  return {
    ...adapter,
    view(instance, declared, resolve) {
      return new GuardedService(adapter.view?.(instance, declared, resolve) ?? instance, guard)
    },
  }
}

class GuardedService implements ServiceView {
  readonly #service: ServiceView
  readonly #guard: Guard

  constructor(service: ServiceView, guard: Guard) {
    this.#service = service
    this.#guard = guard
  }

  get name(): string {
    return this.#service.name
  }

  get inputTypes(): Readonly<Record<string, string>> {
    return this.#service.inputTypes
  }

  get deadlineMs(): number | null {
    return this.#service.deadlineMs
  }

  get counters(): ServiceCounters {
    return this.#service.counters
  }

  check(payload: unknown): ReturnType<ServiceView['check']> {
    return this.#service.check(payload)
  }

  run(unit: Unit, payload: unknown): Promise<unknown> {
    const refusal = this.#guard.refuses(this.name)
    if (refusal !== null)
      return Promise.reject(new ServiceUnavailable(`Cannot run service "${this.name}" as ${refusal}; change it to have it tried again`))
    this.#guard.begins(this.name)
    return this.#service.run(unit, payload)
  }
}

export function serviceRef(name: string): Ref {
  return `service/${name}` as Ref // a service's name was checked when it was compiled
}
