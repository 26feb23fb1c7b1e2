// One pass of reconciliation: is there something new, and if so fetch, read, compile, propose, apply. A pass never throws and never
// disturbs what is live: whatever goes wrong is an outcome, told once. Passes run one at a time; a call that comes while one runs is
// answered by the pass after it, so that what was pushed before the call is seen.

import { failpoint } from '#failpoint'
import type { Clock } from '../../adapters/port.ts'
import type { ApplyOutcome, Condition, Engine } from '../../engine/generation/engine.ts'
import { orAborted } from '../../engine/generation/settled.ts'
import type { Store } from '../../engine/store/port.ts'
import type { Revision } from '../../schema/ref.ts'
import type { Compiled } from '../compile/desired.ts'
import type { Source } from '../source/source.ts'
import { Conditions } from './conditions.ts'
import { describeBriefly, digestOfOutcome, eventOf, failureOf, type SyncOutcome, stallOf } from './outcome.ts'
import type { CompileTree } from './policy.ts'
import { pollUntil } from './poll.ts'
import { type Choke, type Proposal, planLifeMs } from './propose.ts'

export interface SyncOptions {
  readonly source: Source
  readonly compile: CompileTree
  /** Called when a fetch begins: what compiles may start what it needs meanwhile. */
  readonly warm?: () => void
  readonly choke: Choke
  readonly engine: Engine
  readonly store: Store
  readonly clock: Clock
  /** A digest over what a compilation reads besides the tree: secrets and process variables. Default: nothing. */
  readonly inputs?: () => Promise<string>
  readonly signal: AbortSignal
  /** Told how each pass ended, also where nothing was new. Must not throw. */
  readonly onPass?: (outcome: SyncOutcome) => void
}

export interface Sync {
  /** Runs a pass that begins after this call. `force` looks again at what is unchanged. Never rejects. */
  run(pass: { readonly actor: string; readonly force?: boolean; readonly reason?: string }): Promise<SyncOutcome>
  /** The end of the last pass that found something to look at; null before the first. */
  last(): (SyncOutcome & { readonly at: string }) | null
  conditions(): readonly Condition[]
  /** The compilation of the newest tree, for `explain` and previews; null before the first. */
  compiled(): Compiled | null
}

// A base that moved between proposal and apply is looked at again; a third time is left to the next pass.
const maxStale = 3
// Drains end by their deadline; meanwhile the newest revision is looked for, at a pace that costs nothing.
const busyMs = 250

export function createSync(options: SyncOptions): Sync {
  const conditions = new Conditions()
  const state: State = { seen: null, verdict: null, lookAgainAt: 0, last: null, compiled: null, told: '', started: '' }
  const turns: Turns = { running: null, next: null, isForced: false }
  const start = (pass: Pass): Promise<SyncOutcome> => {
    turns.running = runPass(pass, state, conditions, options).finally(() => {
      turns.running = null
    })
    return turns.running
  }
  return {
    run(pass) {
      if (turns.running === null) return start(pass)
      turns.isForced ||= pass.force === true
      turns.next ??= turns.running.then(() => {
        const force = turns.isForced
        turns.next = null
        turns.isForced = false
        return start({ ...pass, force })
      })
      return turns.next
    },
    last: () => state.last,
    conditions() {
      const { degraded, quarantined, live } = options.engine.status()
      const now = options.clock.now()
      const names = [...degraded, ...quarantined].map(one => one.ref)
      conditions.set('Degraded', names.length > 0, names.length > 0 ? 'ResourcesNotWorking' : 'AsDeclared', now)
      conditions.set('Ready', live.serial > 0, live.serial > 0 ? 'Live' : 'NothingLive', now)
      return conditions.all()
    },
    compiled: () => state.compiled,
  }
}

interface Pass {
  readonly actor: string
  readonly force?: boolean
  /** What the history says; default `sync`. */
  readonly reason?: string
}

interface Turns {
  running: Promise<SyncOutcome> | null
  next: Promise<SyncOutcome> | null
  /** One of those that wait for `next` wants to look at what is unchanged. */
  isForced: boolean
}

type Told = SyncOutcome & { readonly at: string }

