// The embedded store: SQLite in a thread of its own. Calls of one tick travel together and are committed together; a call
// resolves when its transaction is on disk.

import { open } from 'node:fs/promises'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { StoreError, type StoreFault } from './error.ts'
import type { Mark, Outcome, PlanRow, Store } from './port.ts'
import type { Call, Fault, FromThread, Method, ThreadOptions, ToThread } from './sqlite-protocol.ts'

/**
 * Opens the store in the file at `path` (made where there is none; its directory must exist) and brings its tables up to this build.
 * The file is held for the life of the store: no other process can open it.
 * @param busyTimeoutMs how long to wait for another to let go of the file: one that was killed did so at once, one that closes needs a moment
 * @throws StoreError
 */
export async function openSqliteStore(path: string, { busyTimeoutMs = 5000 } = {}): Promise<Store> {
  await createPrivately(path)
  // The thread's file lies beside this one, as source and compiled.
  const worker = new Worker(new URL(`./sqlite-thread${extname(import.meta.filename)}`, import.meta.url), {
    workerData: { path, busyTimeoutMs } satisfies ThreadOptions,
    name: 'plumb store',
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  const first = await new Promise<FromThread>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  if ('refused' in first) throw new StoreError(first.refused.fault, openingMessage(path, first.refused))
  return new SqliteStore(path, worker)
}

/** SQLite would make the file readable for all; its side files take their permissions from it. */
async function createPrivately(path: string): Promise<void> {
  try {
    await (await open(path, 'a', 0o600)).close()
  } catch (cause) {
    const fault: Fault = { fault: 'io', message: cause instanceof Error ? cause.message : String(cause) }
    throw new StoreError(fault.fault, openingMessage(path, fault), cause)
  }
}

interface Waiting {
  readonly method: Method
  resolve(value: unknown): void
  reject(reason: StoreError): void
}

class SqliteStore implements Store {
  readonly #path: string
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #ended: Promise<void>
  #queued: Call[] = []
  #lastId = 0
  #closed: string | null = null

  constructor(path: string, worker: Worker) {
    this.#path = path
    this.#worker = worker
    this.#ended = new Promise(resolve => worker.once('exit', () => resolve()))
    worker.on('message', (message: FromThread) => this.#settle(message))
    worker.on('error', cause => this.#abandon(`its thread failed: ${cause.message}`))
    worker.on('exit', () => this.#abandon('its thread ended'))
  }

  readonly appendJournal: Store['appendJournal'] = (type, body) => this.#call('appendJournal', type, body)
  readonly readJournal: Store['readJournal'] = (after, limit) => this.#call('readJournal', after, limit)
  readonly insertHistory: Store['insertHistory'] = (...args) => this.#call('insertHistory', ...args)
  readonly setOutcome = (serial: number, outcome: Outcome) => this.#call('setOutcome', serial, outcome)
  readonly listHistory = (limit: number, before?: number) => this.#call('listHistory', limit, before)
  readonly getHistory = (serial: number) => this.#call('getHistory', serial)
  readonly putPlan = (row: PlanRow) => this.#call('putPlan', row)
  readonly getPlan = (id: string) => this.#call('getPlan', id)
  readonly listPlans = (limit: number) => this.#call('listPlans', limit)
  readonly closePlan: Store['closePlan'] = (id, state) => this.#call('closePlan', id, state)
  readonly reopenPlan: Store['reopenPlan'] = id => this.#call('reopenPlan', id)
  readonly putMark = (mark: Mark) => this.#call('putMark', mark)
  readonly listMarks = () => this.#call('listMarks')
  readonly clearMarks = (ids: readonly string[]) => this.#call('clearMarks', ids)
  readonly acquireLease: Store['acquireLease'] = (...args) => this.#call('acquireLease', ...args)
  readonly releaseLease: Store['releaseLease'] = (...args) => this.#call('releaseLease', ...args)
  readonly listLeases = () => this.#call('listLeases')
  readonly claim = (key: string, holder: string) => this.#call('claim', key, holder)
  readonly putBlob = (bytes: Uint8Array) => this.#call('putBlob', bytes)
  readonly getBlob = (digest: string) => this.#call('getBlob', digest)
  readonly prune = (before: string) => this.#call('prune', before)
  readonly getSetting = (key: string) => this.#call('getSetting', key)
  readonly listLayers = () => this.#call('listLayers')
  readonly insertDeploy: Store['insertDeploy'] = (...args) => this.#call('insertDeploy', ...args)
  readonly getDeploy = (id: string) => this.#call('getDeploy', id)
  readonly listOpenDeploys = () => this.#call('listOpenDeploys')
  readonly lastSequence = (client: string) => this.#call('lastSequence', client)
  readonly endDeploy: Store['endDeploy'] = (...args) => this.#call('endDeploy', ...args)
  readonly liftLayers = (paths: readonly string[]) => this.#call('liftLayers', paths)
  readonly missingBlobs = (digests: readonly string[]) => this.#call('missingBlobs', digests)
  readonly putSetting = (key: string, value: string) => this.#call('putSetting', key, value)
  readonly insertToken: Store['insertToken'] = (...args) => this.#call('insertToken', ...args)
  readonly listTokens = () => this.#call('listTokens')
  readonly revokeToken = (id: string, at: string) => this.#call('revokeToken', id, at)
  readonly touchToken = (id: string, at: string) => this.#call('touchToken', id, at)
  readonly appendAudit: Store['appendAudit'] = entry => this.#call('appendAudit', entry)
  readonly readAudit: Store['readAudit'] = query => this.#call('readAudit', query)
  readonly lastAuditedEvent = () => this.#call('lastAuditedEvent')
  readonly pruneAudit: Store['pruneAudit'] = before => this.#call('pruneAudit', before)

  readonly enqueueTask: Store['enqueueTask'] = task => this.#call('enqueueTask', task)
  readonly dueTasks: Store['dueTasks'] = (...args) => this.#call('dueTasks', ...args)
  readonly nextTaskAt: Store['nextTaskAt'] = except => this.#call('nextTaskAt', except)
  readonly takeTask: Store['takeTask'] = (...args) => this.#call('takeTask', ...args)
  readonly finishTask: Store['finishTask'] = (...args) => this.#call('finishTask', ...args)
  readonly returnTask: Store['returnTask'] = (...args) => this.#call('returnTask', ...args)
  readonly getTask: Store['getTask'] = id => this.#call('getTask', id)
  readonly listTasks: Store['listTasks'] = page => this.#call('listTasks', page)
  readonly countTasks: Store['countTasks'] = () => this.#call('countTasks')
  readonly resubmitTasks: Store['resubmitTasks'] = (...args) => this.#call('resubmitTasks', ...args)
  readonly discardTask: Store['discardTask'] = id => this.#call('discardTask', id)

  readonly putRuns: Store['putRuns'] = (...args) => this.#call('putRuns', ...args)
  readonly takeRun: Store['takeRun'] = (...args) => this.#call('takeRun', ...args)
  readonly endRun: Store['endRun'] = (...args) => this.#call('endRun', ...args)
  readonly getRun: Store['getRun'] = key => this.#call('getRun', key)
  readonly openRuns: Store['openRuns'] = () => this.#call('openRuns')
  readonly listRuns: Store['listRuns'] = query => this.#call('listRuns', query)
  readonly lastRuns: Store['lastRuns'] = () => this.#call('lastRuns')
  readonly putJobStates: Store['putJobStates'] = states => this.#call('putJobStates', states)
  readonly setPause: Store['setPause'] = (...args) => this.#call('setPause', ...args)
  readonly listJobStates: Store['listJobStates'] = () => this.#call('listJobStates')
  readonly pruneRuns: Store['pruneRuns'] = (...args) => this.#call('pruneRuns', ...args)

  /** Resolves when what was asked before is on disk and the file is let go. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed === null) {
      this.#send()
      this.#closed = 'it was closed'
      this.#worker.postMessage({ close: true } satisfies ToThread)
    }
    await this.#ended
  }

  #call<M extends Method>(method: M, ...args: Parameters<Store[M]>): ReturnType<Store[M]> {
    const answer = new Promise((resolve, reject) => {
      if (this.#closed !== null) return reject(this.#error(method, { fault: 'closed', message: this.#closed }))
      const id = ++this.#lastId
      this.#waiting.set(id, { method, resolve, reject })
      if (this.#queued.push({ id, method, args }) === 1) setImmediate(() => this.#send())
    })
    return answer as ReturnType<Store[M]> // the thread answers each method with what SyncStore says
  }

  #send(): void {
    if (this.#queued.length === 0 || this.#closed !== null) return
    this.#worker.postMessage({ calls: this.#queued } satisfies ToThread)
    this.#queued = []
  }

  #settle(message: FromThread): void {
    if (!('replies' in message)) return
    for (const reply of message.replies) {
      const waiting = this.#waiting.get(reply.id)
      this.#waiting.delete(reply.id)
      if ('error' in reply) waiting?.reject(this.#error(waiting.method, reply.error))
      else waiting?.resolve(reply.value)
    }
  }

  #abandon(reason: string): void {
    this.#closed ??= reason
    for (const waiting of this.#waiting.values()) waiting.reject(this.#error(waiting.method, { fault: 'closed', message: reason }))
    this.#waiting.clear()
  }

  #error(method: Method, { fault, message }: Fault): StoreError {
    return new StoreError(
      fault,
      `Cannot carry out ${method} as ${whatIs[fault]}: ${message}, in "${this.#path}"; nothing of it was written`,
    )
  }
}

const whatIs = {
  busy: 'another process holds the store',
  corrupt: 'the store is damaged',
  full: 'the disk is full',
  io: 'the disk refused it',
  version: 'a later build wrote the store',
  closed: 'the store is closed',
  failed: 'the store refused it',
} as const satisfies Record<StoreFault, string>

const wayOut = {
  busy: 'stop the other server, or give this one a data directory of its own',
  corrupt: 'move the file away to start with an empty history; what is live is kept elsewhere and stays',
  full: 'free some room and start again',
  io: 'see to the disk and the permissions of the directory, and start again',
  version: 'start the later build, or move the file away',
  closed: 'start again',
  failed: 'this is a mistake of ours: report it with this message',
} as const satisfies Record<StoreFault, string>

function openingMessage(path: string, { fault, message }: Fault): string {
  return `Cannot open the store "${path}" as ${whatIs[fault]}: ${message}; ${wayOut[fault]}`
}
