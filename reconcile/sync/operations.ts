// Fills the port of the admin API: every operation is a look at what is live, or goes through the choke point. Nothing here decides.

import type { Clock } from '../../adapters/port.ts'
import { type Actor, type Operations, Refusal, type Upload } from '../../engine/admin/port.ts'
import type { ApplyRequest, Condition, Engine } from '../../engine/generation/engine.ts'
import type { Manifest } from '../../engine/generation/manifest.ts'
import type { PlanRow, Store } from '../../engine/store/port.ts'
import { hasErrors, type Issue } from '../../schema/issue.ts'
import type { JsonObject } from '../../schema/json.ts'
import { commitOf, isRevision, parseRef, type Ref } from '../../schema/ref.ts'
import type { Compiled } from '../compile/desired.ts'
import { markdownPlan } from '../plan/markdown.ts'
import { type Plan, storedPlan } from '../plan/plan.ts'
import { printPlan } from '../plan/print.ts'
import type { Source } from '../source/source.ts'
import { SourceError } from '../source/source-error.ts'
import type { Tree } from '../source/tree.ts'
import { uploadTree } from '../source/upload.ts'
import { createHistory } from './history.ts'
import { describe } from './outcome.ts'
import type { CompileTree } from './policy.ts'
import type { Choke, Proposal } from './propose.ts'
import { resourceOf, resourcesOf } from './resources.ts'
import { rollBack } from './rollback.ts'
import type { Sync } from './sync.ts'

export interface OperationsOptions {
  readonly environment: string
  readonly engine: Engine
  readonly store: Store
  readonly clock: Clock
  readonly choke: Choke
  readonly compile: CompileTree
  /** Null on a server that only takes uploads. */
  readonly source: Source | null
  readonly sync: Sync | null
  /** Besides those of the sync; none where absent. */
  readonly conditions?: () => readonly Condition[]
  /** `{ layers, superseded }`: files of deploys, and those that gave way to a commit. Default: there are none. */
  readonly deployed?: () => Promise<JsonObject>
  /** Text of environment.d.ts. */
  readonly renderTypes: (live: Manifest) => Promise<string>
  /** Type check of an uploaded tree's services, for `validate --types`. */
  readonly checkTypes: (tree: Tree) => Promise<readonly Issue[]>
}

