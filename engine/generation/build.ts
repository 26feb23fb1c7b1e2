// Builds generation N+1 beside N: instances it shares are retained, new ones prepared and pinged, views made anew only where
// the change is seen. Nothing that runs is touched; a build that fails closes what it opened.

import { failpoint } from '#failpoint'
import type { Declared, Surroundings } from '../../adapters/port.ts'
import { messageOf } from '../../adapters/redact.ts'
import type { AdapterRow, AdapterTable } from '../../adapters/table.ts'
import { prepareInstance, type Wrapped } from '../../adapters/wrap.ts'
import type { KindName, Ref } from '../../schema/ref.ts'
import { partsOf } from '../../schema/ref.ts'
import type { Secret } from '../../schema/secret.ts'
import type { Route, Router } from '../plane/route.ts'
import { inOrder, reachedFrom, referrersAfter } from './affected.ts'
import { BuiltGeneration, type Intaking, type Parts, type Shut } from './built.ts'
import { filledSpec } from './filled-spec.ts'
import type { Hold, Instances, SharedInstance } from './instances.ts'
import type { Entry, Manifest } from './manifest.ts'
import { PersistentMap } from './persistent-map.ts'
import { type Candidate, preflight } from './preflight.ts'
import { PrepareError, type PrepareFailure } from './prepare-error.ts'
import { orAborted } from './settled.ts'
import { createSlices, type Slices } from './slice.ts'

/** How many instances that take their time are prepared at once. */
const concurrency = 32

export interface BuildRequest {
  readonly number: number
  /** The generation this one is built beside and shares with; null at boot. */
  readonly base: BuiltGeneration | null
  readonly manifest: Manifest
  /** What differs from the base; null: found by comparing. */
  readonly delta: { readonly changed: readonly Ref[]; readonly removed: readonly Ref[] } | null
  /** Of the adapters that run in this process; a resource of any other kind is its own view. */
  readonly table: AdapterTable
  readonly instances: Instances
  readonly surroundings: Surroundings
  /** The empty router to begin with where there is no base. */
  readonly router: Router
  /** What an unreachable connection means that does not say itself. `warn-all`, for booting: also where it says. */
  readonly preflight: 'require' | 'warn' | 'warn-all'
  /** The secrets of an entry by JSON pointer. What it throws keeps that resource closed, and no other. */
  readonly unseal: (entry: Entry) => ReadonlyMap<string, Secret>
  readonly signal?: AbortSignal
}

/** @throws PrepareError with every reason; the base is untouched and what the build opened is closed */
export async function buildGeneration(request: BuildRequest): Promise<BuiltGeneration> {
  const build = new Build(request)
  try {
    return await build.run()
  } catch (error) {
    await build.undo()
    throw error
  }
}

class Build {
  readonly #request: BuildRequest
  readonly #slices: Slices
  readonly #declared = new Map<Ref, Declared>()
  readonly #hold: Hold
  readonly #failures: PrepareFailure[] = []
  #shut: PersistentMap<Ref, Shut>
  #instances: PersistentMap<Ref, SharedInstance>
  #views: PersistentMap<Ref, unknown>

  constructor(request: BuildRequest) {
    const { base, instances, signal } = request
    this.#request = request
    this.#slices = createSlices({ signal })
    // Before anything is waited for: the base may be drained meanwhile.
    this.#hold = instances.hold(base?.hold ?? null)
    this.#shut = PersistentMap.of(base?.shut)
    this.#instances = PersistentMap.of(base?.instances)
    this.#views = PersistentMap.of(base?.views)
  }

