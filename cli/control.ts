// The control process put together: store and engine first, so that workers serve what was live; then all that changes it.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../adapters/clock.ts'
import { markOf } from '../engine/generation/mark.ts'
import { LogHub } from '../engine/log/hub.ts'
import { createLog, type ProcessLog } from '../engine/log/log.ts'
import { readLive, startEngine } from '../engine/process/control.ts'
import { lockData } from '../engine/process/lock.ts'
import { createJobs } from '../engine/scheduler/jobs.ts'
import { observeJournal } from '../engine/store/observed.ts'
import { openSqliteStore } from '../engine/store/sqlite.ts'
import { openCertificates } from '../engine/tls/certificates.ts'
import { createLibraries } from './libraries.ts'
import { createLoadCheck } from './load-check.ts'
import { openKey } from './seal-key.ts'
import type { ControlConfig } from './serve-options.ts'
import { logEvents, tellPeople } from './tell.ts'

/** Where files of a tree lie for debuggers: no folder of this machine, but one that an editor can map to the developer's. */
const debugRoot = '/estate'
const lockWaitMs = 10_000
/** Longer than workers take to build what was live; where they cannot, the change that mends it must still come in. */
const servedWaitMs = 2_000

/**
 * Disposing what it resolves with ends the server in order.
 * @param signal aborted when the server is to end: it then starts no more than it has to, and rejects where nothing has to end in order
 */
export async function startControl(config: ControlConfig, signal: AbortSignal): Promise<AsyncDisposable> {
  const { dataDirectory } = config
  const log = createLog({ process: 'control', human: config.command === 'dev', ...config.logs })
  process.once('exit', () => log.end())
  // The control process before this one may still be ending.
  await lockData(dataDirectory, 'control', lockWaitMs, signal)
  await mkdir(join(dataDirectory, 'cache'), { recursive: true, mode: 0o700 })
  const parts = new AsyncDisposableStack()
  try {
    await startParts(parts, config, { log, signal })
    return parts
  } catch (error) {
    // What is on probation must not take the end of this process for its own crash.
    await parts.disposeAsync()
    throw error
  }
}

async function startParts(
  parts: AsyncDisposableStack,
  config: ControlConfig,
  { log, signal }: { readonly log: ProcessLog; readonly signal: AbortSignal },
): Promise<void> {
  const { dataDirectory, environment } = config
  const sealKey = openKey(config.sealKeyPath, log)
  const { store, events } = observeJournal(await openSqliteStore(join(dataDirectory, 'plumb.db')))
  // Not `use`: V8 finds no method in a proxy.
  parts.defer(() => store[Symbol.asyncDispose]())
  const { boot, recovered } = await readLive(dataDirectory, await store.listHistory(100))
  if (recovered) log.warn({ reason: recovered }, 'The last good state was damaged and an older one is used')

  const worktree = config.source.kind === 'worktree' ? config.source.root : null
  const libraries = createLibraries(dataDirectory, { worktree, log })
  const loadCheck = parts.use(createLoadCheck({ libraries, dataDirectory, signal }))
  const announce = (type: string, body: Readonly<Record<string, string | number | boolean | null>>) =>
    void store.appendJournal(type, body).catch(error => log.error({ reason: String(error) }, `Cannot write "${type}" to the journal`))
  if (config.command === 'dev') tellPeople(events)
  else logEvents(events, log)

  const jobs = createJobs({ store, clock: systemClock, log, announce })
  signal.throwIfAborted()
  const certificates = await openCertificates({ configs: config.tls, dataDirectory, sealKey, clock: systemClock, announce, signal })
  const logs = new LogHub(log.book)
  const engine = parts.use(
    await startEngine({
      environment,
      dataDirectory,
      store,
      sealKey,
      workers: config.workers,
      sourceRoot: worktree ?? (config.debug.allow ? debugRoot : null),
      boot,
      certificates,
      announce,
      log,
      logs,
      rows: jobs.rows,
      check: loadCheck.check,
      libraries: libraries.directoryOf,
      onBad: async (pairs, reason) => store.putMark(markOf({ environment, pairs, actor: 'plumb', reason, at: new Date().toISOString() })),
      fail: error => {
        log.error({ reason: error.message }, 'This process ends and is started anew, to read what the disk holds')
        process.exit(75)
      },
    }),
  )
  // Before the engine lets go of its generations.
  parts.defer(jobs.end)
  // To load the rest takes this process a while in which it hears no worker, and the machine's cores are the workers' until they serve.
  if (boot !== null) await engine.served(servedWaitMs, signal)
  if (signal.aborted) return
  loadCheck.warm()
  const { operate } = await import('./operate.ts')
  parts.use(await operate({ config, store, events, engine, jobs, certificates, sealKey, libraries, recovered, signal, log, logs }))
}
