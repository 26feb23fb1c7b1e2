// One turn of `plumb deploy`: what differs from the server goes there, and how it ended is said. What the server has is known from the turn
// before; where it turns out to be something else, it is asked for and compared again.

import { type Changed, changedFiles } from '../reconcile/source/changed.ts'
import { referenceFiles } from '../reconcile/source/reference.ts'
import type { WorktreeSource } from '../reconcile/source/worktree.ts'
import { type Issue, issue } from '../schema/issue.ts'
import { isObject, type JsonObject } from '../schema/json.ts'
import { commitOf, isRevision } from '../schema/ref.ts'
import { type AdminClient, ServerRefusal, UnreachableError } from './client.ts'
import { CopyReader } from './deploy-copy.ts'
import { type PreparedDeploy, prepareDeploy, sendDeploy } from './deploy-exchange.ts'
import { overLink } from './deploy-link.ts'
import type { DeployState } from './deploy-state.ts'

export interface TurnOptions {
  readonly source: WorktreeSource
  readonly connect: (signal: AbortSignal) => Promise<AdminClient>
  readonly state: DeployState
  readonly force: boolean
  readonly signal: AbortSignal
  /** Called when there is something to send. */
  readonly onBegin: (files: number) => void
}

export type TurnEnd =
  /** Nothing differs. */
  | { readonly kind: 'idle'; readonly notes: readonly Issue[] }
  | { readonly kind: 'answered'; readonly outcome: JsonObject; readonly files: number; readonly notes: readonly Issue[] }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string; readonly issues: readonly Issue[] }

/** A link that is open, and what is known of the other end. */
interface Known {
  readonly server: AdminClient
  readonly there: Map<string, string>
  readonly reference: ReadonlyMap<string, string> | null
  sequence: number
}

export class Deployer implements AsyncDisposable {
  readonly #options: TurnOptions
  readonly #reader: CopyReader
  /** Whether the server was ever there. */
  hasAnswered = false
  #server: AdminClient | null = null
  #known: Known | null = null
  /** May have arrived: it is sent again, and answered, before anything else is. */
  #pending: PreparedDeploy | null = null

  constructor(options: TurnOptions) {
    this.#options = options
    this.#reader = new CopyReader(options.source)
  }

  /** @throws UnreachableError; the next turn goes on where this one was cut off */
  async turn(): Promise<TurnEnd> {
    try {
      return await this.#turn()
    } catch (error) {
      if (error instanceof UnreachableError || (error instanceof ServerRefusal && error.status >= 500)) {
        await this.#hangUp()
        throw error instanceof UnreachableError ? error : new UnreachableError(error.message, { cause: error })
      }
      if (!(error instanceof ServerRefusal)) throw error
      this.#known = null
      return { kind: 'refused', code: error.code, message: error.message, issues: error.issues }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hangUp()
  }

  async #turn(): Promise<TurnEnd> {
    const { signal, state, onBegin } = this.#options
    this.#server ??= await this.#options.connect(signal)
    const server = this.#server
    this.hasAnswered = true
    const late = this.#pending && (await this.#sendLate(server, this.#pending))
    for (let isFresh = this.#known === null; ; isFresh = true) {
      this.#known ??= await this.#look(server)
      const known = this.#known
      const { tree, changed, notes } = await this.#compare(known)
      if (changed.changes.length === 0) {
        if (changed.conflicts.length === 0) return late ? { ...late, notes } : { kind: 'idle', notes }
        return { kind: 'refused', code: 'DEPLOY_CONFLICT', message: notes.at(-1)?.message ?? '', issues: notes }
      }
      onBegin(changed.changes.length)
      const like = firstOf(known.there)
      const { client } = state
      const deploy = await prepareDeploy(server, { client, sequence: ++known.sequence, changes: changed.changes, tree, like })
      try {
        const outcome = await this.#send(server, deploy)
        return { kind: 'answered', outcome, files: changed.changes.length, notes }
      } catch (error) {
        // A commit, or another copy, was faster: compared with that, there is perhaps no conflict.
        const isStale = error instanceof ServerRefusal && (error.code === 'DEPLOY_CONFLICT' || error.code === 'DEPLOY_REPLAYED')
        if (!isStale || isFresh) throw error
        this.#known = null
      }
    }
  }

