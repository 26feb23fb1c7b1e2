// The generation a worker built: views by ref, the instances it holds references to, and who refers to whom.

import assert from 'node:assert/strict'
import type { Wrapped } from '../../adapters/wrap.ts'
import type { KindName, Ref } from '../../schema/ref.ts'
import type { Router } from '../plane/route.ts'
import type { Generation } from './generation.ts'
import type { Hold, SharedInstance } from './instances.ts'
import type { Manifest } from './manifest.ts'
import type { PersistentMap } from './persistent-map.ts'

export interface Shut {
  readonly reason: string
  /** ISO time of the build that found it. */
  readonly since: string
}

/** The resources of an instance with their views; null for a resource that has none. */
export type Served = PersistentMap<Ref, unknown>

export interface Intaking {
  readonly wrapped: Wrapped
  readonly served: Served
}

export interface Parts {
  readonly number: number
  readonly manifest: Manifest
  readonly router: Router
  readonly views: PersistentMap<Ref, unknown>
  /** Resources of one `shareKey` name the same instance. */
  readonly instances: PersistentMap<Ref, SharedInstance>
  /** Keeps them open. */
  readonly hold: Hold
  /** Instances that take in work, by their names. */
  readonly intake: PersistentMap<string, Intaking>
  readonly referrers: ReadonlyMap<Ref, ReadonlySet<Ref>>
  /** Instances whose status may change while they live. */
  readonly watched: PersistentMap<Ref, Wrapped>
  /** Resources that are closed though they are switched on. */
  readonly shut: PersistentMap<Ref, Shut>
  /** The resources of each kind; the list of a kind that gained and lost none is that of the generation before. */
  readonly refsByKind: ReadonlyMap<KindName, readonly Ref[]>
}

export class BuiltGeneration implements Generation {
  readonly number: number
  readonly manifest: Manifest
  readonly router: Router
  readonly views: PersistentMap<Ref, unknown>
  readonly instances: PersistentMap<Ref, SharedInstance>
  readonly hold: Hold
  readonly intake: PersistentMap<string, Intaking>
  readonly referrers: ReadonlyMap<Ref, ReadonlySet<Ref>>
  readonly shut: PersistentMap<Ref, Shut>
  readonly refsByKind: ReadonlyMap<KindName, readonly Ref[]>
  readonly watched: PersistentMap<Ref, Wrapped>
  readonly #abort = new AbortController()
  readonly #idle: (() => void)[] = []
  #inFlight = 0
  #isReleased = false

  constructor(parts: Parts) {
    this.number = parts.number
    this.manifest = parts.manifest
    this.router = parts.router
    this.views = parts.views
    this.instances = parts.instances
    this.hold = parts.hold
    this.intake = parts.intake
    this.referrers = parts.referrers
    this.shut = parts.shut
    this.refsByKind = parts.refsByKind
    this.watched = parts.watched
  }

  resolve(ref: Ref): unknown {
    return this.views.get(ref)
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  enter(): () => void {
    assert(!this.#isReleased, `generation ${this.number} is released`)
    this.#inFlight += 1
    let isInside = true
    return () => {
      if (!isInside) return
      isInside = false
      this.#inFlight -= 1
      if (this.#inFlight === 0) for (const wake of this.#idle.splice(0)) wake()
    }
  }

  /** Resolves as soon as no unit of work is in flight; at once where none is. */
  whenIdle(): Promise<void> {
    return this.#inFlight === 0 ? Promise.resolve() : new Promise(resolve => this.#idle.push(resolve))
  }

  /** Aborts what still runs. */
  expire(reason: Error): void {
    this.#abort.abort(reason)
  }

  /** True for the first caller, who gives the references back. */
  markReleased(): boolean {
    const isFirst = !this.#isReleased
    this.#isReleased = true
    return isFirst
  }

  /** Resources that do not work as declared, with the reason; `since` is an ISO time. */
  degraded(): { readonly ref: Ref; readonly reason: string; readonly since: string }[] {
    const found = [...this.shut].map(([ref, { reason, since }]) => ({ ref, reason, since }))
    for (const [ref, wrapped] of this.watched) {
      const status = wrapped.status()
      if (!status.ready) found.push({ ref, reason: status.reason, since: new Date(status.since).toISOString() })
    }
    return found
  }
}
