// The control process put together: store, engine, source, compilation, sync, admin API.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../adapters/clock.ts'
import { createAdminApp } from '../engine/admin/app.ts'
import { listenAdmin } from '../engine/admin/listen.ts'
import { openTokens } from '../engine/admin/token.ts'
import { markOf } from '../engine/generation/mark.ts'
import { readLive, startEngine } from '../engine/process/control.ts'
import { lockData } from '../engine/process/lock.ts'
import { createLog } from '../engine/process/log.ts'
import { observeJournal } from '../engine/store/observed.ts'
import { openSqliteStore } from '../engine/store/sqlite.ts'
import { builtinVocabulary } from '../schema/vocabulary.ts'
import { createCompilation } from './compilation.ts'
import { followSource } from './follow.ts'
import { createLibraries } from './libraries.ts'
import { createLoadCheck } from './load-check.ts'
import { openKey } from './seal-key.ts'
import type { ControlConfig } from './serve-options.ts'
import { tellPeople } from './tell.ts'
import { version } from './version.ts'

const lockWaitMs = 10_000
const closeMs = 5_000

export async function startControl(config: ControlConfig): Promise<{ close(): Promise<void> }> {
  const { dataDirectory, environment } = config
  const log = createLog({ process: 'control', human: config.command === 'dev' })
  // The control process before this one may still be ending.
  await lockData(dataDirectory, 'control', lockWaitMs)
  await mkdir(join(dataDirectory, 'cache'), { recursive: true, mode: 0o700 })
  const sealKey = openKey(config.sealKeyPath, log)
  const { store, events } = observeJournal(await openSqliteStore(join(dataDirectory, 'plumb.db')))
  const ending = new AbortController()
  const vocabulary = builtinVocabulary()
  const { boot, recovered } = await readLive(dataDirectory, await store.listHistory(100))
  if (recovered) log.warn({ reason: recovered }, 'The last good state was damaged and an older one is used')

  const worktree = config.source.kind === 'worktree' ? config.source.root : null
  const libraries = createLibraries(dataDirectory, { worktree, log })
  const compilation = createCompilation({ config, vocabulary, sealKey, libraries })
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
  const following = followSource({
    config,
    vocabulary,
    sealKey,
    store,
    engine,
    compilation,
    clock: systemClock,
    signal: ending.signal,
    log,
  })
  const tokens = await openTokens(store)
  const app = createAdminApp({
    environment,
    version: version(),
    operations: following.operations,
    events,
    journal: store,
    tokens,
    log,
    ready: () =>
      engine.live().generation > 0 ? { ready: true, reason: null } : { ready: false, reason: recovered ?? 'no generation is live yet' },
  })
  const listener = await listenAdmin({ app, listen: { fd: 3 }, dataDir: dataDirectory })
  if (tokens.first !== null) process.stdout.write(`Admin token, shown this once: ${tokens.first}\n`)
  following.start()

  return {
    async close() {
      ending.abort(new Error('The server is stopping'))
      await listener.close(closeMs)
      await following.close()
      await engine[Symbol.asyncDispose]()
      await loadCheck[Symbol.asyncDispose]()
      await compilation[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
    },
  }
}
