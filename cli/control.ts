// The control process put together: store and engine first, so that workers serve what was live; then all that changes it.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { markOf } from '../engine/generation/mark.ts'
import { readLive, startEngine } from '../engine/process/control.ts'
import { lockData } from '../engine/process/lock.ts'
import { createLog } from '../engine/process/log.ts'
import { observeJournal } from '../engine/store/observed.ts'
import { openSqliteStore } from '../engine/store/sqlite.ts'
import { createLibraries } from './libraries.ts'
import { createLoadCheck } from './load-check.ts'
import { openKey } from './seal-key.ts'
import type { ControlConfig } from './serve-options.ts'
import { tellPeople } from './tell.ts'

const lockWaitMs = 10_000
/** Longer than workers take to build what was live; where they cannot, the change that mends it must still come in. */
const servedWaitMs = 2_000

export async function startControl(config: ControlConfig): Promise<{ close(): Promise<void> }> {
  const { dataDirectory, environment } = config
  const log = createLog({ process: 'control', human: config.command === 'dev' })
  // The control process before this one may still be ending.
  await lockData(dataDirectory, 'control', lockWaitMs)
  await mkdir(join(dataDirectory, 'cache'), { recursive: true, mode: 0o700 })
  const sealKey = openKey(config.sealKeyPath, log)
  const { store, events } = observeJournal(await openSqliteStore(join(dataDirectory, 'plumb.db')))
  const ending = new AbortController()
  const { boot, recovered } = await readLive(dataDirectory, await store.listHistory(100))
  if (recovered) log.warn({ reason: recovered }, 'The last good state was damaged and an older one is used')

  const worktree = config.source.kind === 'worktree' ? config.source.root : null
  const libraries = createLibraries(dataDirectory, { worktree, log })
  const loadCheck = createLoadCheck({ libraries, dataDirectory, signal: ending.signal })
  const announce = (type: string, body: Readonly<Record<string, string | number | boolean | null>>) =>
    void store.appendJournal(type, body).catch(error => log.error({ reason: String(error) }, `Cannot write "${type}" to the journal`))
  if (config.command === 'dev') tellPeople(events)

  const engine = await startEngine({
    environment,
    dataDirectory,
    store,
    sealKey,
    workers: config.workers,
    sourceRoot: worktree,
    boot,
    announce,
    check: loadCheck.check,
    libraries: libraries.directoryOf,
    onBad: async (pairs, reason) => store.putMark(markOf({ environment, pairs, actor: 'plumb', reason, at: new Date().toISOString() })),
    fail: error => {
      log.error({ reason: error.message }, 'This process ends and is started anew, to read what the disk holds')
      process.exit(75)
    },
  })
  // To load the rest takes this process a while in which it hears no worker, and the machine's cores are the workers' until they serve.
  if (boot !== null) await engine.served(servedWaitMs)
  loadCheck.warm()
  const { operate } = await import('./operate.ts')
  const operations = await operate({ config, store, events, engine, sealKey, libraries, recovered, signal: ending.signal, log })

  return {
    async close() {
      ending.abort(new Error('The server is stopping'))
      await operations[Symbol.asyncDispose]()
      await engine[Symbol.asyncDispose]()
      await loadCheck[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
    },
  }
}
