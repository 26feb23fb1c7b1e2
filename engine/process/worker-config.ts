// What a worker is started with, before its number: plain data, as JSON on its command line.

import type { LogOptions } from '../log/log.ts'
import type { TlsManners } from '../tls/secure-server.ts'

export interface WorkerConfig {
  readonly dataDirectory: string
  /** Under `plumb dev`: it logs for people, and code carries its source map for debuggers. */
  readonly human: boolean
  readonly logs: Pick<LogOptions, 'level' | 'access'>
  /** Of the channels' port; null: plain HTTP. */
  readonly tls: TlsManners | null
  readonly trustedProxies: readonly string[]
  /** Whether debuggers may attach. */
  readonly debug: boolean
}
