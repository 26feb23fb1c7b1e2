// One pass of reconciliation: is there something new, and if so fetch, read, compile, propose, apply. A pass never throws and never
// disturbs what is live: whatever goes wrong is an outcome, told once. Passes run one at a time; a call that comes while one runs is
// answered by the pass after it, so that what was pushed before the call is seen.

import { createHash } from 'node:crypto'
import type { Clock } from '../../adapters/port.ts'
import type { ApplyOutcome, Condition, Engine, Phases } from '../../engine/generation/engine.ts'
import type { Store } from '../../engine/store/port.ts'
import type { Issue } from '../../schema/issue.ts'
import { issue } from '../../schema/issue.ts'
import type { JsonObject } from '../../schema/json.ts'
import type { Revision } from '../../schema/ref.ts'
import type { Compiled } from '../compile/desired.ts'
import type { Hold } from '../plan/plan.ts'
import type { Source } from '../source/source.ts'
import { SourceError, type SourceFault } from '../source/source-error.ts'
import { Conditions } from './conditions.ts'
import type { CompileTree } from './policy.ts'
import { pollUntil } from './poll.ts'
import { type Choke, type Proposal, planLifeMs } from './propose.ts'

export interface SyncOptions {
  readonly source: Source
  readonly compile: CompileTree
  readonly choke: Choke
  readonly engine: Engine
  readonly store: Store
  readonly clock: Clock
  /** A digest over what a compilation reads besides the tree: secrets and process variables. Default: nothing. */
  readonly inputs?: () => Promise<string>
  readonly signal: AbortSignal
}

export type SyncOutcome = { readonly revision: Revision | null; readonly phases: Phases } & (
  | { readonly kind: 'live'; readonly serial: number; readonly generation: number }
  /** `isUnchanged`: there was nothing new to look at. */
  | { readonly kind: 'nothing'; readonly isUnchanged: boolean }
  | { readonly kind: 'held'; readonly plan: string; readonly holds: readonly Hold[] }
  /** The revision cannot go live. `isFinal`: not before it changes. */
  | {
      readonly kind: 'refused'
      readonly code: string
      readonly reasons: readonly string[]
      readonly issues: readonly Issue[]
      readonly isFinal: boolean
    }
  /** The source, or the world, failed. */
  | { readonly kind: 'failed'; readonly fault: SourceFault | 'internal'; readonly reasons: readonly string[]; readonly retryable: boolean }
)

export interface Sync {
  /** Runs a pass that begins after this call. `force` looks again at what is unchanged. Never rejects. */
  run(pass: { readonly actor: string; readonly force?: boolean }): Promise<SyncOutcome>
  /** The end of the last pass that found something to look at; null before the first. */
  last(): (SyncOutcome & { readonly at: string }) | null
  conditions(): readonly Condition[]
  /** The compilation of the newest tree, for `explain` and previews; null before the first. */
  compiled(): Compiled | null
}

// A base that moved between proposal and apply is looked at again; a third time is left to the next pass.
const maxAttempts = 3

export function createSync(options: SyncOptions): Sync {
  const conditions = new Conditions()
  const state: State = { seen: null, lookAgainAt: 0, last: null, compiled: null, told: '', started: '' }
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
}

interface Turns {
  running: Promise<SyncOutcome> | null
  next: Promise<SyncOutcome> | null
  /** One of those that wait for `next` wants to look at what is unchanged. */
  isForced: boolean
}

interface State {
  /** What the last finished pass looked at. */
  seen: string | null
  /** When even what was seen is looked at again: a plan that waits has expired. Milliseconds. */
  lookAgainAt: number
  last: (SyncOutcome & { at: string }) | null
  compiled: Compiled | null
  /** The last failure that was told, so that it is told once. */
  told: string
  /** What the last `sync.started` was about. */
  started: string
}

