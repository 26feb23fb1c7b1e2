// The swap: prepare on every worker, one durable commit point, one assignment in each worker, probation, drain.
//
// Until `writeCurrent` resolved nothing has happened, and afterwards it goes only forward: a worker that cannot follow is
// replaced, and its successor is built from what is current. Everything that changes what is live runs one after the other.

import { failpoint } from '#failpoint'
import { messageOf } from '../../adapters/redact.ts'
import type { Digest } from '../../schema/digest.ts'
import type { Issue } from '../../schema/issue.ts'
import type { HistoryRow, Store } from '../store/port.ts'
import { applied, deltaBetween } from './applied.ts'
import type { CurrentState } from './current.ts'
import { CurrentError, type StagedCurrent, stageCurrent, writeCurrent } from './current.ts'
import type { ApplyOutcome, ApplyRequest, LiveState, RollbackRequest } from './engine.ts'
import { createFleet, type Preflight } from './fleet.ts'
import type { Delta, Manifest } from './manifest.ts'
import { emptyManifest } from './manifest.ts'
import { type Bases, collectManifests, readManifest, writeManifest } from './manifests.ts'
import { pairsBetween } from './mark.ts'
import { type Announce, createRecorder } from './record.ts'
import { issueLine, refused, whyBusy } from './refusal.ts'
import { type Digested, digestApplied, digestManifest } from './state-digest.ts'
import { type Stopwatch, stopwatch } from './stopwatch.ts'
import { createTurns } from './turns.ts'
import type { WorkerPort, Workers } from './workers.ts'

export interface SwapOptions {
  readonly environment: string
  readonly dataDirectory: string
  readonly workers: Workers
  /** What control itself hosts; it is brought to what is live by its owner at boot. Default: nothing. */
  readonly local?: WorkerPort
  readonly store: Store
  /** What was read at boot; null on the first start. */
  readonly boot: { readonly state: CurrentState; readonly manifest: Manifest } | null
  /** First step of prepare: runs the changed code once in a killable process, installs its libraries. Gives reasons, empty where it may go on. */
  readonly check: (next: Manifest, delta: Delta) => Promise<readonly Issue[]>
  readonly libraries: (lockfile: Digest | null) => string | null
  readonly announce: Announce
  /** What failed probation, for the marks. */
  readonly onBad: (pairs: ApplyRequest['pairs'], reason: string) => Promise<void>
  readonly now: () => number
  /** Ends the control process: it cannot know any more what is live. */
  readonly fail: (error: Error) => never
}

export interface Swap extends AsyncDisposable {
  live(): LiveState
  apply(request: ApplyRequest): Promise<ApplyOutcome>
  rollback(request: RollbackRequest): Promise<ApplyOutcome>
  endProbation(): Promise<boolean>
  /** Back to the fallback, the change set marked. Does nothing where that generation is not on probation. Never rejects. */
  failProbation(generation: number, reason: string): Promise<void>
  manifestOf(serial: number): Promise<Manifest | undefined>
  /** Brings a worker that came new, or back, to what is live. */
  bringUp(worker: WorkerPort): Promise<void>
  /** Somebody waits for a worker that stands at a breakpoint, as no other serves. */
  waitsForDebugger(): boolean
  /** Serial at which the live generation was activated and until when it is on probation. */
  probation(): { readonly generation: number; readonly pairs: ApplyRequest['pairs'] } | null
}

interface Live extends CurrentState {
  readonly contents: Manifest
  readonly digested: Digested
}

interface Build extends Omit<ApplyRequest, 'baseSerial' | 'delta' | 'preflight'> {
  readonly preflight: Preflight
  /** The serial that this is a way back from. */
  readonly undoes?: number
}

interface Next {
  readonly generation: number
  readonly contents: Manifest
  /** From what is live. */
  readonly delta: Delta
  readonly request: Build
  /** Its file, durable. */
  readonly manifest: string
}

/** What is written and not yet live. */
interface Staged {
  readonly state: CurrentState
  readonly digested: Digested
  readonly probationMs: number
  /** In milliseconds of the clock. */
  readonly at: number
  readonly file: StagedCurrent
  again(): Promise<Staged>
}

interface Fallback {
  readonly serial: number
  readonly generation: number
  readonly manifest: string
  readonly contents: Manifest
  readonly digested: Digested
}

/** Manifests of so many serials stay on disk for rollbacks. */
const keptManifests = 20
/** The end of a probation that the disk refused is tried again so much later. */
const retryMs = 1_000
const longestProbationMs = 24 * 3600 * 1000
const crashesInProbation = 2
/** Until workers that do not hold the fallback have built it. */
const rebuildWaitMs = 10_000
const emptyDigested = digestManifest(emptyManifest)
/** What was staged so long ago is written anew: it tells when it became live, and how long its probation lasts. */
const freshMs = 1_000

