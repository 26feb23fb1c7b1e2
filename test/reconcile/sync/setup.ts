// Everything a pass needs, in memory but the store: a source whose head a test moves, an engine that keeps to the engine's contract
// without workers, and a compilation that reads one JSON file.

import { join } from 'node:path'
import { applied } from '../../../engine/generation/applied.ts'
import type { ApplyOutcome, ApplyRequest, Engine, LiveState } from '../../../engine/generation/engine.ts'
import { emptyManifest, type Manifest, type Settings } from '../../../engine/generation/manifest.ts'
import type { Store } from '../../../engine/store/port.ts'
import { openSqliteStore } from '../../../engine/store/sqlite.ts'
import type { Compiled } from '../../../reconcile/compile/desired.ts'
import type { Source } from '../../../reconcile/source/source.ts'
import type { Tree } from '../../../reconcile/source/tree.ts'
import { uploadTree } from '../../../reconcile/source/upload.ts'
import { compileJudged, type Judge } from '../../../reconcile/sync/policy.ts'
import { createChoke } from '../../../reconcile/sync/propose.ts'
import { createSync } from '../../../reconcile/sync/sync.ts'
import { digestOf } from '../../../schema/digest.ts'
import { issue } from '../../../schema/issue.ts'
import { type Revision, revision } from '../../../schema/ref.ts'
import { temporaryDirectory } from '../../directory.ts'
import { type FakeClock, fakeClock } from '../../fake-clock.ts'
import { type Declared, desiredOf, kinds } from '../plan/estate.ts'

export interface Estate {
  readonly resources?: Readonly<Record<string, Declared>>
  readonly settings?: Partial<Settings>
  readonly ref?: string | null
  /** Makes the compilation fail. */
  readonly broken?: string
  /** What the compilation warns of. */
  readonly warning?: string
}

/** A revision for each number. */
export const sha = (number: number): Revision => revision(number.toString(16).padStart(40, '0'))

export interface MemorySource extends Source {
  push(estate: Estate): Revision
  /** Thrown by `head` while set. */
  failure: Error | null
  readonly calls: { head: number; fetch: number; tree: number }
}

export function memorySource(ref: string | null = 'refs/heads/main'): MemorySource {
  const trees = new Map<Revision, Tree>()
  let head: Revision | undefined
  const calls = { head: 0, fetch: 0, tree: 0 }
  const newest = () => {
    if (source.failure) throw source.failure
    if (head === undefined) throw new Error('nothing was pushed')
    return head
  }
  const source: MemorySource = {
    ref,
    shown: 'memory',
    failure: null,
    calls,
    push(estate) {
      head = sha(trees.size + 1)
      trees.set(head, { ...treeOf(estate), revision: head })
      return head
    },
    async head() {
      calls.head++
      return newest()
    },
    async fetch() {
      calls.fetch++
      return newest()
    },
    async tree(wanted) {
      calls.tree++
      const tree = trees.get(wanted)
      if (tree === undefined) throw new Error('no such revision')
      return tree
    },
  }
  return source
}

export function treeOf(estate: Estate): Tree {
  return uploadTree([{ path: 'environments/dev/estate.json', bytes: Buffer.from(JSON.stringify(estate)) }])
}

export async function compileEstate(tree: Tree): Promise<Compiled> {
  const [bytes] = (await tree.read([...tree.files.keys()])).values()
  const estate = JSON.parse(Buffer.from(bytes ?? []).toString()) as Estate // written by treeOf
  if (estate.broken !== undefined) {
    const at = { path: 'environments/dev/estate.json', line: 1, column: 1 }
    return { desired: null, issues: [issue('YAML_SYNTAX', estate.broken, { at })], explain: () => undefined }
  }
  const { resources = {}, settings = {}, ref, warning } = estate
  const desired = desiredOf(resources, { revision: tree.revision, settings, ...(ref === undefined ? {} : { ref }) })
  const issues = warning === undefined ? [] : [issue('FIELD_NOT_SERVED', warning)]
  return { desired, issues, explain: wanted => (desired.resources.has(wanted) ? [] : undefined) }
}

export interface MemoryEngine extends Engine {
  /** What the next applies answer instead of applying. */
  readonly refusals: ApplyOutcome[]
  readonly requests: ApplyRequest[]
  probationUntil: string | null
}

