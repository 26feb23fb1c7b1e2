// Deploys: files from an editor become live like a commit. One at a time: it is judged as a whole against what is there, compiled before
// anything is taken, recorded together with what it brings, and then a pass makes it live through the choke point as it does a commit.
// A deploy is known by its id: sent again, because an answer was lost, it is answered and not done again.

import type { Clock } from '../../adapters/port.ts'
import type { DeployOperations, DeployRequest } from '../../engine/admin/deploys.ts'
import { type Actor, Refusal } from '../../engine/admin/port.ts'
import type { Engine } from '../../engine/generation/engine.ts'
import type { Deploy, DeployedFile } from '../../engine/store/layers.ts'
import type { Store } from '../../engine/store/port.ts'
import { canonicalJson } from '../../schema/digest.ts'
import { hasErrors, type Issue, issue } from '../../schema/issue.ts'
import type { JsonObject } from '../../schema/json.ts'
import { defaultBudget, maxBytesOf } from '../source/budget.ts'
import { isAccepted } from '../source/deployable.ts'
import { hasCrlf } from '../source/line-ends.ts'
import { blobId } from '../source/objects.ts'
import { printable } from '../source/path.ts'
import { nameFaults } from '../source/portable.ts'
import { SourceError } from '../source/source-error.ts'
import type { Tree } from '../source/tree.ts'
import type { Contents, Ground } from './deploy-ground.ts'
import { describe, type SyncOutcome } from './outcome.ts'
import type { Sync } from './sync.ts'

export interface DeploysOptions {
  readonly ground: Ground
  readonly store: Store
  readonly sync: Pick<Sync, 'run'>
  readonly engine: Pick<Engine, 'live'>
  readonly clock: Pick<Clock, 'now'>
}

export interface Deploys extends DeployOperations {
  /** Finishes what a crash cut off, as far as files go; to be called before the first pass. Never rejects. */
  restore(): Promise<void>
  /** Ends the deploys that a crash cut off. Never rejects. */
  settle(): Promise<void>
}

const maxJournalPaths = 50
/** The working copy that drops layers by hand; a client chooses at random. */
const dropping = 'plumb-drop'

