// The named places of a worker's generations: live, fallback, and the few that drain. A swap is one assignment.

import assert from 'node:assert/strict'
import type { BuiltGeneration } from './built.ts'

/** More would keep their code and what they do not share in memory; newer revisions wait and coalesce instead. */
const maxDraining = 4

export class Slots {
  #live: BuiltGeneration | null = null
  #fallback: BuiltGeneration | null = null
  readonly #draining = new Set<BuiltGeneration>()

  /** The generation a unit of work that starts at this instant runs on; null before the first. */
  select(): BuiltGeneration | null {
    return this.#live
  }

  get live(): BuiltGeneration | null {
    return this.#live
  }

  /** The generation before the live one, warm and without new work, while the live one is in probation. */
  get fallback(): BuiltGeneration | null {
    return this.#fallback
  }

  get draining(): ReadonlySet<BuiltGeneration> {
    return this.#draining
  }

  /** False while every place to drain is taken: the next swap has to wait for one. */
  get canSwap(): boolean {
    return this.#draining.size < maxDraining
  }

  /**
   * Makes `next` live. What was live becomes the fallback where `keepPrevious`, else it drains.
   * @returns the generations that drain from now on; the caller drains each and then calls `drained`
   */
  swap(next: BuiltGeneration, { keepPrevious }: { readonly keepPrevious: boolean }): BuiltGeneration[] {
    const previous = this.#live
    assert(previous !== next, `generation ${next.number} is live`)
    const replaced = this.#fallback
    this.#live = next
    this.#fallback = keepPrevious ? previous : null
    return this.#retire([replaced === next ? null : replaced, keepPrevious ? null : previous])
  }

  /** Ends probation: the fallback drains. */
  retireFallback(): BuiltGeneration[] {
    const fallback = this.#fallback
    this.#fallback = null
    return this.#retire([fallback])
  }

  /** Makes the fallback live again; what was live drains. Null where there is no fallback. */
  swapBack(): BuiltGeneration[] | null {
    return this.#fallback ? this.swap(this.#fallback, { keepPrevious: false }) : null
  }

  #retire(generations: readonly (BuiltGeneration | null)[]): BuiltGeneration[] {
    const retired = generations.filter(generation => generation !== null)
    for (const generation of retired) this.#draining.add(generation)
    return retired
  }

  drained(generation: BuiltGeneration): void {
    this.#draining.delete(generation)
  }

  /** The held generation of that number. */
  find(number: number): BuiltGeneration | undefined {
    return [this.#live, this.#fallback, ...this.#draining].find(generation => generation?.number === number) ?? undefined
  }
}
