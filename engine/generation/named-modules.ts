// The code of a manifest: the modules that its entries name, with how many of them name each, so that a change of one entry
// finds out what is no longer named without looking at the others.

import type { Digest } from '../../schema/digest.ts'
import { isObject } from '../../schema/json.ts'
import type { Module } from '../../schema/resource.ts'
import type { Entry } from './manifest.ts'
import { PersistentMap } from './persistent-map.ts'

interface Named {
  /** Null where it is named and not there. */
  readonly module: Module | null
  readonly by: number
}

export class NamedModules implements ReadonlyMap<Digest, Module> {
  readonly size: number
  readonly #named: PersistentMap<Digest, Named>

  private constructor(named: PersistentMap<Digest, Named>, size: number) {
    this.#named = named
    this.size = size
  }

  /** Of `modules`, those that an entry names in `spec.modules`. */
  static of(entries: Iterable<Entry>, modules: ReadonlyMap<Digest, Module>): NamedModules {
    if (modules instanceof NamedModules) return modules
    return new NamedModules(PersistentMap.of(), 0).after([], entries, modules)
  }

  /** After `former` entries gave way to `latter` ones; a module that was not there is looked for in `modules`. */
  after(former: Iterable<Entry>, latter: Iterable<Entry>, modules: ReadonlyMap<Digest, Module>): NamedModules {
    let named = this.#named
    let { size } = this
    const count = (digest: Digest, by: 1 | -1) => {
      const before = named.get(digest)
      const module = before?.module ?? modules.get(digest) ?? null
      const times = (before?.by ?? 0) + by
      named = times === 0 ? named.without(digest) : named.with(digest, { module, by: times })
      size += (times > 0 && module ? 1 : 0) - (before?.module ? 1 : 0)
    }
    // What is named before and after is never let go of in between.
    for (const entry of latter) for (const digest of digestsNamedBy(entry)) count(digest, 1)
    for (const entry of former) for (const digest of digestsNamedBy(entry)) count(digest, -1)
    return new NamedModules(named, size)
  }

  get(digest: Digest): Module | undefined {
    return this.#named.get(digest)?.module ?? undefined
  }

  has(digest: Digest): boolean {
    return this.get(digest) !== undefined
  }

  *entries(): Generator<[Digest, Module], undefined> {
    for (const [digest, { module }] of this.#named) if (module) yield [digest, module]
  }

  [Symbol.iterator](): Generator<[Digest, Module], undefined> {
    return this.entries()
  }

  *keys(): Generator<Digest, undefined> {
    for (const [digest] of this.entries()) yield digest
  }

  *values(): Generator<Module, undefined> {
    for (const [, module] of this.entries()) yield module
  }

  forEach(act: (module: Module, digest: Digest, map: ReadonlyMap<Digest, Module>) => void): void {
    for (const [digest, module] of this.entries()) act(module, digest, this)
  }
}

function digestsNamedBy(entry: Entry): Digest[] {
  const { modules } = entry.resource.spec
  return isObject(modules) ? (Object.values(modules) as Digest[]) : [] // only looked up: what is no digest finds nothing
}