  async run(): Promise<BuiltGeneration> {
    const { number, base, manifest, router } = this.#request
    const touched = await this.#touched()
    const referrers = await referrersAfter(base, manifest, { touched, slices: this.#slices })
    const reached = await reachedFrom(touched, referrers, { binds: this.#binds, slices: this.#slices })
    const order = await inOrder(reached, manifest, this.#slices)

    await this.#prepareChanged(touched)
    this.#throwFailures()
    failpoint('stage.services')
    await this.#preflight(touched)
    this.#throwFailures()
    failpoint('stage.connections')
    const { routes, moved } = await this.#makeViews(order, touched)
    this.#throwFailures()
    // The router cuts slices of its own, as the preflight does, each from a fresh turn.
    await this.#slices.rest()

    const built = new BuiltGeneration({
      number,
      manifest,
      router: await (base?.router ?? router).replace(routes.removed, routes.added),
      views: this.#views,
      instances: this.#instances,
      hold: this.#hold,
      watched: await this.#watched(touched),
      intake: await this.#intake(touched.union(moved)),
      refsByKind: await this.#refsByKind(touched),
      referrers,
      shut: this.#shut,
    })
    failpoint('stage.listeners')
    return built
  }

  /** Closes what the build opened; what is still being prepared is closed when it arrives. */
  async undo(): Promise<void> {
    await this.#request.instances.release(this.#hold)
  }

  #throwFailures(): void {
    this.#request.signal?.throwIfAborted()
    if (this.#failures.length > 0) throw new PrepareError(this.#failures)
  }

  /** Changed and removed resources. */
  async #touched(): Promise<ReadonlySet<Ref>> {
    const { base, manifest, delta } = this.#request
    if (!base) return new Set(manifest.entries.keys())
    if (delta) return new Set([...delta.changed, ...delta.removed])
    const touched = new Set<Ref>()
    for (const [ref, entry] of manifest.entries) {
      if (isChanged(base.manifest.entries.get(ref), entry)) touched.add(ref)
      if (this.#slices.isSpent()) await this.#slices.rest()
    }
    for (const ref of base.manifest.entries.keys()) if (!manifest.entries.has(ref)) touched.add(ref)
    return touched
  }

  async #prepareChanged(touched: ReadonlySet<Ref>): Promise<void> {
    const { base, manifest, instances } = this.#request
    const preparing = new Set<Promise<void>>()
    for (const ref of touched) {
      const former = base?.instances.get(ref)
      this.#instances = this.#instances.without(ref)
      this.#shut = this.#shut.without(ref)
      const entry = manifest.entries.get(ref)
      const row = this.#rowOf(ref)
      if (entry && row) {
        const prepared = this.#prepare(entry, row)
        if (prepared) {
          const counted = prepared.then(() => void preparing.delete(counted))
          preparing.add(counted)
        }
        if (preparing.size >= concurrency) await orAborted(Promise.race(preparing), this.#request.signal)
      }
      // After its successor was taken, which may be the same one.
      if (former) instances.drop(this.#hold, former)
      if (this.#slices.isSpent()) await this.#slices.rest()
    }
    await orAborted(Promise.all(preparing), this.#request.signal)
  }

  /** Undefined where a kind runs nothing here. */
  #rowOf(ref: Ref): AdapterRow | undefined {
    return this.#request.table.get(partsOf(ref).kind)
  }

  /** Never rejects. */
  #prepare(entry: Entry, row: AdapterRow): Promise<void> | null {
    const { resource } = entry
    const { instances, surroundings } = this.#request
    const declared = this.#declare(entry)
    if (resource.closed !== null) this.#shutOff(resource.ref, resource.closed)
    if (this.#closedReason(entry) !== null) return null
    const keep = (shared: SharedInstance) => {
      this.#instances = this.#instances.with(resource.ref, shared)
    }
    try {
      const key = keyOf(entry, row)
      const name = row.adapter.shareKey ? key : resource.ref
      const acquired = instances.acquire(this.#hold, key, () => prepareInstance(row.adapter, declared, surroundings, name))
      if (acquired instanceof Promise) return acquired.then(keep, error => this.#fail(resource.ref, error))
      keep(acquired)
    } catch (error) {
      this.#fail(resource.ref, error)
    }
    return null
  }

  #fail(ref: Ref, error: unknown): void {
    this.#failures.push({ ref, reason: `Cannot prepare "${ref}" as ${messageOf(error)}`, retryable: false })
  }

  #declare(entry: Entry): Declared {
    const { resource } = entry
    let declared = this.#declared.get(resource.ref)
    if (declared) return declared
    let secrets: ReadonlyMap<string, Secret> = new Map()
    try {
      secrets = this.#request.unseal(entry)
    } catch (error) {
      this.#shutOff(resource.ref, messageOf(error))
    }
    declared = { resource: secrets.size === 0 ? resource : { ...resource, spec: filledSpec(resource.spec, secrets) }, secrets }
    this.#declared.set(resource.ref, declared)
    return declared
  }

  #shutOff(ref: Ref, reason: string): void {
    this.#shut = this.#shut.with(ref, { reason, since: new Date(this.#request.surroundings.clock.now()).toISOString() })
  }

  #closedReason({ resource }: Entry): string | null {
    return resource.spec.is_active === false ? 'it is switched off: is_active is false' : (this.#shut.get(resource.ref)?.reason ?? null)
  }

  /** Pings what the base does not hold. */
  async #preflight(touched: ReadonlySet<Ref>): Promise<void> {
    const { base, surroundings, signal } = this.#request
    const candidates: Candidate[] = []
    for (const ref of touched) {
      const shared = this.#instances.get(ref)
      if (shared?.wrapped.canPing && base?.instances.get(ref) !== shared)
        candidates.push({ ref, wrapped: shared.wrapped, preflight: this.#preflightOf(ref) })
      if (this.#slices.isSpent()) await this.#slices.rest()
    }
    if (candidates.length === 0) return
    await this.#slices.rest()
    this.#failures.push(...(await preflight(candidates, { clock: surroundings.clock, signal })))
  }

  #preflightOf(ref: Ref): 'require' | 'warn' {
    const { preflight, manifest } = this.#request
    if (preflight === 'warn-all') return 'warn'
    const own = manifest.entries.get(ref)?.resource.spec.preflight
    return own === 'require' || own === 'warn' ? own : preflight
  }

  /** Makes the views that can see the change; stops where a view came out as the same object. */
  async #makeViews(
    order: readonly Ref[],
    touched: ReadonlySet<Ref>,
  ): Promise<{ routes: { removed: Route[]; added: Route[] }; moved: ReadonlySet<Ref> }> {
    const { base, manifest } = this.#request
    const routes: { removed: Route[]; added: Route[] } = { removed: [], added: [] }
    const moved = new Set<Ref>()
    const replace = (ref: Ref, view: unknown) => {
      const former = this.#views.get(ref)
      this.#views = view === undefined ? this.#views.without(ref) : this.#views.with(ref, view)
      if (former === view) return
      moved.add(ref)
      if (this.#rowOf(ref)?.index !== 'routes') return
      if (former !== undefined) routes.removed.push(former as Route) // the row says its views are routes
      if (view !== undefined) routes.added.push(view as Route) // the row says its views are routes
    }
    for (const ref of touched) if (!manifest.entries.has(ref) && base?.views.has(ref)) replace(ref, undefined)
    for (const ref of order) {
      const entry = manifest.entries.get(ref)
      if (entry && (touched.has(ref) || entry.resource.refs.some(referent => moved.has(referent) && this.#binds(ref, referent)))) {
        try {
          replace(ref, this.#viewOf(entry))
        } catch (error) {
          this.#fail(ref, error)
        }
      }
      if (this.#slices.isSpent()) await this.#slices.rest()
    }
    return { routes, moved }
  }

  /** Whether the view of the one holds the view of the other. */
  readonly #binds = (referrer: Ref, referent: Ref): boolean => !this.#rowOf(referrer)?.late?.includes(partsOf(referent).kind)

  /** Most changes are of resources that neither are watched nor take in work. */
  async #watched(touched: ReadonlySet<Ref>): Promise<Parts['watched']> {
    let watched = PersistentMap.of(this.#request.base?.watched)
    for (const ref of touched) {
      const latter = this.#instances.get(ref)?.wrapped
      if (latter && (latter.canPing || latter.hasIntake)) watched = watched.with(ref, latter)
      else if (watched.has(ref)) watched = watched.without(ref)
      if (this.#slices.isSpent()) await this.#slices.rest()
    }
    return watched
  }

  /** @param seen resources that changed, or whose views did */
  async #intake(seen: ReadonlySet<Ref>): Promise<Parts['intake']> {
    const { base } = this.#request
    let intake = PersistentMap.of(base?.intake)
    const joining: [Ref, Wrapped][] = []
    for (const ref of seen) {
      const former = base?.instances.get(ref)?.wrapped
      const latter = this.#instances.get(ref)?.wrapped
      if (former?.hasIntake && former !== latter) intake = without(intake, former, ref)
      if (latter?.hasIntake) joining.push([ref, latter])
      if (this.#slices.isSpent()) await this.#slices.rest()
    }
    // What left its name is out by now: its successor may bear the same.
    for (const [ref, wrapped] of joining) {
      const served = PersistentMap.of(intake.get(wrapped.name)?.served).with(ref, this.#views.get(ref) ?? null)
      if (served !== intake.get(wrapped.name)?.served) intake = intake.with(wrapped.name, { wrapped, served })
      if (this.#slices.isSpent()) await this.#slices.rest()
    }
    return intake
  }

  async #refsByKind(touched: ReadonlySet<Ref>): Promise<ReadonlyMap<KindName, readonly Ref[]>> {
    const { base, manifest } = this.#request
    const renewed = new Map<KindName, Ref[]>()
    for (const ref of touched) {
      if (manifest.entries.has(ref) !== (base?.manifest.entries.has(ref) ?? false)) renewed.set(partsOf(ref).kind, [])
      if (this.#slices.isSpent()) await this.#slices.rest()
    }
    if (base && renewed.size === 0) return base.refsByKind
    for (const { resource } of manifest.entries.values()) {
      renewed.get(resource.kind)?.push(resource.ref)
      if (this.#slices.isSpent()) await this.#slices.rest()
    }
    return new Map([...(base?.refsByKind ?? []), ...renewed])
  }

  /** The resource itself where its kind runs nothing here. */
  #viewOf(entry: Entry): unknown {
    const { resource } = entry
    const row = this.#rowOf(resource.ref)
    if (!row) return resource
    const declared = this.#declare(entry)
    const resolve = (ref: Ref) => this.#views.get(ref)
    const shared = this.#instances.get(resource.ref)
    if (shared) return shared.wrapped.view(declared, resolve)
    const reason = this.#closedReason(entry) ?? 'it was not prepared'
    if (row.adapter.closed) return row.adapter.closed(declared, reason, resolve)
    return row.adapter.ping ? { client: null, status: () => ({ ready: false, reason }) } : { closed: reason }
  }
}

function without(intake: PersistentMap<string, Intaking>, wrapped: Wrapped, ref: Ref): PersistentMap<string, Intaking> {
  const former = intake.get(wrapped.name)
  const served = former?.served.without(ref)
  return served && served.size > 0 ? intake.with(wrapped.name, { wrapped, served }) : intake.without(wrapped.name)
}

function isChanged(before: Entry | undefined, after: Entry): boolean {
  if (before === after) return false
  return before?.resource.effectiveDigest !== after.resource.effectiveDigest || before.resource.closed !== after.resource.closed
}

/** Instances are one where their keys are equal: by the adapter's `shareKey` across resources, else within the resource. */
function keyOf({ resource }: Entry, { kind, adapter }: AdapterRow): string {
  return adapter.shareKey ? `${kind}:${adapter.shareKey(resource)}` : `${resource.ref}:${resource.instanceKey}`
}
