// A swap over workers in memory, with the real store and a real disk.

import { cp, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readCurrent } from '../../../engine/generation/current.ts'
import type { ApplyOutcome, ApplyRequest } from '../../../engine/generation/engine.ts'
import type { Entry } from '../../../engine/generation/manifest.ts'
import { readManifest } from '../../../engine/generation/manifests.ts'
import { createSwap, type Swap, type SwapOptions } from '../../../engine/generation/swap.ts'
import type { HistoryRow, Store } from '../../../engine/store/port.ts'
import { openSqliteStore } from '../../../engine/store/sqlite.ts'
import { revision } from '../../../schema/ref.ts'
import { temporaryDirectory } from '../../directory.ts'
import { entryOf, settings } from './arbitraries.ts'
import { createWorkerDoubles, type WorkerDouble, type WorkerDoubles } from './worker-double.ts'

export interface Rig extends AsyncDisposable {
  readonly swap: Swap
  readonly store: Store
  readonly workers: WorkerDoubles
  readonly data: string
  readonly announced: readonly string[]
  /** Change sets that were marked. */
  readonly marked: ApplyRequest['pairs'][]
  /** Applies an entry of that name and value against what is live. */
  apply(value: number, options?: Partial<ApplyRequest> & { readonly name?: string }): Promise<ApplyOutcome>
  /** Ends in good order and starts anew from the disk. */
  restart(): Promise<void>
  /** Starts anew from what the disk holds at this instant, as after a kill of everything but the workers named. */
  crash(kept?: 'workers'): Promise<void>
  /** Starts a worker and brings it up, as the supervisor and its greeting do. */
  startWorker(): Promise<WorkerDouble>
  /** While it holds, `current` cannot be written. */
  refuseWrites(): Promise<AsyncDisposable>
  bytes(): Promise<string | null>
  history(): Promise<readonly HistoryRow[]>
}

export async function createRig(options: Partial<SwapOptions> & { readonly workerCount?: number } = {}): Promise<Rig> {
  const { workerCount = 2, ...given } = options
  const home = await temporaryDirectory()
  const store = given.store ?? (await openSqliteStore(join(home.path, 'plumb.db')))
  const announced: string[] = []
  const marked: ApplyRequest['pairs'][] = []
  let lives = 0
  let data = ''
  let workers = createWorkerDoubles(workerCount)
  let swap: Swap

  await start(null)
  return {
    get swap() {
      return swap
    },
    store,
    get workers() {
      return workers
    },
    get data() {
      return data
    },
    announced,
    marked,
    apply(value, request = {}) {
      const { name = 'a', ...rest } = request
      const entry = entryOf(name, { value })
      return swap.apply({ ...requestOf(entry, swap.live().serial), ...rest })
    },
    async restart() {
      await swap[Symbol.asyncDispose]()
      await start(data)
    },
    async crash(kept) {
      const before = swap
      if (kept !== 'workers') workers = createWorkerDoubles(workerCount)
      // What the old life still writes goes where nobody looks.
      const left = data
      await start(left)
      await before[Symbol.asyncDispose]()
    },
    async startWorker() {
      const worker = workers.start()
      await swap.bringUp(worker)
      return worker
    },
    async refuseWrites() {
      const inTheWay = join(data, 'current.tmp')
      await mkdir(join(inTheWay, 'file'), { recursive: true })
      return { [Symbol.asyncDispose]: () => rm(inTheWay, { recursive: true }) }
    },
    bytes: () => readFile(join(data, 'current'), 'utf8').catch(() => null), // null before the first
    history: () => store.listHistory(1000),
    async [Symbol.asyncDispose]() {
      await swap[Symbol.asyncDispose]()
      if (!given.store) await store[Symbol.asyncDispose]()
      await home[Symbol.asyncDispose]()
    },
  }

  async function start(from: string | null): Promise<void> {
    lives += 1
    data = join(home.path, `life-${lives}`)
    if (from === null) await mkdir(data)
    else await cp(from, data, { recursive: true })
    const { state } = await readCurrent(data)
    swap = await createSwap({
      environment: 'dev',
      workers,
      store,
      boot: state && { state, manifest: await readManifest(data, state.manifest) },
      check: async () => [],
      libraries: () => null,
      announce: type => announced.push(type),
      onBad: async pairs => {
        marked.push(pairs)
      },
      now: Date.now,
      fail: error => {
        throw error
      },
      ...given,
      dataDirectory: data,
    })
    for (const worker of workers.alive) await swap.bringUp(worker)
  }
}

export function requestOf(entry: Entry, baseSerial: number): ApplyRequest {
  return {
    baseSerial,
    delta: { revision: revision('b'.repeat(40)), set: [entry], unset: [], modules: [], settings, lockfile: null },
    actor: 'test',
    reason: 'sync',
    summary: { create: 1, update: 0, delete: 0 },
    pairs: [[entry.resource.ref, entry.resource.effectiveDigest]],
    preflight: 'warn',
    probationMs: 0,
  }
}