export async function createSwap(options: SwapOptions): Promise<Swap> {
  const { dataDirectory, workers, store, announce, now } = options
  const turns = createTurns()
  let live: Live | null = options.boot && {
    ...options.boot.state,
    contents: options.boot.manifest,
    digested: digestManifest(options.boot.manifest),
  }
  let fallback: Fallback | null = null
  let onTrial: ApplyRequest['pairs'] = []
  let probationTimer: NodeJS.Timeout | undefined
  // What a damaged disk lost may still be in the history: neither numbers nor serials are ever used twice.
  const [newest] = await store.listHistory(1)
  let lastGeneration = Math.max(live?.generation ?? 0, newest?.generation ?? 0)
  let lastSerial = Math.max(live?.serial ?? 0, newest?.serial ?? 0)
  const recorder = createRecorder(options)
  const bases: Bases = new Map()
  const fleet = createFleet({
    workers,
    ...(options.local ? { local: options.local } : {}),
    libraries: options.libraries,
    live: () => live,
    fallback: () => fallback,
    isStopping: () => stopping,
  })
  let stopping = false

  if (live) await resume(live)

  return {
    live: liveState,
    apply: request => turns.take(() => apply(request)),
    rollback: request => turns.take(() => rollback(request)),
    endProbation: () => turns.take(passProbation),
    failProbation: (generation, reason) =>
      turns
        // By its turn another one may be on probation.
        .take(async () => void (live?.generation === generation && (await swapBack(reason, 'plumb', 'failed-probation'))))
        // Its workers go on reporting: it is tried again.
        .catch(error => announce('store.failed', { reason: messageOf(error) })),
    manifestOf,
    bringUp: fleet.bringUp,
    waitsForDebugger: fleet.waitsForDebugger,
    probation: () => (live?.probationUntil ? { generation: live.generation, pairs: onTrial } : null),
    async [Symbol.asyncDispose]() {
      stopping = true
      clearTimeout(probationTimer)
      await turns.take(endInOrder)
    },
  }

  function liveState(): LiveState {
    return {
      serial: live?.serial ?? 0,
      generation: live?.generation ?? 0,
      manifest: live?.contents ?? emptyManifest,
      digest: (live?.digested ?? emptyDigested).digest,
      probationUntil: live?.probationUntil ?? null,
      fallback: live?.probationUntil && fallback ? { serial: fallback.serial, generation: fallback.generation } : null,
    }
  }

  async function apply(request: ApplyRequest): Promise<ApplyOutcome> {
    if (stopping) return refused('STOPPING', ['The server is stopping'])
    if (request.baseSerial !== (live?.serial ?? 0))
      return refused('STALE', [
        `Cannot apply as the plan was made against serial ${request.baseSerial}: serial ${live?.serial ?? 0} is live; plan again`,
      ])
    const busy = whyBusy(live, workers)
    if (busy) return refused('BUSY', [busy])
    const contents = applied(live?.contents ?? emptyManifest, request.delta)
    return await build(contents, request.delta, request)
  }

  /** Prepare, commit point, activate. `delta` leads from what is live to `contents`. */
  async function build(contents: Manifest, delta: Delta, request: Build): Promise<ApplyOutcome> {
    const watch = stopwatch()
    const generation = lastGeneration + 1
    lastGeneration = generation
    // Written while code is checked and workers build. Nothing names what comes to nothing: it is collected later.
    const writing = writeManifest(dataDirectory, contents, live ? { base: { name: live.manifest }, delta } : null)
    let staging: Promise<Staged> | null = null
    writing.catch(() => undefined) // whoever waits for it is told
    try {
      const issues = await options.check(contents, delta)
      watch.lap('check')
      if (issues.length > 0) return { ...refused('PREPARE_FAILED', issues.map(issueLine)), issues }
      staging = writing.then(manifest => stage({ generation, contents, delta, request, manifest }))
      staging.catch(() => undefined) // as above
      const prepared = await fleet.prepare({ generation, contents, delta, preflight: request.preflight, manifest: writing })
      watch.lap('prepare')
      if (prepared.kind === 'ready') return await goLive(prepared.ready, staging, { generation, contents, request, watch })
      await staging.then(({ file }) => file.discard()).catch(() => undefined) // the next one is written over it
      return refused('PREPARE_FAILED', prepared.reasons)
    } finally {
      // What is written next is written to the same places.
      await Promise.allSettled([writing, staging])
    }
  }

  /** Writes the state that a commit then makes live, beside what is live. */
  async function stage(next: Next): Promise<Staged> {
    const { generation, contents, delta, request, manifest } = next
    const previous = live
    const serial = lastSerial + 1
    const probationMs = previous ? Math.min(request.probationMs, longestProbationMs) : 0
    const digested = previous ? digestApplied(previous.digested, [previous.contents, contents], delta) : digestManifest(contents)
    const outcome = probationMs > 0 ? 'probation' : 'live'
    const state: CurrentState = {
      serial,
      generation,
      manifest,
      fallback: previous && { serial: previous.serial, generation: previous.generation, manifest: previous.manifest },
      probationUntil: probationMs > 0 ? new Date(now() + probationMs).toISOString() : null,
      crashes: 0,
      ...(request.undoes === undefined ? {} : { undone: { serial: request.undoes, outcome: 'rolled-back' as const } }),
      history: recorder.row({ serial, generation, contents, digest: digested.digest, manifest, request, outcome }),
    }
    return { state, digested, probationMs, at: now(), file: await stageCurrent(dataDirectory, state), again: () => stage(next) }
  }

  async function goLive(
    ready: readonly WorkerPort[],
    staging: Promise<Staged>,
    { generation, contents, request, watch }: Pick<Next, 'generation' | 'contents' | 'request'> & { readonly watch: Stopwatch },
  ): Promise<ApplyOutcome> {
    const previous = live
    failpoint('swap.before')
    const { state, digested, probationMs } = await commitStaged(staging).catch(async error => {
      await fleet.abort(ready, generation)
      throw new Error(
        `Cannot commit generation ${generation} as "current" cannot be written: ${messageOf(error)}; generation ${previous?.generation ?? 0} stays live`,
        { cause: error },
      )
    })
    const { serial } = state
    // The commit point is passed: from here only forward.
    live = { ...state, contents, digested }
    lastSerial = serial
    onTrial = request.pairs
    fallback = previous && {
      serial: previous.serial,
      generation: previous.generation,
      manifest: previous.manifest,
      contents: previous.contents,
      digested: previous.digested,
    }
    failpoint('swap.after')
    watch.lap('commit')
    await fleet.activate(ready, generation, probationMs > 0)
    watch.lap('activate')
    if (probationMs > 0) startProbation(probationMs)
    else fallback = null
    await recorder.committed(state)
    await collect()
    watch.lap('record')
    return { kind: 'live', serial, generation, phases: watch.laps }
  }

  async function commitStaged(staging: Promise<Staged>): Promise<Staged> {
    let staged = await staging
    if (now() - staged.at > freshMs) staged = await staged.again()
    await commit(staged.file)
    return staged
  }

  /** @throws CurrentError where the disk holds what it held before */
  async function commit(state: CurrentState | StagedCurrent): Promise<void> {
    try {
      await ('commit' in state ? state.commit() : writeCurrent(dataDirectory, state))
    } catch (error) {
      // Where the disk does not tell what it holds, only a restart that reads it can.
      if (error instanceof CurrentError && error.committed === 'unknown') return options.fail(error)
      throw error
    }
  }

  function startProbation(ms: number): void {
    clearTimeout(probationTimer)
    probationTimer = setTimeout(() => {
      turns.take(passProbation).catch(error => {
        announce('store.failed', { reason: messageOf(error) })
        startProbation(retryMs)
      })
    }, ms)
  }

  async function passProbation(): Promise<boolean> {
    if (!live?.probationUntil) return false
    const state = stateOf(live)
    const passed: CurrentState = { ...state, probationUntil: null, crashes: 0, history: { ...state.history, outcome: 'live' } }
    await commit(passed)
    clearTimeout(probationTimer)
    live = { ...live, ...passed }
    const old = fallback
    fallback = null
    if (old) await fleet.drain(old.generation)
    await recorder.passed(passed)
    return true
  }

  async function swapBack(reason: string, actor: string, outcome: 'rolled-back' | 'failed-probation'): Promise<ApplyOutcome> {
    if (!live?.probationUntil || !fallback) return refused('BUSY', ['Cannot swap back as no generation is on probation'])
    const watch = stopwatch()
    const failed = live
    const back = fallback
    // Marked before it is undone: a crash in between must not leave a way back that the next pass goes forward again. Who asks for a
    // rollback marks it.
    if (outcome === 'failed-probation')
      await options.onBad(onTrial, reason).catch(error => announce('store.failed', { reason: messageOf(error) }))
    watch.lap('mark')
    const serial = lastSerial + 1
    const history = recorder.row({
      serial,
      generation: back.generation,
      contents: back.contents,
      digest: back.digested.digest,
      manifest: back.manifest,
      request: { actor, reason, summary: invert(failed.history.summary) },
      outcome: 'live',
    })
    const state: CurrentState = {
      serial,
      generation: back.generation,
      manifest: back.manifest,
      fallback: null,
      probationUntil: null,
      crashes: 0,
      undone: { serial: failed.serial, outcome },
      history,
    }
    failpoint('swapback.before')
    await commit(state)
    watch.lap('commit')
    clearTimeout(probationTimer)
    live = { ...state, contents: back.contents, digested: back.digested }
    lastSerial = serial
    fallback = null
    await fleet.activate(fleet.holding(back), back.generation, false)
    // Workers of a server that started anew have nothing to go back to: they build it, and who asked is answered when they have.
    await workers.until(list => !list.some(worker => worker.live === failed.generation && !worker.isPaused), rebuildWaitMs)
    watch.lap('activate')
    await recorder.committed(state)
    if (outcome === 'failed-probation')
      announce('probation.failed', {
        serial,
        generation: back.generation,
        failed: failed.generation,
        reason,
        actor,
      })
    return { kind: 'live', serial, generation: back.generation, phases: watch.laps }
  }

  async function rollback({ to, actor, reason }: RollbackRequest): Promise<ApplyOutcome> {
    const warm = live?.probationUntil ? fallback : null
    if (warm && (to === 'fallback' || to === warm.serial)) return await swapBack(reason, actor, 'rolled-back')
    const serial = to === 'fallback' ? live?.fallback?.serial : to
    const row = serial === undefined ? undefined : await store.getHistory(serial)
    if (!live || !row)
      return refused('PREPARE_FAILED', [
        `Cannot roll back as the history has no serial ${serial ?? 'before the live one'}; see plumb history`,
      ])
    const contents = await readManifest(dataDirectory, row.manifest).catch(() => undefined)
    if (!contents)
      return refused('PREPARE_FAILED', [
        `Cannot roll back to serial ${row.serial} as its manifest is no longer on disk: the last ${keptManifests} are kept; revert the commit instead`,
      ])
    const busy = whyBusy(live, workers)
    if (busy) return refused('BUSY', [busy])
    const delta = deltaBetween(live.contents, contents)
    // A way back is not refused for a far end that is away, and needs no second trial.
    return await build(contents, delta, {
      actor,
      reason,
      summary: invert(live.history.summary),
      pairs: [],
      preflight: 'warn-all',
      probationMs: 0,
      undoes: live.serial,
    })
  }

  async function resume(booted: Live): Promise<void> {
    await recorder.resumed(booted)
    if (!booted.probationUntil) return
    const back = booted.fallback && (await readManifest(dataDirectory, booted.fallback.manifest).catch(() => undefined))
    if (booted.fallback && back) fallback = { ...booted.fallback, contents: back, digested: digestManifest(back) }
    onTrial = back ? pairsBetween(back, booted.contents) : []
    const crashes = booted.crashes + (booted.endedInOrder ? 0 : 1)
    const leftMs = Date.parse(booted.probationUntil) - now()
    const { endedInOrder: _ended, ...state } = stateOf(booted)
    live = { ...state, contents: booted.contents, digested: booted.digested, crashes }
    try {
      if (crashes >= crashesInProbation && fallback)
        await swapBack(`The server crashed ${crashes} times in probation`, 'plumb', 'failed-probation')
      else if (leftMs <= 0) await passProbation()
      else await commit({ ...state, crashes })
    } catch (error) {
      // A disk that takes nothing must not keep what was good from being served.
      announce('store.failed', { reason: messageOf(error) })
    }
    if (live.probationUntil) startProbation(Math.max(leftMs, retryMs))
  }

  /** A stop in probation is no crash of it. */
  async function endInOrder(): Promise<void> {
    if (!live?.probationUntil) return
    await commit({ ...stateOf(live), endedInOrder: true }).catch(error => announce('store.failed', { reason: messageOf(error) }))
  }

  /** Removes the manifests that no rollback reaches any more. */
  async function collect(): Promise<void> {
    try {
      const rows = await store.listHistory(keptManifests)
      const named = live ? [live.manifest, ...(live.fallback ? [live.fallback.manifest] : [])] : []
      await collectManifests(dataDirectory, [...rows.map(row => row.manifest), ...named], bases)
    } catch (error) {
      announce('store.failed', { reason: messageOf(error) })
    }
  }

  async function manifestOf(serial: number): Promise<Manifest | undefined> {
    if (serial === live?.serial) return live.contents
    const row = await store.getHistory(serial)
    return row && (await readManifest(dataDirectory, row.manifest).catch(() => undefined))
  }
}

function stateOf({ contents: _contents, digested: _digested, ...state }: Live): CurrentState {
  return state
}

function invert(summary: HistoryRow['summary']): HistoryRow['summary'] {
  return { create: summary.delete, update: summary.update, delete: summary.create }
}
