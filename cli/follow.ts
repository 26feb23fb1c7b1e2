// What turns the revisions of a source into what is live: choke point, sync, loop, and the operations of the admin API.

import type { Clock, Log } from '../adapters/port.ts'
import type { DeployOperations } from '../engine/admin/deploys.ts'
import type { Operations } from '../engine/admin/port.ts'
import type { Condition, Engine } from '../engine/generation/engine.ts'
import type { Manifest } from '../engine/generation/manifest.ts'
import type { MetricSource } from '../engine/metrics/family.ts'
import type { Store } from '../engine/store/port.ts'
import type { Tree } from '../reconcile/source/tree.ts'
import { createDeploys } from '../reconcile/sync/deploys.ts'
import { createLoop, type Loop } from '../reconcile/sync/loop.ts'
import { createOperations } from '../reconcile/sync/operations.ts'
import { createPassMetrics } from '../reconcile/sync/pass-metrics.ts'
import { compileJudged, type Judge } from '../reconcile/sync/policy.ts'
import { createChoke } from '../reconcile/sync/propose.ts'
import { pruneDaily } from '../reconcile/sync/retention.ts'
import { createSync } from '../reconcile/sync/sync.ts'
import { SealKey } from '../schema/seal.ts'
import type { Vocabulary } from '../schema/vocabulary.ts'
import type { Compilation } from './compilation.ts'
import { openGround } from './ground.ts'
import type { ControlConfig } from './serve-options.ts'
import { openSource } from './source.ts'
import { typesOf } from './types-of.ts'

export interface FollowOptions {
  readonly config: ControlConfig
  readonly vocabulary: Vocabulary
  readonly sealKey: SealKey | null
  readonly store: Store
  readonly engine: Engine
  /** Of the server's own parts. */
  readonly conditions: () => readonly Condition[]
  readonly compilation: Compilation
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly log: Log
}

export interface Following {
  readonly operations: Operations
  readonly deploys: DeployOperations
  readonly metrics: MetricSource
  conditions(): readonly Condition[]
  /** Begins with a pass at once. */
  start(): void
  close(): Promise<void>
}

export function followSource(options: FollowOptions): Following {
  const { config, vocabulary, sealKey, store, engine, conditions, compilation, clock, signal, log } = options
  const { environment, floors, command } = config
  const followed = openSource(config)
  const typesIn = ({ entries }: Manifest) =>
    typesOf(
      entries.values().map(({ resource }) => resource),
      vocabulary,
    )
  const isDev = command === 'dev'
  // Without a key nothing could open it again: sealed under a key that is thrown away, the resource stays closed until there is one.
  const sealing = sealKey ?? new SealKey(crypto.getRandomValues(new Uint8Array(32)))
  const judge: Judge = { by: isDev ? 'own' : 'live', floors }
  const choke = createChoke({
    store,
    live: engine.live,
    kinds: vocabulary.kinds,
    judge,
    environment,
    ref: followed.source.ref,
    seal: (plain, context) => sealing.seal(plain, context),
    clock,
  })
  const judged = compileJudged(compilation.compile, judge, () => engine.live().manifest.settings)
  const { inputs, warm } = compilation
  const { source, compile, ground, deployed } = openGround({ followed, compile: judged, inputs, store, engine, clock })
  const metrics = createPassMetrics()
  const sync = createSync({
    source,
    compile,
    warm,
    choke,
    engine,
    store,
    clock,
    inputs,
    signal,
    onPass: outcome => metrics.count(outcome, clock.now()),
  })
  const operations = createOperations({
    environment,
    engine,
    store,
    clock,
    choke,
    compile,
    source,
    sync,
    conditions,
    deployed,
    renderTypes: async (live: Manifest) => typesIn(live),
    checkTypes: (tree: Tree) =>
      compilation.checkTypes(tree, {
        environmentTypes: typesIn(engine.live().manifest),
        librariesFolder: config.source.kind === 'worktree' ? config.source.root : null,
      }),
  })
  const deploys = createDeploys({ ground, store, sync, engine, clock })
  let loop: Promise<Loop> | null = null
  let unwatch: (() => void) | null = null
  let pruning: Promise<void> | null = null

  return {
    operations,
    deploys,
    metrics,
    conditions: sync.conditions,
    start() {
      const schedule = () => (isDev ? 'never' : (engine.live().manifest.settings?.schedule ?? null))
      // A deploy that a crash cut off is whole before anything reads its files.
      loop = deploys.restore().then(() => createLoop({ sync, clock, random: Math.random, schedule, signal }))
      void deploys.settle()
      pruning = pruneDaily({ store, clock, log, tellsHead: !isDev, signal })
      unwatch = followed.watch?.(() => void loop?.then(each => each.poke({ actor: 'save' }))) ?? null
      log.info({ source: source.shown, ref: source.ref }, isDev ? 'Watching the working tree' : 'Following the repository')
    },
    async close() {
      unwatch?.()
      await (await loop)?.done
      await pruning
      await followed[Symbol.asyncDispose]()
    },
  }
}
