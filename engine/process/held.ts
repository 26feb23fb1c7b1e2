// The generations one worker holds: those being built, the live one, its fallback, and the few that drain.

import { setImmediate } from 'node:timers/promises'
import type { Surroundings } from '../../adapters/port.ts'
import type { AdapterTable } from '../../adapters/table.ts'
import type { Digest } from '../../schema/digest.ts'
import { type Ref, revision } from '../../schema/ref.ts'
import type { Module } from '../../schema/resource.ts'
import type { Unsealer } from '../../schema/seal.ts'
import type { Secret } from '../../schema/secret.ts'
import type { Intake } from '../generation/activate.ts'
import { applied } from '../generation/applied.ts'
import { buildGeneration } from '../generation/build.ts'
import type { BuiltGeneration } from '../generation/built.ts'
import { drainGeneration, releaseGeneration } from '../generation/drain.ts'
import type { Generation } from '../generation/generation.ts'
import type { Instances } from '../generation/instances.ts'
import { type Entry, emptyManifest, sealContext } from '../generation/manifest.ts'
import { Slots } from '../generation/slots.ts'
import type { Router } from '../plane/route.ts'
import type { Activate, Begin, Part } from './messages.ts'

export interface HeldOptions {
  readonly table: AdapterTable
  readonly instances: Instances
  readonly surroundings: Surroundings
  readonly intake: Intake
  readonly emptyRouter: Router
  /** Null: what needs a secret stays closed. */
  readonly unsealer: () => Unsealer | null
  /** A generation became live; `previous` was before. */
  readonly onLive: (live: BuiltGeneration, previous: BuiltGeneration | null) => void
}

interface Draft {
  readonly begin: Begin
  readonly base: BuiltGeneration | null
  readonly set: Entry[]
  readonly unset: Ref[]
  readonly modules: Module[]
  readonly aborting: AbortController
}

export class Held {
  readonly slots = new Slots()
  readonly #options: HeldOptions
  readonly #drafts = new Map<number, Draft>()
  readonly #built = new Map<number, BuiltGeneration>()
  readonly #manifests = new Map<number, string>()
  readonly #modules = new Map<Digest, Module>()
  /** What a generation has otherwise than the one before it; absent for one that was built whole, at boot. */
  readonly #changed = new WeakMap<Generation, ReadonlySet<string>>()
  readonly #libraries = new Map<string, string>()

  constructor(options: HeldOptions) {
    this.#options = options
  }

  /** What control is told at a greeting. */
  list(): { readonly generation: number; readonly manifest: string }[] {
    return this.#warm().map(({ number }) => ({ generation: number, manifest: this.#manifests.get(number) ?? '' }))
  }

  moduleOf(digest: Digest): Module | undefined {
    return this.#modules.get(digest)
  }

