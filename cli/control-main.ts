// Entry of the control process, and the composition root: everything that lies above the engine is put together here.
// Run as: node control-main.ts '<ControlConfig as JSON>' with the admin port's socket as 3 and the lifeline as 4.

import { once } from 'node:events'
import { flushCompileCache } from 'node:module'
import process from 'node:process'
import { messageOf } from '../adapters/redact.ts'
import { holdLifeline } from '../engine/process/lifeline.ts'
import { hopeless } from '../engine/process/supervisor.ts'
import { StoreError } from '../engine/store/error.ts'
import { CertificateError } from '../engine/tls/certificates.ts'
import type { ControlConfig } from './serve-options.ts'

// From the first moment: a stop that comes while it starts is to end it in order as well.
const ending = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    if (ending.signal.aborted) process.exit(0)
    ending.abort(new Error('The server is stopping'))
  })
process.title = 'plumb control'
// Before the rest is loaded, so that a process which still starts does not outlive its supervisor.
const lifeline = holdLifeline(4, { blamePath: null, onOrphaned: () => process.exit(1) })
const { startControl } = await import('./control.ts')
lifeline.beat()
const config = JSON.parse(process.argv[2] ?? '') as ControlConfig // written by the binder
const control = await startControl(config, ending.signal).catch(giveUp)
// A process that is killed keeps nothing at its end.
flushCompileCache()
if (!ending.signal.aborted) await once(ending.signal, 'abort')
try {
  await control[Symbol.asyncDispose]()
} finally {
  process.exit(0)
}

/** What only an operator can change is said once and ends the server; anything else is tried again. */
function giveUp(error: unknown): never {
  if (ending.signal.aborted) process.exit(0)
  const isFinal = (error instanceof StoreError && !error.retryable) || error instanceof CertificateError
  process.stderr.write(`${messageOf(error)}\n`)
  process.exit(isFinal ? hopeless : 1)
}