export function createOperations(options: OperationsOptions): Operations {
  const { environment, engine, store, clock, choke, compile, source, sync } = options
  const history = createHistory(store, source)
  const live = () => engine.live().manifest
  const layerOf = (ref: Ref) => sync?.compiled()?.deployed?.layered.get(ref)
  // What was done by hand changes what the source is measured against; nobody waits for the pass, and it never rejects.
  const lookAgain = (actor: Actor) => void sync?.run({ actor: actor.name })
  return {
    async status() {
      const state = engine.status()
      const last = sync?.last() ?? null
      const row = await store.getHistory(state.live.serial)
      return plain({
        environment,
        ...state,
        live: { ...state.live, since: row?.at ?? null, fallback: engine.live().fallback },
        source: source ? { at: source.shown, ref: source.ref } : null,
        conditions: [...(sync?.conditions() ?? []), ...state.conditions, ...(options.conditions?.() ?? [])],
        lastSync: last ? describe(last) : null,
        holds: last?.kind === 'held' ? last.holds : [],
        marks: await store.listMarks(),
        ...(options.deployed ? { deployed: await options.deployed() } : {}),
      })
    },
    async plan({ revision, files }, actor) {
      const tree = files ? treeOf(files) : await sourceTree(source, revision)
      const compiled = await compile(tree)
      const uploaded = files !== undefined
      const proposal = await choke.propose({ compiled, entry: 'plan', actor: actor.name, reason: 'plan', uploaded })
      if (proposal.kind === 'refused') throw refusal(proposal)
      return rendered(proposal.plan)
    },
    async getPlan(id) {
      const row = await store.getPlan(id)
      if (row === undefined) throw new Refusal(404, 'UNKNOWN', `Cannot find plan "${id}"; plumb plan makes one`)
      return { ...rendered(storedPlan(row.body)), state: stateOf(row, clock.now()) }
    },
    async listPlans(limit) {
      const rows = await store.listPlans(limit)
      return { plans: rows.map(row => planRow(row, clock.now())) }
    },
    async applyPlan({ id, confirmDeletes }, actor) {
      const proposal = await choke.proposeStored({ id, actor: actor.name, ...(confirmDeletes === undefined ? {} : { confirmDeletes }) })
      const answer = await carryOut(proposal, actor, options, id)
      lookAgain(actor)
      return answer
    },
    async applyTree({ files, confirmDeletes }, actor) {
      const compiled = await compile(treeOf(files))
      const confirm = confirmDeletes === undefined ? {} : { confirmDeletes }
      const proposed = { compiled, entry: 'apply-tree', actor: actor.name, reason: 'apply', uploaded: true, ...confirm } as const
      return carryOut(await choke.propose(proposed), actor, options, null)
    },
    async sync({ retry, endProbation }, actor) {
      if (sync === null) throw new Refusal(409, 'NO_SOURCE', 'Cannot sync as this server follows no source; plumb apply DIR uploads a tree')
      if (endProbation) await engine.endProbation(actor.name)
      if (retry) {
        const marks = (await store.listMarks()).filter(mark => mark.environment === environment)
        const cleared = await store.clearMarks(marks.map(mark => mark.id))
        await store.appendJournal('marks.cleared', plain({ actor: actor.name, cleared, marks }))
      }
      return { outcome: describe(await sync.run({ actor: actor.name, ...(retry ? { force: true } : {}) })) }
    },
    async validate({ files, types }) {
      const tree = treeOf(files)
      const compiled = await compile(tree)
      const issues = [...compiled.issues, ...(types ? await options.checkTypes(tree) : [])]
      return plain({ ok: !hasErrors(issues), issues, resources: compiled.desired?.resources.size ?? 0 })
    },
    async listResources(page) {
      return resourcesOf(live(), page, layerOf)
    },
    async getResource(ref) {
      const found = resourceOf(live(), refOf(ref), layerOf)
      if (found === undefined) throw notLive(ref)
      return found
    },
    async explain(ref) {
      const wanted = refOf(ref)
      const compiled = await explaining(options)
      const leaves = compiled.explain(wanted)
      const revision = compiled.desired?.revision ?? null
      if (leaves === undefined) throw notLive(ref)
      return plain({ ref, revision, leaves })
    },
    history: page => history.list(page),
    async rollback({ to, reason }, actor) {
      const request = { actor: actor.name, reason: reason ?? 'rollback', ...(to === undefined ? {} : { to }) }
      const outcome = await rollBack(request, options)
      if (outcome.kind === 'live') lookAgain(actor)
      return { outcome: plain(outcome) }
    },
    async invoke(invocation) {
      const outcome = await engine.invoke(invocation)
      if (outcome.kind === 'answered') return plain(outcome)
      const { title, detail, code } = outcome.problem
      throw new Refusal(outcome.status, typeof code === 'string' ? code : 'SERVICE_FAILED', String(detail ?? title ?? 'The service failed'))
    },
    async ping(ref) {
      const wanted = refOf(ref)
      if (!live().entries.has(wanted)) throw notLive(ref)
      return plain({ ref, ...(await engine.ping(wanted)) })
    },
    async types() {
      return { text: await options.renderTypes(live()) }
    },
    async journal({ after, limit }) {
      const events = await store.readJournal(after, limit)
      return plain({ events, next: events.at(-1)?.seq ?? after })
    },
  }
}

async function carryOut(
  proposal: Proposal,
  actor: Actor,
  { engine, store }: OperationsOptions,
  planId: string | null,
): Promise<JsonObject> {
  const applyOrReopen = async (request: ApplyRequest) => {
    let isLive = false
    try {
      const outcome = await engine.apply(request)
      isLive = outcome.kind === 'live'
      return outcome
    } finally {
      if (planId !== null && !isLive) await store.reopenPlan(planId)
    }
  }
  switch (proposal.kind) {
    case 'nothing':
      if (planId !== null) await store.closePlan(planId, 'applied')
      return { outcome: { kind: 'nothing' } }
    case 'held':
      return { outcome: plain({ kind: 'held', plan: planId ?? proposal.plan.id, holds: proposal.plan.holds }) }
    case 'refused':
      throw refusal(proposal)
    case 'go': {
      // Closed before it is carried out: two requests for one plan, and one of them finds it closed. One that was refused is open again.
      if (planId !== null && !(await store.closePlan(planId, 'applied'))) {
        throw new Refusal(409, 'CLOSED', `Cannot apply plan "${planId}" as it is being applied; plumb history shows how it ends`)
      }
      const outcome = await applyOrReopen(proposal.request)
      const type = outcome.kind === 'live' ? 'apply.applied' : 'apply.refused'
      await store.appendJournal(type, plain({ actor: actor.name, plan: planId, summary: proposal.plan.summary, outcome }))
      return { outcome: plain(outcome.kind === 'live' ? { ...outcome, issues: proposal.plan.issues } : outcome) }
    }
  }
}

