// The part of the control process that changes what is live: compilation, source and loop, and the admin API in front of them. It is
// most of the process's code, and nothing of it is needed to serve what was live before.

import { systemClock } from '../adapters/clock.ts'
import type { Log } from '../adapters/port.ts'
import { createAdminApp } from '../engine/admin/app.ts'
import { feedAudit } from '../engine/admin/audit-feed.ts'
import { createDebugOperations } from '../engine/admin/debug-operations.ts'
import { listenAdmin } from '../engine/admin/listen.ts'
import type { Events } from '../engine/admin/port.ts'
import { openTokens, type Tokens } from '../engine/admin/tokens.ts'
import { serveSession } from '../engine/debug/session-socket.ts'
import type { Logs } from '../engine/log/hub.ts'
import type { ProcessLog } from '../engine/log/log.ts'
import { engineMetrics } from '../engine/metrics/engine-metrics.ts'
import { createMetrics } from '../engine/metrics/exposition.ts'
import { workMetrics } from '../engine/metrics/work-metrics.ts'
import { workerMetrics } from '../engine/metrics/worker-metrics.ts'
import { logTally } from '../engine/metrics/worker-snapshot.ts'
import { createClientAddresses } from '../engine/plane/client-address.ts'
import type { ProcessEngine } from '../engine/process/control.ts'
import type { Jobs } from '../engine/scheduler/jobs.ts'
import type { Store } from '../engine/store/port.ts'
import type { Certificates } from '../engine/tls/certificates.ts'
import { isLoopback } from '../schema/network.ts'
import type { SealKey } from '../schema/seal.ts'
import { builtinVocabulary } from '../schema/vocabulary.ts'
import { createCompilation } from './compilation.ts'
import { followSource } from './follow.ts'
import { openInspector } from './inspector.ts'
import type { Libraries } from './libraries.ts'
import type { ControlConfig } from './serve-options.ts'
import { version } from './version.ts'

export interface OperateOptions {
  readonly config: ControlConfig
  readonly store: Store
  readonly events: Events
  readonly engine: ProcessEngine
  readonly certificates: Certificates
  readonly jobs: Jobs
  readonly sealKey: SealKey | null
  readonly libraries: Libraries
  /** Why what was live last is not used; null where it is. */
  readonly recovered: string | null
  readonly signal: AbortSignal
  readonly log: ProcessLog
  readonly logs: Logs
}

const closeMs = 5_000

/** Opens the admin API and begins to follow the source. */
export async function operate(options: OperateOptions): Promise<AsyncDisposable> {
  const { config, store, events, engine, jobs, certificates, sealKey, libraries, recovered, signal, log, logs } = options
  const { dataDirectory, environment } = config
  const vocabulary = builtinVocabulary()
  const compilation = createCompilation({ config, vocabulary, sealKey, libraries })
  const { conditions } = certificates
  const following = followSource({ config, vocabulary, sealKey, store, engine, conditions, compilation, clock: systemClock, signal, log })
  // Who serves a working tree comes through the socket; a token for another way is asked for there.
  const tokens = await openTokens(store, { environment, makesFirst: config.command === 'serve', log })
  const feed = feedAudit({ store, events, log })
  const engineSource = engineMetrics({ engine, conditions: following.conditions, events, environment, version: version() })
  const sources = [
    engineSource,
    workerMetrics({ snapshots: engine.snapshots, log: () => logTally(log) }),
    workMetrics({ jobs: jobs.snapshot, queue: engine.queue.snapshot }),
    following.metrics,
  ]
  const app = createAdminApp({
    environment,
    version: version(),
    operations: following.operations,
    deploys: following.deploys,
    work: { ...engine.queue.tasks, counts: () => ({ ...engine.queue.snapshot() }) },
    jobs: jobs.operations(() => engine.live().manifest),
    events,
    journal: store,
    logs,
    metrics: createMetrics(sources),
    tokens,
    audit: store,
    log,
    debug: createDebugOperations({ host: engine.debug, isAllowed: config.debug.allow }),
    // Behind a proxy it is called by the proxy's name.
    loopback: !config.behindProxy && (config.admin.host === 'localhost' || isLoopback(config.admin.host)),
    behindProxy: config.behindProxy,
    clients: createClientAddresses(config.trustedProxies),
    ready: () =>
      engine.live().generation > 0 ? { ready: true, reason: null } : { ready: false, reason: recovered ?? 'no generation is live yet' },
  })
  const served = certificates.served('admin')
  const tls = config.tls.admin && served && { manners: config.tls.admin, served }
  const listener = await listenAdmin({
    app,
    listen: { fd: 3 },
    dataDir: dataDirectory,
    tls,
    onTunnel: (socket, { worker, actor, address }) =>
      void serveSession(socket, engine.debug, Number(worker), { actor: String(actor), address: String(address) }),
  })
  certificates.follow('admin', listener.serveAs)
  const inspector = config.debug.port === null ? null : await openInspector(engine.debug, { port: config.debug.port, environment, log })
  tellFirst(tokens, log)
  following.start()
  return {
    async [Symbol.asyncDispose]() {
      // What they hold goes on, and can end in order.
      engine.debug.detachAll('the server stops')
      await inspector?.[Symbol.asyncDispose]()
      await listener.close(closeMs)
      engineSource[Symbol.dispose]()
      await following.close()
      await feed[Symbol.asyncDispose]()
      await compilation[Symbol.asyncDispose]()
    },
  }
}

/** The value once, by the start that made it; then that it waits, as long as it does. */
function tellFirst({ first, waiting }: Tokens, log: Log): void {
  if (first !== null)
    process.stdout.write(`First token, shown this once, good for a day and for one thing, plumb token exchange: ${first}\n`)
  else if (waiting() === 'waiting')
    log.warn({}, 'The first token waits to be exchanged by plumb token exchange; plumb token reset-first makes another in its place')
  else if (waiting() === 'expired')
    log.warn({}, 'The first token has expired and was not exchanged; plumb token reset-first makes another in its place')
}
