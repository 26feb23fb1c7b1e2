// The part of the control process that changes what is live: compilation, source and loop, and the admin API in front of them. It is
// most of the process's code, and nothing of it is needed to serve what was live before.

import { systemClock } from '../adapters/clock.ts'
import type { Log } from '../adapters/port.ts'
import { createAdminApp } from '../engine/admin/app.ts'
import { listenAdmin } from '../engine/admin/listen.ts'
import type { Events } from '../engine/admin/port.ts'
import { openTokens } from '../engine/admin/token.ts'
import type { Engine } from '../engine/generation/engine.ts'
import type { Store } from '../engine/store/port.ts'
import type { SealKey } from '../schema/seal.ts'
import { builtinVocabulary } from '../schema/vocabulary.ts'
import { createCompilation } from './compilation.ts'
import { followSource } from './follow.ts'
import type { Libraries } from './libraries.ts'
import type { ControlConfig } from './serve-options.ts'
import { version } from './version.ts'

export interface OperateOptions {
  readonly config: ControlConfig
  readonly store: Store
  readonly events: Events
  readonly engine: Engine
  readonly sealKey: SealKey | null
  readonly libraries: Libraries
  /** Why what was live last is not used; null where it is. */
  readonly recovered: string | null
  readonly signal: AbortSignal
  readonly log: Log
}

const closeMs = 5_000

/** Opens the admin API and begins to follow the source. */
export async function operate(options: OperateOptions): Promise<AsyncDisposable> {
  const { config, store, events, engine, sealKey, libraries, recovered, signal, log } = options
  const { dataDirectory, environment } = config
  const vocabulary = builtinVocabulary()
  const compilation = createCompilation({ config, vocabulary, sealKey, libraries })
  const following = followSource({ config, vocabulary, sealKey, store, engine, compilation, clock: systemClock, signal, log })
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
    async [Symbol.asyncDispose]() {
      await listener.close(closeMs)
      await following.close()
      await compilation[Symbol.asyncDispose]()
    },
  }
}
