// What a worker is started with, before its number: plain data, as JSON on its command line.

import type { LogOptions } from '../log/log.ts'

export interface WorkerConfig {
  readonly dataDirectory: string
  readonly human: boolean
  readonly logs: Pick<LogOptions, 'level' | 'access'>
}
