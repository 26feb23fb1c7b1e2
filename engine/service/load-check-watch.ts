// The thread beside code that is being checked: a loop cannot notice that its parent is gone, so this ends the process then.

import { setInterval } from 'node:timers'
import { workerData } from 'node:worker_threads'

const { parent } = workerData as { parent: number } // given by load-check-child.ts
const parentCheckMs = 500

setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL')
}, parentCheckMs)
