// The port every protocol implements: one file per protocol, one table, one wrapper with the manners they share.
//
// Life of an instance:  prepare → start ⇄ stop → drain → close, and ping while it lives.
// An *instance* (a pool, a listener, a consumer) is shared by the generations that agree on its key; a *view* is what one
// generation sees of it: the in-place fields and the views it refers to. Views are never written into the instance.

import type { Ref } from '../schema/ref.ts'
import type { Resource } from '../schema/resource.ts'
import type { Secret } from '../schema/secret.ts'

export interface Traits {
  /**
   * overlap: the new instance starts before the old one stops (pools, routes).
   * stopThenStart: the old one stops and drains first, as the two may never take in work together (exclusive consumers).
   */
  readonly handover: 'overlap' | 'stopThenStart'
  /**
   * worker: one in each worker. server, cluster: exactly one, in the worker that holds its lease.
   */
  readonly scope: 'worker' | 'server' | 'cluster'
  /** control: runs in the control process; only for an adapter that runs no user code. */
  readonly host: 'worker' | 'control'
}

export const defaultTraits: Traits = { handover: 'overlap', scope: 'worker', host: 'worker' }

/** What an adapter is given to build an instance from. */
export interface Declared {
  /** Its spec holds values, those of secrets too: a secret may stand in any text. */
  readonly resource: Resource
  /** Secret leaves by JSON pointer into `resource.spec`, whole values after templating. */
  readonly secrets: ReadonlyMap<string, Secret>
}

export interface Clock {
  now(): number
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The right to be the one instance of its scope that takes in work. */
export interface HeldLease {
  readonly name: string
  /** Rises with every change of holder: what is written elsewhere carries it, so that a former holder can be told from the present one. */
  readonly term: number
}

/** What an instance may use of its surroundings. */
export interface Surroundings {
  readonly clock: Clock
  /** How many workers share one server's pools and caps; an instance takes its part. */
  readonly workers: number
  readonly log: Log
  /** A number from 0 up to 1, for jitter; `Math.random` where absent. */
  readonly random?: () => number
}

export interface Log {
  info(fields: Record<string, unknown>, message: string): void
  warn(fields: Record<string, unknown>, message: string): void
  error(fields: Record<string, unknown>, message: string): void
}

/** Finds what the same generation sees of another resource; undefined where no such resource is. */
export type Resolve = (ref: Ref) => unknown

/** What a generation sees of an adapter that has `ping`. */
export interface Connection<Client = unknown> {
  /** Null only where the resource is closed; `status` says why. */
  readonly client: Client | null
  /** Whether calls have a chance; `reason` completes "Cannot use … as". Costs nothing, asks nobody. */
  status(): { readonly ready: true; readonly reason: null } | { readonly ready: false; readonly reason: string }
}

export interface Adapter<Instance = unknown, View = Instance> {
  readonly traits?: Partial<Traits>
  /**
   * Instances with equal keys are one; `resource.instanceKey` where absent. Where resources share an instance, its lease and its
   * handover are those of the key.
   */
  shareKey?(resource: Resource): string
  /** Builds an instance. Opens nothing that takes in work; may create lazily connecting clients. Throws only for what can never work. */
  prepare(declared: Declared, surroundings: Surroundings): Promise<Instance> | Instance
  /**
   * What one generation sees; the instance itself where absent. Called anew when the resource or one it refers to changed.
   * Of an adapter that has `ping`, generations see a `Connection` whose client this is.
   */
  view?(instance: Instance, declared: Declared, resolve: Resolve): View
  /**
   * What one generation sees of a closed resource, for which nothing is prepared.
   * Absent: a `Connection` without client where the adapter has `ping`, else `{ closed: reason }`.
   */
  closed?(declared: Declared, reason: string, resolve: Resolve): unknown
  /**
   * Checks the far end. Throws an error whose message completes "Cannot prepare … as": it names host, port, user and the
   * server's code, never a secret. Absent: nothing to check, always ready.
   */
  ping?(instance: Instance, signal: AbortSignal): Promise<void>
  /**
   * Which resources the instance serves from now on, each with the view of the live generation: of an adapter that has `start`, whose
   * instances many resources share. Told before `start`, and again whenever a resource came, went or has another view; going back is told
   * the same way. The map is never written into, and shares with the one before all they have in common. Throws nothing.
   */
  serve?(instance: Instance, views: ReadonlyMap<Ref, View>): void
  /** Begins intake. `lease` is null where the scope needs none. */
  start?(instance: Instance, lease: HeldLease | null): Promise<void> | void
  /** Ends intake; work taken goes on. */
  stop?(instance: Instance): Promise<void> | void
  /** Resolves when the work taken has ended, or at the deadline. */
  drain?(instance: Instance, deadlineMs: number): Promise<void>
  close(instance: Instance): Promise<void> | void
}