const statuses = { INPUT: 422, MODE_GIT: 409, STALE: 409, CLOSED: 409, EXPIRED: 410, UNKNOWN: 404, UNREADABLE: 410 } as const

function refusal({ code, reasons, issues }: Extract<Proposal, { kind: 'refused' }>): Refusal {
  return new Refusal(statuses[code], code, reasons[0] ?? 'Cannot use the tree as it has errors', issues)
}

function treeOf(files: readonly Upload[]): Tree {
  try {
    return uploadTree(files.map(({ path, base64 }) => ({ path, bytes: new Uint8Array(Buffer.from(base64, 'base64')) })))
  } catch (error) {
    throw sourceRefusal(error)
  }
}

async function sourceTree(source: Source | null, wanted: string | undefined): Promise<Tree> {
  if (source === null) throw new Refusal(409, 'NO_SOURCE', 'Cannot plan as this server follows no source; plumb plan DIR uploads a tree')
  if (wanted !== undefined && (!isRevision(wanted) || commitOf(wanted) !== wanted)) {
    throw new Refusal(400, 'INVALID_VALUE', 'Cannot plan the revision as it is not a full commit id')
  }
  if (wanted !== undefined && source.ref === null)
    throw new Refusal(
      409,
      'NO_SOURCE',
      'Cannot plan the revision as this server serves a working tree, not commits; plumb plan DIR uploads a tree',
    )
  try {
    const newest = await source.fetch()
    return await source.tree(wanted !== undefined && isRevision(wanted) ? wanted : newest)
  } catch (error) {
    throw sourceRefusal(error)
  }
}

function sourceRefusal(error: unknown): unknown {
  if (!(error instanceof SourceError)) return error
  return error.kind === 'refused' ? new Refusal(422, 'TREE_REFUSED', error.message) : new Refusal(502, 'SOURCE_FAILED', error.message)
}

/** The compilation that made what is live; compiled again where the newest tree is another one. */
async function explaining({ sync, source, engine, compile }: OperationsOptions): Promise<Compiled> {
  const { revision } = engine.live().manifest
  const newest = sync?.compiled() ?? null
  if (newest?.desired && (newest.desired.revision === revision || newest.desired.digest === engine.live().digest)) return newest
  if (source === null || revision === null || revision.startsWith('worktree-')) {
    if (newest) return newest
    throw new Refusal(409, 'NO_SOURCE', 'Cannot explain as the files behind what is live are not here')
  }
  return compile(await source.tree(revision).catch(error => Promise.reject(sourceRefusal(error))))
}

function rendered(plan: Plan): JsonObject {
  return { plan: plain(plan), text: printPlan(plan), markdown: markdownPlan(plan) }
}

function planRow(row: PlanRow, now: number): JsonObject {
  const { id, revision, baseSerial, createdAt, expiresAt, actor, body } = row
  return { id, revision, baseSerial, createdAt, expiresAt, actor, state: stateOf(row, now), summary: body.summary ?? null }
}

function stateOf(row: PlanRow, now: number): string {
  return row.state === 'open' && Date.parse(row.expiresAt) <= now ? 'expired' : row.state
}

function refOf(text: string): Ref {
  try {
    return parseRef(text)
  } catch (error) {
    throw new Refusal(400, 'INVALID_VALUE', error instanceof Error ? error.message : 'Cannot read the ref')
  }
}

function notLive(ref: string): Refusal {
  return new Refusal(404, 'UNKNOWN', `Cannot find "${ref}" as no such resource is live; plumb get lists what is`)
}

/** As JSON carries it: what is undefined is dropped. */
function plain(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject // the parse of an object's JSON
}