export function createDeploys(options: DeploysOptions): Deploys {
  const { ground, store, engine, sync, clock } = options
  const running = new Map<string, { readonly asked: string; readonly answer: Promise<JsonObject> }>()
  let turn: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const done = turn.then(run)
    turn = done.catch(() => undefined) // told to whoever asked for it
    return done
  }
  const generation = () => ({ generation: engine.live().generation, serial: engine.live().serial })

  return {
    async state(client) {
      const refusal = ground.refusal()
      const tree = await treeOf(ground)
      const sequence = client === null ? 0 : await store.lastSequence(client)
      return {
        kind: ground.kind,
        accepts: refusal === null,
        ...(refusal ? { refusal: { ...refusal } } : {}),
        revision: tree.revision,
        files: Object.fromEntries([...tree.files.values()].map(({ path, blob }) => [path, blob])),
        layers: plain(await ground.layers()),
        sequence,
      }
    },
    missing: async digests => ({ missing: [...(await store.missingBlobs(digests))] }),
    async lineEnds(paths) {
      const tree = await treeOf(ground)
      const held = paths.filter(path => tree.files.has(path) && isReadable(tree, path))
      const contents = await tree.read(held)
      return { crlf: held.filter(path => hasCrlf(contents.get(path) ?? new Uint8Array())) }
    },
    async keep(contents) {
      await Promise.all(contents.map(content => store.putBlob(content)))
      return { kept: contents.length }
    },
    deploy(request, actor) {
      const asked = canonicalJson({ ...request, files: plain(request.files) })
      const twin = running.get(request.id)
      if (twin) return twin.asked === asked ? twin.answer : Promise.reject(replayed(request.id))
      const answer = inTurn(() => take(request, actor)).finally(() => running.delete(request.id))
      running.set(request.id, { asked, answer })
      return answer
    },
    drop: (paths, actor) => inTurn(() => drop(paths, actor)),
    async restore() {
      // In layers a deploy is written in one step with its record.
      if (ground.kind === 'layers') return
      for (const deploy of await store.listOpenDeploys()) {
        const { contents, missing } = await contentsOf(deploy.files, store)
        if (missing.length > 0) continue
        await ground.take(deploy, contents).catch(() => []) // the pass says what is wrong with the folder
      }
    },
    async settle() {
      for (const deploy of await store.listOpenDeploys()) await inTurn(() => finish(deploy, clock.now())).catch(() => undefined) // the next start tries again
    },
  }

  async function take(request: DeployRequest, actor: Actor): Promise<JsonObject> {
    const startedAt = clock.now()
    const known = await store.getDeploy(request.id)
    if (known) {
      if (!isSame(known, request)) throw replayed(request.id)
      return known.outcome ? { outcome: known.outcome, repeated: true } : finish(known, startedAt)
    }
    refuseWhere(ground)
    const last = await store.lastSequence(request.client)
    if (request.sequence <= last)
      throw new Refusal(
        409,
        'DEPLOY_REPLAYED',
        `Cannot take the deploy ${request.id} as it is older than what its client has deployed since: its sequence is ${request.sequence}, and ${last} is there; nothing was changed`,
      )
    const tree = await treeOf(ground)
    refuseNames(request.files, tree)
    const { contents, missing } = await contentsOf(request.files, store)
    if (missing.length > 0)
      throw new Refusal(
        409,
        'DEPLOY_TRUNCATED',
        `Cannot take the deploy ${request.id} as ${missing.length} of its contents did not arrive, the first is ${missing[0]}; nothing was changed, and what is missing may be sent again`,
      )
    refuseConflicts(request.files, tree, contents)
    refusePlaces(request.files, tree, contents)
    const deploy: Deploy = { ...request, by: actor.name, at: new Date(startedAt).toISOString(), outcome: null }
    const candidate = await ground.candidate(tree, deploy, contents)
    await refuseFaults(candidate, ground)
    const conflicts = await ground.take(deploy, contents)
    if (conflicts.length > 0) {
      await store.endDeploy(deploy.id, { kind: 'refused', code: 'DEPLOY_CONFLICT' }, false)
      throw conflict(conflicts)
    }
    return finish(deploy, startedAt)
  }

  /** Makes what was taken live, and says how that ended. */
  async function finish(deploy: Deploy, startedAt: number): Promise<JsonObject> {
    const found = await ground.pass(() => sync.run({ actor: deploy.by, reason: deploy.client === dropping ? 'deploy --drop' : 'deploy' }))
    const isUndone = ground.undoes && (found.kind === 'refused' || found.kind === 'failed')
    const outcome: JsonObject = { ...toldOf(found), ...generation(), elapsedMs: clock.now() - startedAt }
    await store.endDeploy(deploy.id, outcome, isUndone)
    ground.renew()
    // What is live again is what the layers say again; nobody waits for that pass, and it never rejects.
    if (isUndone) void ground.pass(() => sync.run({ actor: deploy.by, reason: 'deploy undone' }))
    const paths = deploy.files.slice(0, maxJournalPaths).map(({ path }) => path)
    const type =
      found.kind === 'live' || found.kind === 'nothing' ? 'deploy.applied' : found.kind === 'held' ? 'deploy.held' : 'deploy.refused'
    await store.appendJournal(type, {
      id: deploy.id,
      actor: deploy.by,
      client: deploy.client,
      files: deploy.files.length,
      paths,
      ...generation(),
      elapsedMs: Number(outcome.elapsedMs),
    })
    return { outcome, repeated: false }
  }

  async function drop(paths: readonly string[] | null, actor: Actor): Promise<JsonObject> {
    if (ground.kind === 'folder')
      throw new Refusal(
        409,
        'NO_LAYERS',
        'Cannot drop deployed files as plumb dev writes them into its folder: git restore brings back what was there',
      )
    const startedAt = clock.now()
    const layers = await ground.layers()
    const stranger = paths?.find(path => !layers.some(layer => layer.path === path))
    if (stranger !== undefined)
      throw new Refusal(404, 'UNKNOWN', `Cannot drop ${printable(stranger)} as no deployed file lies there; plumb deploy --list names them`)
    const dropped = paths ?? layers.map(({ path }) => path)
    if (dropped.length === 0) return { outcome: { kind: 'nothing', ...generation(), elapsedMs: 0 }, dropped: [] }
    // It is a deploy of what lies below, so that it is undone as one is.
    const files = dropped.map(path => ({ path, digest: null, base: layers.find(layer => layer.path === path)?.base ?? null }))
    const sequence = (await store.lastSequence(dropping)) + 1
    const deploy: Deploy = {
      id: `drop-${startedAt}-${sequence}`,
      client: dropping,
      sequence,
      by: actor.name,
      at: new Date(startedAt).toISOString(),
      files,
      outcome: null,
    }
    await refuseFaults(await ground.without(dropped), ground)
    await store.insertDeploy(deploy, [], dropped)
    ground.renew()
    return { ...(await finish(deploy, startedAt)), dropped: [...dropped] }
  }
}

/** @throws Refusal */
function refuseWhere(ground: Ground): void {
  const refusal = ground.refusal()
  if (refusal === null) return
  const issues = refusal.code === 'MODE_GIT' ? [issue('MODE_GIT', refusal.message)] : []
  throw new Refusal(refusal.code === 'NOT_READY' ? 503 : 409, refusal.code, refusal.message, issues)
}

/** @throws Refusal 422 */
function refuseNames(files: readonly DeployedFile[], tree: Tree): void {
  const paths = files.map(({ path }) => path)
  const twice = paths.find((path, at) => paths.indexOf(path) !== at)
  const going = new Set(files.filter(({ digest }) => digest === null).map(({ path }) => path))
  const held = new Set([...tree.files.keys()].filter(path => !going.has(path)))
  const coming = files.filter(({ digest }) => digest !== null).map(({ path }) => path)
  const faults = [
    ...(twice === undefined ? [] : [{ path: twice, why: 'it is named twice' }]),
    ...nameFaults(coming, held),
    ...[...going].filter(path => !tree.files.has(path)).flatMap(path => nameFaults([path], held)),
  ]
  refusePaths(faults)
}