async function runPass(pass: Pass, state: State, conditions: Conditions, options: SyncOptions): Promise<SyncOutcome> {
  const phases: Record<string, number> = {}
  const attempt: Attempt = { pass, state, phases, revision: null, key: '', conditions, options, startedAt: options.clock.now() }
  let outcome: SyncOutcome
  try {
    if (pass.force || state.lookAgainAt <= attempt.startedAt) state.seen = null
    outcome = await look(attempt, 1)
  } catch (error) {
    outcome = failureOf(error, attempt)
    if (outcome.kind === 'refused') remember(attempt, attempt.key)
  }
  try {
    await tell(outcome, attempt)
  } catch {
    // The journal is out of reach. The outcome stands all the same; the condition says what is missing.
    conditions.set('Stalled', true, 'JournalUnavailable', options.clock.now())
  }
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
}

function remember({ state, options }: Attempt, key: string | null): void {
  state.seen = key
  state.lookAgainAt = options.clock.now() + planLifeMs
}

async function look(attempt: Attempt, tries: number): Promise<SyncOutcome> {
  const { pass, state, phases, conditions, options } = attempt
  const { source, engine, clock } = options
  const head = await timed('head', attempt, () => orAborted(source.head(), options.signal))
  attempt.revision = head
  attempt.key = await keyOf(head, options)
  if (attempt.key === state.seen) return { kind: 'nothing', isUnchanged: true, revision: head, phases }
  // The live generation proves itself before the next one may be built; the newest revision is taken afterwards.
  if (engine.live().probationUntil !== null) {
    conditions.set('Reconciling', true, 'AwaitingProbation', clock.now())
    await timed('probation', attempt, () => pollUntil(() => engine.live().probationUntil === null, { clock, signal: options.signal }))
    return look(attempt, tries)
  }
  await begin(attempt)
  const revision = await timed('fetch', attempt, () => orAborted(source.fetch(), options.signal))
  attempt.revision = revision
  if (revision !== head) attempt.key = await keyOf(revision, options)
  const tree = await timed('tree', attempt, () => source.tree(revision))
  const compiled = await timed('compile', attempt, () => options.compile(tree))
  if (compiled.desired !== null) state.compiled = compiled
  const proposed = { compiled, entry: 'sync', origin: 'git', actor: pass.actor, reason: 'sync' } as const
  const proposal = await timed('plan', attempt, () => options.choke.propose(proposed))
  const outcome = await carryOut(proposal, attempt)
  if (outcome.kind === 'refused' && (outcome.code === 'STALE' || outcome.code === 'BUSY') && tries < maxAttempts) {
    await pollUntil(() => engine.live().probationUntil === null, { clock, signal: options.signal })
    return look(attempt, tries + 1)
  }
  if (outcome.kind === 'refused' && !outcome.isFinal) remember(attempt, null)
  // After an apply the serial is another one, and the key with it.
  else remember(attempt, outcome.kind === 'live' ? await keyOf(revision, options) : attempt.key)
  return outcome
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

async function carryOut(proposal: Proposal, attempt: Attempt): Promise<SyncOutcome> {
  const { revision, phases, options } = attempt
  const base = { revision, phases }
  switch (proposal.kind) {
    case 'nothing':
      return { ...base, kind: 'nothing', isUnchanged: false }
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
      return outcomeOf(await timed('apply', attempt, () => options.engine.apply(proposal.request)), attempt)
  }
}

function outcomeOf(applied: ApplyOutcome, { revision, phases }: Attempt): SyncOutcome {
  if (applied.kind === 'refused') {
    return { kind: 'refused', code: applied.code, reasons: applied.reasons, issues: [], isFinal: false, revision, phases }
  }
  for (const [phase, elapsedMs] of Object.entries(applied.phases)) phases[`apply.${phase}`] = elapsedMs
  return { kind: 'live', serial: applied.serial, generation: applied.generation, revision, phases }
}

function failureOf(error: unknown, { revision, phases }: Attempt): SyncOutcome {
  if (error instanceof SourceError && error.kind === 'refused') {
    const at = error.path === null ? {} : { at: { path: error.path, line: 1, column: 1 } }
    return {
      kind: 'refused',
      code: 'INPUT',
      reasons: [error.message],
      issues: [issue('TREE_REFUSED', error.message, at)],
      isFinal: true,
      revision,
      phases,
    }
  }
  if (error instanceof SourceError)
    return { kind: 'failed', fault: error.kind, reasons: [error.message], retryable: error.retryable, revision, phases }
  const message = error instanceof Error ? error.message : String(error)
  return { kind: 'failed', fault: 'internal', reasons: [`Cannot finish the pass: ${message}`], retryable: true, revision, phases }
}

const stalled = {
  unreachable: 'SourceUnreachable',
  timeout: 'SourceUnreachable',
  auth: 'SourceRefusedLogin',
  'ref-missing': 'RefMissing',
  garbage: 'SourceGarbage',
  corrupt: 'CloneDamaged',
  refused: 'TreeRefused',
  internal: 'InternalError',
} as const satisfies Record<SourceFault | 'internal', string>

async function tell(outcome: SyncOutcome, attempt: Attempt): Promise<void> {
  const { state, conditions, options, startedAt } = attempt
  const now = options.clock.now()
  conditions.set('Reconciling', false, 'Idle', now)
  if (outcome.kind === 'nothing' && outcome.isUnchanged) {
    // The source answered: what kept it from answering is over. What is wrong with the revision itself stays.
    const before = state.last?.kind
    if (before === 'failed' || before === undefined) conditions.set('Stalled', false, 'UpToDate', now)
    if (before === 'failed') state.last = null
    return
  }
  state.last = { ...outcome, at: new Date(now).toISOString() }
  const body: JsonObject = { ...describe(outcome), elapsedMs: now - startedAt }
  switch (outcome.kind) {
    case 'live':
    case 'nothing':
      conditions.set('Stalled', false, outcome.kind === 'live' ? 'Applied' : 'UpToDate', now)
      break
    case 'held':
      conditions.set('Stalled', true, outcome.holds[0] ? heldReasons[outcome.holds[0].kind] : 'Held', now)
      break
    case 'refused':
      conditions.set(
        'Stalled',
        true,
        outcome.code === 'INPUT' ? 'InvalidRevision' : outcome.code === 'PREPARE_FAILED' ? 'PrepareFailed' : 'Refused',
        now,
      )
      break
    case 'failed':
      conditions.set('Stalled', true, stalled[outcome.fault], now)
      break
  }
  const said = digestOf(outcome)
  if (said === state.told) return
  await options.store.appendJournal(eventOf(outcome), body)
  state.told = said
}

const heldReasons = { approval: 'AwaitingApproval', deletes: 'DeleteBudget', marked: 'MarkedBad' } as const satisfies Record<
  Hold['kind'],
  string
>

function eventOf(outcome: SyncOutcome): string {
  switch (outcome.kind) {
    case 'live':
      return 'sync.applied'
    case 'nothing':
      return 'sync.nothing'
    case 'held':
      return 'sync.held'
    case 'refused':
    case 'failed':
      return 'sync.failed'
  }
}

/** The outcome as the journal and the API carry it. */
export function describe(outcome: SyncOutcome): JsonObject {
  // Outcomes are plain data; the way through JSON drops what is undefined.
  return JSON.parse(JSON.stringify(outcome)) as JsonObject
}

/** What an outcome says, apart from how long it took and which plan stands for it. */
function digestOf(outcome: SyncOutcome): string {
  const { phases: _, ...said } = outcome
  const text = JSON.stringify(said.kind === 'held' ? { ...said, plan: '', holds: said.holds.map(hold => hold.kind) } : said)
  return createHash('sha256').update(text).digest('hex')
}

async function timed<T>(phase: string, { phases }: Attempt, run: () => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  try {
    return await run()
  } finally {
    phases[phase] = Math.round((performance.now() - startedAt) * 10) / 10
  }
}

/** A remote that does not answer must not keep the server from stopping. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) throw signal.reason
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