interface State {
  /** What the last finished pass looked at. */
  seen: string | null
  /** What was said of it. */
  verdict: Told | null
  /** When even what was seen is looked at again: a plan that waits has expired. Milliseconds. */
  lookAgainAt: number
  last: Told | null
  compiled: Compiled | null
  /** The last failure that was told, so that it is told once. */
  told: string
  /** What the last `sync.started` was about. */
  started: string
}

async function runPass(pass: Pass, state: State, conditions: Conditions, options: SyncOptions): Promise<SyncOutcome> {
  const phases: Record<string, number> = {}
  const attempt: Attempt = {
    pass,
    state,
    phases,
    revision: null,
    key: '',
    conditions,
    options,
    startedAt: options.clock.now(),
    isRepeated: false,
  }
  let outcome: SyncOutcome
  try {
    if (pass.force || state.lookAgainAt <= attempt.startedAt) state.seen = null
    outcome = await look(attempt)
  } catch (error) {
    outcome = failureOf(error, attempt)
    if (outcome.kind === 'refused') remember(attempt, attempt.key, outcome)
  }
  try {
    await tell(outcome, attempt)
  } catch {
    // The journal is out of reach. The outcome stands all the same; the condition says what is missing.
    conditions.set('Stalled', true, 'JournalUnavailable', options.clock.now())
  }
  options.onPass?.(outcome)
  return outcome
}

interface Attempt {
  readonly pass: Pass
  readonly state: State
  readonly phases: Record<string, number>
  revision: Revision | null
  /** What is looked at, as `State.seen` keeps it. */
  key: string
  readonly conditions: Conditions
  readonly options: SyncOptions
  readonly startedAt: number
  /** Nothing was new: what is said was said before. */
  isRepeated: boolean
}

function remember({ state, options }: Attempt, key: string | null, verdict: SyncOutcome | null): void {
  const now = options.clock.now()
  state.seen = key
  state.verdict = verdict && { ...verdict, at: new Date(now).toISOString() }
  state.lookAgainAt = now + planLifeMs
}

async function look(attempt: Attempt): Promise<SyncOutcome> {
  const { state, conditions, options } = attempt
  const { engine, clock, signal } = options
  for (let stale = 0; ; ) {
    // A remote that does not answer must not keep the server from stopping.
    const head = await timed('head', attempt, () => orAborted(options.source.head(), signal))
    attempt.revision = head
    attempt.key = await keyOf(head, options)
    if (attempt.key === state.seen) return seenBefore(attempt)
    // The live generation proves itself before the next one may be built; the newest revision is taken afterwards.
    if (engine.live().probationUntil !== null) {
      conditions.set('Reconciling', true, 'AwaitingProbation', clock.now())
      await timed('probation', attempt, () => pollUntil(() => engine.live().probationUntil === null, { clock, signal }))
      continue
    }
    await begin(attempt)
    const outcome = await advance(head, attempt)
    if (outcome.kind === 'refused' && outcome.code === 'BUSY') {
      conditions.set('Reconciling', true, 'AwaitingDrain', clock.now())
      await timed('drain', attempt, () => clock.sleep(busyMs, signal))
      continue
    }
    if (outcome.kind === 'refused' && outcome.code === 'STALE' && ++stale < maxStale) continue
    if (outcome.kind === 'refused' && !outcome.isFinal) remember(attempt, null, null)
    // After an apply the serial is another one, and the key with it.
    else remember(attempt, outcome.kind === 'live' && outcome.revision ? await keyOf(outcome.revision, options) : attempt.key, outcome)
    if (outcome.kind === 'live' || outcome.kind === 'nothing') await options.source.accepted?.(attempt.revision ?? head)
    return outcome
  }
}

/** What was said of the same revision before, where it waits or was refused: asked again, the answer is not that all is well. */
function seenBefore(attempt: Attempt): SyncOutcome {
  const { state, revision, phases } = attempt
  attempt.isRepeated = true
  if (state.verdict?.kind === 'held' || state.verdict?.kind === 'refused') return { ...state.verdict, phases }
  return { kind: 'nothing', isUnchanged: true, issues: [], revision, phases }
}

