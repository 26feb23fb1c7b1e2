// Facts about the machine that a result is read with.

import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'

export interface Machine {
  readonly node: string
  readonly platform: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGigabytes: number
  /** Processes that ran or wanted to, over the minute before. */
  readonly load: number
}

export function machineFacts(): Machine {
  return {
    node: process.versions.node,
    platform: `${process.platform} ${release()} ${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  }
}