/** @throws Refusal 422 */
function refusePlaces(files: readonly DeployedFile[], tree: Tree, contents: Contents): void {
  refusePaths(
    files.flatMap(({ path }) => {
      const bytes = contents.get(path)?.length ?? 0
      const maxBytes = maxBytesOf(path, defaultBudget)
      if (bytes > maxBytes) return [{ path, why: `it has ${bytes} bytes; at most ${maxBytes} are accepted` }]
      return isAccepted(tree, path, contents)
        ? []
        : [{ path, why: 'no file of the estate lies or leads there; environments/ and services/ are accepted' }]
    }),
  )
}

function refusePaths(faults: readonly { readonly path: string; readonly why: string }[]): void {
  if (faults.length === 0) return
  const issues = faults.map(({ path, why }) =>
    issue('DEPLOY_PATH', `Cannot take ${printable(path)} as ${why}`, { at: { path, line: 1, column: 1 } }),
  )
  throw new Refusal(422, 'DEPLOY_PATH', issues[0]?.message ?? '', issues)
}

/** @throws Refusal 409 where something else lies there than the client saw, or sends */
function refuseConflicts(files: readonly DeployedFile[], tree: Tree, contents: Contents): void {
  const conflicts = files.filter(({ path, base }) => {
    const there = tree.files.get(path)?.blob ?? null
    const content = contents.get(path) ?? null
    return there !== base && there !== (content && blobId(content, there?.length === 64 ? 64 : 40))
  })
  if (conflicts.length > 0) throw conflict(conflicts.map(({ path }) => path))
}

function conflict(paths: readonly string[]): Refusal {
  const issues = paths.map(path =>
    issue(
      'DEPLOY_CONFLICT',
      `Cannot deploy ${printable(path)} as the file on the server is another one than it was changed from; take its text in, or send yours over it with plumb deploy --force`,
      {
        at: { path, line: 1, column: 1 },
      },
    ),
  )
  return new Refusal(409, 'DEPLOY_CONFLICT', issues[0]?.message ?? '', issues)
}

/** @throws Refusal 422 with what is wrong with the tree as it would be */
async function refuseFaults(candidate: Tree, ground: Ground): Promise<void> {
  const compiled = await ground.compile(candidate).catch(error => Promise.reject(sourceRefusal(error)))
  const issues: Issue[] = [...compiled.issues]
  if (ground.kind === 'layers' && compiled.desired?.settings.mode === 'git')
    issues.push(issue('MODE_GIT', 'Cannot deploy an environment.yaml with "mode: git" as deploys would be refused from then on; commit it'))
  if (compiled.desired !== null && !hasErrors(issues)) return
  const first = issues.find(({ severity }) => severity === 'error')
  throw new Refusal(422, 'INPUT', first?.message ?? 'Cannot use the files as they have errors', issues)
}

/** The contents by path, and the digests of those that are not here. */
async function contentsOf(
  files: readonly DeployedFile[],
  store: Pick<Store, 'getBlob'>,
): Promise<{ contents: Contents; missing: readonly string[] }> {
  const missing: string[] = []
  const contents = new Map<string, Uint8Array | null>()
  for (const { path, digest } of files) {
    const content = digest === null ? null : await store.getBlob(digest)
    if (content === undefined && digest !== null) missing.push(digest)
    else contents.set(path, content ?? null)
  }
  return { contents, missing }
}

async function treeOf(ground: Ground): Promise<Tree> {
  try {
    return await ground.tree()
  } catch (error) {
    throw sourceRefusal(error)
  }
}

function isReadable(tree: Tree, path: string): boolean {
  return (tree.files.get(path)?.bytes ?? 0) <= maxBytesOf(path, defaultBudget)
}

function isSame(deploy: Deploy, { client, sequence, files }: DeployRequest): boolean {
  const text = (of: Pick<DeployRequest, 'client' | 'sequence' | 'files'>) =>
    canonicalJson({ client: of.client, sequence: of.sequence, files: plain(of.files) })
  return text(deploy) === text({ client, sequence, files })
}

function replayed(id: string): Refusal {
  return new Refusal(
    409,
    'DEPLOY_REPLAYED',
    `Cannot take the deploy ${id} as its id stands for another one; a new id is accepted; nothing was changed`,
  )
}

function sourceRefusal(error: unknown): unknown {
  if (!(error instanceof SourceError)) return error
  return error.kind === 'refused' ? new Refusal(422, 'TREE_REFUSED', error.message) : new Refusal(502, 'SOURCE_FAILED', error.message)
}

function toldOf(outcome: SyncOutcome): JsonObject {
  const { revision: _revision, phases: _phases, ...told } = describe(outcome)
  return told
}

/** As JSON carries it. */
function plain(rows: readonly object[]): JsonObject[] {
  return JSON.parse(JSON.stringify(rows)) as JsonObject[] // the parse of an array of objects
}