async function advance(head: Revision, attempt: Attempt): Promise<SyncOutcome> {
  const { pass, state, options } = attempt
  options.warm?.()
  failpoint('fetch.start')
  const revision = await timed('fetch', attempt, () => orAborted(options.source.fetch(), options.signal))
  failpoint('fetch.received')
  attempt.revision = revision
  if (revision !== head) attempt.key = await keyOf(revision, options)
  const tree = await timed('tree', attempt, () => options.source.tree(revision))
  failpoint('tree.read')
  const compiled = await timed('compile', attempt, () => options.compile(tree))
  if (compiled.desired !== null) state.compiled = compiled
  const proposed = { compiled, entry: 'sync', actor: pass.actor, reason: pass.reason ?? 'sync' } as const
  const proposal = await timed('plan', attempt, () => options.choke.propose(proposed))
  return carryOut(proposal, attempt)
}

/** What a pass depends on. The serial is in it, so that a rollback or a failed probation is looked at again. */
async function keyOf(revision: Revision, { inputs, engine }: SyncOptions): Promise<string> {
  return `${revision} ${engine.live().serial} ${inputs ? await inputs() : ''}`
}

async function begin(attempt: Attempt): Promise<void> {
  const { state, conditions, options, pass, revision } = attempt
  conditions.set('Reconciling', true, 'Progressing', options.clock.now())
  if (attempt.key === state.started) return
  await options.store.appendJournal('sync.started', { revision, actor: pass.actor })
  state.started = attempt.key
}

type Going = Extract<Proposal, { kind: 'go' }>

async function carryOut(proposal: Proposal, attempt: Attempt): Promise<SyncOutcome> {
  const { revision, phases, options } = attempt
  const base = { revision, phases }
  switch (proposal.kind) {
    case 'nothing':
      return { ...base, kind: 'nothing', isUnchanged: false, issues: proposal.plan.issues }
    case 'held':
      return { ...base, kind: 'held', plan: proposal.plan.id, holds: proposal.plan.holds }
    case 'refused':
      return {
        ...base,
        kind: 'refused',
        code: proposal.code,
        reasons: proposal.reasons,
        issues: proposal.issues,
        isFinal: proposal.code === 'INPUT',
      }
    case 'go':
      return outcomeOf(await timed('apply', attempt, () => options.engine.apply(proposal.request)), proposal, attempt)
  }
}

function outcomeOf(applied: ApplyOutcome, { plan, request }: Going, { revision, phases }: Attempt): SyncOutcome {
  if (applied.kind === 'refused') {
    return { kind: 'refused', code: applied.code, reasons: applied.reasons, issues: applied.issues ?? [], isFinal: false, revision, phases }
  }
  for (const [phase, elapsedMs] of Object.entries(applied.phases)) phases[`apply.${phase}`] = elapsedMs
  const { serial, generation } = applied
  return { kind: 'live', serial, generation, summary: request.summary, issues: plan.issues, revision, phases }
}

async function tell(outcome: SyncOutcome, attempt: Attempt): Promise<void> {
  const { state, conditions, options, startedAt } = attempt
  const now = options.clock.now()
  const stall = stallOf(outcome)
  conditions.set('Reconciling', false, 'Idle', now)
  conditions.set('Stalled', stall !== null, stall ?? 'UpToDate', now)
  if (attempt.isRepeated) {
    if (state.last?.kind === 'failed') await tellRecovery(attempt, state.last)
    return
  }
  state.last = { ...outcome, at: new Date(now).toISOString() }
  const said = digestOfOutcome(outcome)
  if (said === state.told) return
  await options.store.appendJournal(eventOf(outcome), {
    actor: attempt.pass.actor,
    ...describeBriefly(outcome),
    elapsedMs: now - startedAt,
  })
  state.told = said
}

/** After an outage the last word is again what was said of the revision; the same outage later is told anew. */
async function tellRecovery({ state, revision, options }: Attempt, failed: Told): Promise<void> {
  state.last = state.verdict
  state.told = ''
  await options.store.appendJournal('sync.recovered', { revision, failedAt: failed.at })
}

async function timed<T>(phase: string, { phases }: Attempt, run: () => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  try {
    return await run()
  } finally {
    phases[phase] = Math.round((performance.now() - startedAt) * 10) / 10
  }
}
