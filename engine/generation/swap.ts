// The swap: prepare on every worker, one durable commit point, one assignment in each worker, probation, drain.
//
// Until `writeCurrent` resolved nothing has happened, and afterwards it goes only forward: a worker that cannot follow is
// replaced, and its successor is built from what is current. Everything that changes what is live runs one after the other.

import { failpoint } from '#failpoint'
import { messageOf } from '../../adapters/redact.ts'
import type { Digest } from '../../schema/digest.ts'
import { digestOf } from '../../schema/digest.ts'
import type { HistoryRow, Outcome, Store } from '../store/port.ts'
import { applied, deltaBetween } from './applied.ts'
import type { CurrentState } from './current.ts'
import { CurrentError, writeCurrent } from './current.ts'
import type { ApplyOutcome, ApplyRequest, LiveState, Phases, RollbackRequest } from './engine.ts'
import { createFleet, type Preflight } from './fleet.ts'
import type { Delta, Manifest } from './manifest.ts'
import { emptyManifest } from './manifest.ts'
import { collectManifests, readManifest, writeManifest } from './manifests.ts'
import { pairsBetween } from './mark.ts'
import { createTurns } from './turns.ts'
import type { WorkerPort, Workers } from './workers.ts'

export interface SwapOptions {
  readonly environment: string
  readonly dataDirectory: string
  readonly workers: Workers
  readonly store: Store
  /** What was read at boot; null on the first start. */
  readonly boot: { readonly state: CurrentState; readonly manifest: Manifest } | null
  /** First step of prepare: runs the changed code once in a killable process, installs its libraries. Gives reasons, empty where it may go on. */
  readonly check: (next: Manifest, delta: Delta) => Promise<readonly string[]>
  readonly libraries: (lockfile: Digest | null) => string | null
  readonly announce: (type: string, body: Readonly<Record<string, string | number | boolean | null>>) => void
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
  /** Back to the fallback, the change set marked. Does nothing outside probation. */
  failProbation(reason: string): Promise<void>
  manifestOf(serial: number): Promise<Manifest | undefined>
  /** Brings a worker that came new, or back, to what is live. */
  bringUp(worker: WorkerPort): Promise<void>
  /** Serial at which the live generation was activated and until when it is on probation. */
  probation(): { readonly generation: number; readonly pairs: ApplyRequest['pairs'] } | null
}

interface Live extends CurrentState {
  readonly contents: Manifest
  readonly digest: string
}

interface Build extends Omit<ApplyRequest, 'baseSerial' | 'delta' | 'preflight'> {
  readonly preflight: Preflight
}

interface Fallback {
  readonly serial: number
  readonly generation: number
  readonly manifest: string
  readonly contents: Manifest
}

const maxDraining = 4
/** Manifests of so many serials stay on disk for rollbacks. */
const keptManifests = 20
/** The end of a probation that the disk refused is tried again so much later. */
const retryMs = 1_000
const longestProbationMs = 24 * 3600 * 1000
const crashesInProbation = 2