export function memoryEngine(store: Store, clock: FakeClock): MemoryEngine {
  const manifests = new Map<number, Manifest>([[0, emptyManifest]])
  let serial = 0
  let generation = 0
  const manifest = () => manifests.get(serial) ?? emptyManifest
  const digestIn = (of: Manifest) =>
    digestOf([...of.entries.values()].map(({ resource }) => `${resource.ref} ${resource.effectiveDigest}`).sort())
  const commit = async (
    next: Manifest,
    actor: string,
    reason: string,
    summary: ApplyRequest['summary'],
    to?: number,
  ): Promise<ApplyOutcome> => {
    serial++
    generation = to ?? generation + 1
    manifests.set(serial, next)
    await store.insertHistory({
      serial,
      generation,
      environment: 'dev',
      revision: next.revision,
      digest: digestIn(next),
      manifest: `${serial}`,
      actor,
      reason,
      at: new Date(clock.now()).toISOString(),
      outcome: 'live',
      summary,
    })
    return { kind: 'live', serial, generation, phases: { prepare: 1 } }
  }
  const live = (): LiveState => ({
    serial,
    generation,
    manifest: manifest(),
    digest: digestIn(manifest()),
    probationUntil: engine.probationUntil,
    fallback: null,
  })
  const engine: MemoryEngine = {
    refusals: [],
    requests: [],
    probationUntil: null,
    live,
    async apply(request) {
      engine.requests.push(request)
      const refusal = engine.refusals.shift()
      if (refusal) return refusal
      if (request.baseSerial !== serial) return { kind: 'refused', code: 'STALE', reasons: [`serial ${serial} is live`] }
      return commit(applied(manifest(), request.delta), request.actor, request.reason, request.summary)
    },
    async rollback({ to, actor, reason }) {
      const refusal = engine.refusals.shift()
      if (refusal) return refusal
      const target = manifests.get(Number(to))
      if (target === undefined) return { kind: 'refused', code: 'STALE', reasons: ['unknown'] }
      return commit(target, actor, reason, { create: 0, update: 0, delete: 0 })
    },
    endProbation: async () => false,
    status: () => ({
      live: { serial, generation, revision: manifest().revision, digest: digestIn(manifest()), probationUntil: engine.probationUntil },
      workers: [],
      draining: [],
      degraded: [],
      debuggers: [],
      conditions: [],
      quarantined: [],
      leaks: [],
    }),
    invoke: async ({ service, payload }) =>
      service === 'echo'
        ? { kind: 'answered', payload, elapsedMs: 1, generation }
        : { kind: 'failed', status: 404, problem: { title: 'Not found', code: 'SERVICE_UNKNOWN' }, elapsedMs: 1 },
    ping: async () => ({ ok: true, elapsedMs: 1, reason: null }),
    manifestOf: async wanted => manifests.get(wanted),
  }
  return engine
}

export type Server = Awaited<ReturnType<typeof setUp>>

/** A server of environment `dev` that follows `refs/heads/main`. */
export async function setUp(options: { judge?: Judge; source?: MemorySource | null; inputs?: () => Promise<string> } = {}) {
  const directory = await temporaryDirectory()
  const store = await openSqliteStore(join(directory.path, 'store.db'))
  const clock = fakeClock(Date.parse('2026-01-01T00:00:00Z'))
  const engine = memoryEngine(store, clock)
  const source = options.source === undefined ? memorySource() : options.source
  const judge = options.judge ?? { by: 'live', floors: {} }
  const stop = new AbortController()
  const compile = compileJudged(compileEstate, judge, () => engine.live().manifest.settings)
  const choke = createChoke({
    store,
    live: engine.live,
    kinds,
    judge,
    environment: 'dev',
    ref: source?.ref ?? null,
    seal: plain => `sealed:${Buffer.from(plain).toString('hex')}`,
    clock,
  })
  const inputs = options.inputs ? { inputs: options.inputs } : {}
  const sync = source ? createSync({ source, compile, choke, engine, store, clock, signal: stop.signal, ...inputs }) : null
  return {
    store,
    clock,
    engine,
    source,
    compile,
    choke,
    sync,
    stop,
    events: async () => (await store.readJournal(0, 1000)).map(event => event.type),
    async [Symbol.asyncDispose]() {
      stop.abort()
      await store[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    },
  }
}