  librariesOf(lockfile: Digest | null): string | null {
    return lockfile === null ? null : (this.#libraries.get(lockfile) ?? null)
  }

  /** Whether an error tells of a connection that the generation took over unchanged, which it is then not to be blamed for. */
  isExcused(error: unknown, generation: Generation): boolean {
    const ref = typeof error === 'object' && error !== null && 'ref' in error ? error.ref : undefined
    return typeof ref === 'string' && !this.#changed.get(generation)?.has(ref)
  }

  async begin(begin: Begin): Promise<void> {
    // A build of that number that control gave up on while it could not say so. The parts may follow at once.
    const aborted = this.abort(begin.generation)
    const base = begin.base === null ? null : (this.#find(begin.base) ?? null)
    if (begin.base !== null && base === null)
      throw new Error(`Cannot begin generation ${begin.generation} as its base ${begin.base} is not held`)
    if (begin.lockfile !== null && begin.libraries !== null) this.#libraries.set(begin.lockfile, begin.libraries)
    this.#drafts.set(begin.generation, { begin, base, set: [], unset: [], modules: [], aborting: new AbortController() })
    await aborted
  }

  part({ generation, set, unset, modules }: Part): void {
    const draft = this.#draft(generation)
    draft.set.push(...set)
    draft.unset.push(...unset)
    draft.modules.push(...modules)
  }

  name({ generation, manifest }: { readonly generation: number; readonly manifest: string }): void {
    this.#manifests.set(generation, manifest)
  }

  /** Builds what was begun. Rejects with every reason; what is live is untouched. */
  async prepare(generation: number): Promise<void> {
    const draft = this.#draft(generation)
    const { begin, base, set, unset, modules, aborting } = draft
    try {
      for (const module of modules) this.#modules.set(module.digest, module)
      const manifest = applied(base?.manifest ?? emptyManifest, {
        revision: begin.revision === null ? null : revision(begin.revision),
        set,
        unset,
        modules,
        settings: begin.settings,
        lockfile: begin.lockfile as Digest | null, // made by digestOf in control
      })
      const { table, instances, surroundings, emptyRouter } = this.#options
      const built = await buildGeneration({
        number: generation,
        // A whole manifest is still built beside what is live, so that what did not change is shared.
        base: base ?? this.slots.live,
        manifest,
        delta: base === null ? null : { changed: set.map(entry => entry.resource.ref), removed: unset },
        table,
        instances,
        surroundings,
        router: emptyRouter,
        preflight: begin.preflight,
        unseal: entry => this.#unseal(entry),
        signal: aborting.signal,
      })
      this.#built.set(generation, built)
      if (base !== null) this.#changed.set(built, new Set(set.map(entry => entry.resource.ref)))
    } finally {
      this.#drafts.delete(generation)
      this.#forgetModules()
    }
  }

  async abort(generation: number): Promise<void> {
    this.#drafts.get(generation)?.aborting.abort(new Error('The apply was given up'))
    if (!this.slots.find(generation)) this.#manifests.delete(generation)
    this.#drafts.delete(generation)
    const built = this.#built.get(generation)
    if (!built) return
    this.#built.delete(generation)
    await releaseGeneration(built, this.#options.instances)
    this.#forgetModules()
  }

  /** Throws away what was begun and not built: control is gone and will begin anew. */
  async abandonDrafts(): Promise<void> {
    for (const generation of [...this.#drafts.keys()]) await this.abort(generation)
  }

  activate({ generation, keepPrevious, drainMs }: Activate): void {
    const previous = this.slots.live
    if (previous?.number === generation) return
    const next = this.#built.get(generation) ?? (this.slots.fallback?.number === generation ? this.slots.fallback : undefined)
    if (!next) throw new Error(`Cannot activate generation ${generation} as it is not built here`)
    this.#built.delete(generation)
    for (const retired of this.slots.swap(next, { keepPrevious })) void this.#drain(retired, drainMs)
    this.#options.onLive(next, previous)
    void this.#options.intake.activate(next)
  }

  drain(generation: number, deadlineMs: number): void {
    if (this.slots.fallback?.number === generation) for (const retired of this.slots.retireFallback()) void this.#drain(retired, deadlineMs)
    else void this.abort(generation)
  }

  async close(): Promise<void> {
    for (const generation of [...this.#built.keys()]) await this.abort(generation)
    await Promise.all(this.#warm().map(generation => releaseGeneration(generation, this.#options.instances)))
  }

  async #drain(generation: BuiltGeneration, deadlineMs: number): Promise<void> {
    const { instances, surroundings } = this.#options
    // What became live is told first: giving back may take a slice of its own.
    await setImmediate()
    await drainGeneration(generation, { instances, clock: surroundings.clock, deadlineMs })
    this.slots.drained(generation)
    this.#manifests.delete(generation.number)
    this.#forgetModules()
  }

  #draft(generation: number): Draft {
    const draft = this.#drafts.get(generation)
    if (!draft) throw new Error(`Cannot go on with generation ${generation} as it was not begun, or was given up`)
    return draft
  }

  #find(generation: number): BuiltGeneration | undefined {
    return this.#built.get(generation) ?? this.slots.find(generation)
  }

  #warm(): BuiltGeneration[] {
    return [this.slots.live, this.slots.fallback, ...this.#built.values()].filter(generation => generation !== null)
  }

  #unseal({ resource, sealed }: Entry): ReadonlyMap<string, Secret> {
    const pointers = Object.entries(sealed)
    if (pointers.length === 0) return new Map()
    const unsealer = this.#options.unsealer()
    if (unsealer === null) throw new Error('its secrets cannot be opened without the seal key')
    return new Map(pointers.map(([pointer, value]) => [pointer, unsealer.unseal(value, sealContext(resource.ref, pointer))]))
  }

  /** Keeps the code of what is held or begun. */
  #forgetModules(): void {
    const kept = new Set<Digest>()
    for (const { manifest } of [...this.#warm(), ...this.slots.draining]) for (const digest of manifest.modules.keys()) kept.add(digest)
    for (const draft of this.#drafts.values()) for (const { digest } of draft.modules) kept.add(digest)
    for (const digest of this.#modules.keys()) if (!kept.has(digest)) this.#modules.delete(digest)
  }
}