export async function createSwap(options: SwapOptions): Promise<Swap> {
  const { dataDirectory, workers, store, announce, now } = options
  const turns = createTurns()
  let live: Live | null = options.boot && {
    ...options.boot.state,
    contents: options.boot.manifest,
    digest: manifestDigest(options.boot.manifest),
  }
  let fallback: Fallback | null = null
  let onTrial: ApplyRequest['pairs'] = []
  let probationTimer: NodeJS.Timeout | undefined
  // What a damaged disk lost may still be in the history: neither numbers nor serials are ever used twice.
  const [newest] = await store.listHistory(1)
  let lastGeneration = Math.max(live?.generation ?? 0, newest?.generation ?? 0)
  let lastSerial = Math.max(live?.serial ?? 0, newest?.serial ?? 0)
  const fleet = createFleet({
    workers,
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
    failProbation: reason =>
      turns
        .take(() => swapBack(reason, 'plumb', 'failed-probation'))
        // Its workers go on reporting: it is tried again.
        .then(
          () => undefined,
          error => announce('store.failed', { reason: messageOf(error) }),
        ),
    manifestOf,
    bringUp: fleet.bringUp,
    probation: () => (live?.probationUntil ? { generation: live.generation, pairs: onTrial } : null),
    async [Symbol.asyncDispose]() {
      stopping = true
      clearTimeout(probationTimer)
      await turns.take(async () => undefined)
    },
  }

  function liveState(): LiveState {
    return {
      serial: live?.serial ?? 0,
      generation: live?.generation ?? 0,
      manifest: live?.contents ?? emptyManifest,
      digest: live?.digest ?? manifestDigest(emptyManifest),
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
    const busy = whyBusy()
    if (busy) return refused('BUSY', [busy])
    const contents = applied(live?.contents ?? emptyManifest, request.delta)
    return await build(contents, request.delta, request)
  }

  /** Prepare, commit point, activate. `delta` leads from what is live to `contents`. */
  async function build(contents: Manifest, delta: Delta, request: Build): Promise<ApplyOutcome> {
    const watch = stopwatch()
    const generation = lastGeneration + 1
    lastGeneration = generation
    const reasons = await options.check(contents, delta)
    watch.lap('check')
    if (reasons.length > 0) return refused('PREPARE_FAILED', reasons)

    const writing = writeManifest(dataDirectory, contents, live ? { base: { name: live.manifest }, delta } : null)
    const prepared = await fleet.prepare({ generation, contents, delta, preflight: request.preflight, manifest: writing })
    watch.lap('prepare')
    if (prepared.kind === 'refused') {
      await writing.catch(() => undefined) // The refusal is told; an unnamed manifest is collected later.
      return refused('PREPARE_FAILED', prepared.reasons)
    }
    const previous = live
    const serial = lastSerial + 1
    const probationMs = previous ? Math.min(request.probationMs, longestProbationMs) : 0
    const manifest = await writing
    const history = historyRow({ serial, generation, contents, manifest, request, outcome: probationMs > 0 ? 'probation' : 'live' })
    const state: CurrentState = {
      serial,
      generation,
      manifest,
      fallback: previous && { serial: previous.serial, generation: previous.generation, manifest: previous.manifest },
      probationUntil: probationMs > 0 ? new Date(now() + probationMs).toISOString() : null,
      crashes: 0,
      history,
    }
    failpoint('swap.before')
    try {
      await writeCurrent(dataDirectory, state)
    } catch (error) {
      // Where the disk does not tell what it holds, only a restart that reads it can.
      if (error instanceof CurrentError && error.committed === 'unknown') return options.fail(error)
      await fleet.abort(prepared.ready, generation)
      throw new Error(
        `Cannot commit generation ${generation} as "current" cannot be written: ${messageOf(error)}; generation ${previous?.generation ?? 0} stays live`,
        { cause: error },
      )
    }
    // The commit point is passed: from here only forward.
    live = { ...state, contents, digest: history.digest }
    lastSerial = serial
    onTrial = request.pairs
    fallback = previous && {
      serial: previous.serial,
      generation: previous.generation,
      manifest: previous.manifest,
      contents: previous.contents,
    }
    failpoint('swap.after')
    watch.lap('commit')
    await fleet.activate(prepared.ready, generation, probationMs > 0)
    watch.lap('activate')
    if (probationMs > 0) startProbation(probationMs)
    else fallback = null
    await record(history, previous)
    watch.lap('record')
    return { kind: 'live', serial, generation, phases: watch.laps }
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
    clearTimeout(probationTimer)
    const { contents: _contents, digest: _digest, ...state } = live
    const passed: CurrentState = { ...state, probationUntil: null, crashes: 0, history: { ...state.history, outcome: 'live' } }
    await writeCurrent(dataDirectory, passed)
    live = { ...live, ...passed }
    const old = fallback
    fallback = null
    await store.setOutcome(live.serial, 'live')
    announce('probation.passed', { serial: live.serial, generation: live.generation })
    if (old) await fleet.drain(old.generation)
    return true
  }

  async function swapBack(reason: string, actor: string, outcome: Outcome): Promise<ApplyOutcome> {
    if (!live?.probationUntil || !fallback) return refused('BUSY', ['Cannot swap back as no generation is on probation'])
    const watch = stopwatch()
    clearTimeout(probationTimer)
    const failed = live
    const back = fallback
    const serial = lastSerial + 1
    const request = { actor, reason, summary: invert(failed.history.summary) }
    const history = historyRow({
      serial,
      generation: back.generation,
      contents: back.contents,
      manifest: back.manifest,
      request,
      outcome: 'live',
    })
    const state: CurrentState = {
      serial,
      generation: back.generation,
      manifest: back.manifest,
      fallback: null,
      probationUntil: null,
      crashes: 0,
      history,
    }
    failpoint('swapback.before')
    await writeCurrent(dataDirectory, state)
    watch.lap('commit')
    live = { ...state, contents: back.contents, digest: history.digest }
    lastSerial = serial
    fallback = null
    await fleet.activate(
      workers.list().filter(worker => worker.holds(back)),
      back.generation,
      false,
    )
    watch.lap('activate')
    // A rollback is marked by who asked for it.
    if (outcome === 'failed-probation') await options.onBad(onTrial, reason)
    await store.setOutcome(failed.serial, outcome)
    await record(history, null)
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
    const busy = whyBusy()
    if (busy) return refused('BUSY', [busy])
    const undone = live.serial
    const delta = deltaBetween(live.contents, contents)
    // A way back is not refused for a far end that is away, and needs no second trial.
    const outcome = await build(contents, delta, {
      actor,
      reason,
      summary: invert(live.history.summary),
      pairs: [],
      preflight: 'warn-all',
      probationMs: 0,
    })
    if (outcome.kind !== 'live') return outcome
    await store.setOutcome(undone, 'rolled-back')
    return outcome
  }

  async function resume(booted: Live): Promise<void> {
    await store.insertHistory(booted.history)
    if (!booted.probationUntil) return
    const left = Date.parse(booted.probationUntil) - now()
    const back = booted.fallback && (await readManifest(dataDirectory, booted.fallback.manifest).catch(() => undefined))
    if (booted.fallback && back) fallback = { ...booted.fallback, contents: back }
    onTrial = back ? pairsBetween(back, booted.contents) : []
    if (left <= 0) return void (await passProbation())
    const crashes = booted.crashes + 1
    if (crashes >= crashesInProbation && fallback)
      return void (await swapBack(`The server crashed ${crashes} times in probation`, 'plumb', 'failed-probation'))
    const { contents: _contents, digest: _digest, ...state } = booted
    await writeCurrent(dataDirectory, { ...state, crashes })
    live = { ...booted, crashes }
    startProbation(left)
  }

  /** What follows a commit point may fail without undoing it: the row is inserted at the next boot. */
  async function record(history: HistoryRow, previous: Live | null): Promise<void> {
    try {
      await recordRow(history, previous)
    } catch (error) {
      announce('store.failed', { serial: history.serial, reason: messageOf(error) })
    }
  }

  async function recordRow(history: HistoryRow, previous: Live | null): Promise<void> {
    failpoint('history.before')
    await store.insertHistory(history)
    if (previous?.history.outcome === 'live') await store.setOutcome(previous.serial, 'superseded')
    announce('generation.live', {
      serial: history.serial,
      generation: history.generation,
      revision: history.revision,
      reason: history.reason,
      actor: history.actor,
    })
    const rows = await store.listHistory(keptManifests)
    await collectManifests(dataDirectory, [
      ...rows.map(row => row.manifest),
      ...(live ? [live.manifest] : []),
      ...(live?.fallback ? [live.fallback.manifest] : []),
    ])
  }

  async function manifestOf(serial: number): Promise<Manifest | undefined> {
    if (serial === live?.serial) return live.contents
    const row = await store.getHistory(serial)
    return row && (await readManifest(dataDirectory, row.manifest).catch(() => undefined))
  }

  function whyBusy(): string | null {
    if (live?.probationUntil)
      return `Cannot apply as generation ${live.generation} is on probation until ${live.probationUntil}; the newest revision follows, or end it with plumb apply --end-probation`
    const draining = new Set(workers.list().flatMap(worker => worker.draining))
    if (draining.size >= maxDraining)
      return `Cannot apply as ${draining.size} generations still drain; the newest revision follows when one has ended`
    return null
  }

  function historyRow(facts: {
    serial: number
    generation: number
    contents: Manifest
    manifest: string
    request: Pick<ApplyRequest, 'actor' | 'reason' | 'summary'>
    outcome: Outcome
  }): HistoryRow {
    const { serial, generation, contents, manifest, request, outcome } = facts
    return {
      serial,
      generation,
      environment: options.environment,
      revision: contents.revision,
      digest: manifestDigest(contents),
      manifest,
      actor: request.actor,
      reason: request.reason,
      at: new Date(now()).toISOString(),
      outcome,
      summary: request.summary,
    }
  }
}

function refused(
  code: Extract<ApplyOutcome, { kind: 'refused' }>['code'],
  reasons: readonly string[],
): Extract<ApplyOutcome, { kind: 'refused' }> {
  return { kind: 'refused', code, reasons }
}

function manifestDigest(manifest: Manifest): string {
  return digestOf([...manifest.entries.values()].map(entry => `${entry.resource.ref} ${entry.resource.effectiveDigest}`).sort())
}

function invert(summary: HistoryRow['summary']): HistoryRow['summary'] {
  return { create: summary.delete, update: summary.update, delete: summary.create }
}

function stopwatch(): { lap(phase: string): void; readonly laps: Phases } {
  const laps: Record<string, number> = {}
  let at = performance.now()
  return {
    laps,
    lap(phase) {
      const next = performance.now()
      laps[phase] = Math.round((next - at) * 100) / 100
      at = next
    },
  }
}