  /** What was cut off goes on; null where it cannot, as what is here is compared and sent anew. */
  async #sendLate(server: AdminClient, deploy: PreparedDeploy): Promise<Omit<Extract<TurnEnd, { kind: 'answered' }>, 'notes'> | null> {
    try {
      return { kind: 'answered', outcome: await this.#send(server, deploy), files: deploy.sent.size }
    } catch (error) {
      if (error instanceof ServerRefusal && error.status < 500) return null
      throw error
    }
  }

  async #send(server: AdminClient, deploy: PreparedDeploy): Promise<JsonObject> {
    const { connect, signal, state } = this.#options
    this.#pending = deploy
    // Before it goes, as it may arrive and the answer not: what lies there then came from here all the same.
    state.remember(deploy.sent)
    let answer: JsonObject
    try {
      answer = await overLink(connect, signal, each => sendDeploy(server, deploy, each))
    } catch (error) {
      if (error instanceof ServerRefusal && error.status < 500) this.#pending = null
      throw error
    }
    this.#pending = null
    const outcome = isObject(answer.outcome) ? answer.outcome : {}
    if (outcome.kind === 'refused' || outcome.kind === 'failed') this.#known = null
    else {
      for (const [path, blob] of deploy.sent) {
        if (blob === null) this.#known?.there.delete(path)
        else this.#known?.there.set(path, blob)
      }
    }
    return outcome
  }

  /** @throws ServerRefusal where the server accepts no deploys */
  async #look(server: AdminClient): Promise<Known> {
    const { state, source, signal } = this.#options
    const found = await server.get(`deploy?client=${state.client}`, signal)
    const { refusal, files, revision, sequence } = found
    if (isObject(refusal)) throw new ServerRefusal(409, { ...refusal, detail: refusal.message ?? '' })
    const there = new Map(Object.entries(isObject(files) ? files : {}).map(([path, blob]) => [path, String(blob)]))
    const commit = typeof revision === 'string' && isRevision(revision) ? commitOf(revision) : null
    return { server, there, reference: await referenceFiles(source.root, commit), sequence: Number(sequence) }
  }

  async #compare({ there, reference }: Known) {
    const { tree, ids } = await this.#reader.read(firstOf(there))
    const changed = changedFiles({ here: ids, there, reference, sent: this.#options.state.sent, force: this.#options.force })
    return { tree, changed, notes: notesOf(changed) }
  }

  async #hangUp(): Promise<void> {
    const server = this.#server
    this.#server = null
    this.#known = null
    await server?.[Symbol.asyncDispose]()
  }
}

function firstOf(there: ReadonlyMap<string, string>): string | undefined {
  const [first] = there.values()
  return first
}

function notesOf({ conflicts, behind }: Changed): Issue[] {
  const older = behind.map(path => `"${path}"`).slice(0, 3)
  return [
    ...(behind.length > 0
      ? [
          issue(
            'DEPLOY_BEHIND',
            `${behind.length === 1 ? 'One file is' : `${behind.length} files are`} newer on the server and not changed here, and so not sent: ${older.join(', ')}${behind.length > older.length ? ' …' : ''}; git pull takes them in`,
          ),
        ]
      : []),
    ...conflicts.map(path =>
      issue(
        'DEPLOY_CONFLICT',
        `Cannot deploy "${path}" as it was changed here and, since, on the server; take that in (git pull), or send yours over it with plumb deploy --force`,
        { at: { path, line: 1, column: 1 } },
      ),
    ),
  ]
}
