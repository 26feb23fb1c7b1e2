// Entry of a worker process: node worker-main.ts '{"dataDirectory":…}' 1, with the channels' socket as 3 and the lifeline as 4.

import { flushCompileCache } from 'node:module'
import process from 'node:process'
import { blamePath, writeBlame } from './blame.ts'
import { lifeOf } from './life.ts'
import { holdLifeline } from './lifeline.ts'
import type { WorkerConfig } from './worker-config.ts'

const config = JSON.parse(process.argv[2] ?? '') as WorkerConfig // written by the binder
const { dataDirectory, human, logs, debug } = config
const id = Number(process.argv[3])
process.title = `plumb worker ${id}`
const graceMs = 30_000
const life = lifeOf(process.pid) ?? String(process.pid)
const blame = blamePath(dataDirectory, life)
let ending = false
let known = false
// Before the rest is loaded, so that a process which still starts does not outlive its supervisor.
const lifeline = holdLifeline(4, {
  blamePath: blame,
  onOrphaned() {
    ending = true
    process.exit(1)
  },
})
const [{ startWorker }, { createConsole }, { createLog }, { builtinVocabulary }] = await Promise.all([
  import('./worker.ts'),
  import('../service/console.ts'),
  import('../log/log.ts'),
  import('../../schema/vocabulary.ts'),
])
// While nothing is served yet; a process that is killed keeps nothing at its end.
flushCompileCache()
const log = createLog({ process: `worker ${id}`, human, ...logs })
lifeline.beat()
const worker = startWorker({
  id,
  life,
  channels: { fd: 3 },
  vocabulary: builtinVocabulary(),
  log,
  lifeline,
  ...config,
  isDebuggable: debug,
})

// That of libraries; a file of the estate has one of its own, which names it.
globalThis.console = createConsole('', (_path, level, text) => log[level]({ began: worker.running() }, text))
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end)
// A promise that service code let go of must not end the calls of others.
process.on('unhandledRejection', reason => {
  const fields = worker.strayFields(reason)
  log.error(fields, `${codeOf(fields)} let go of a promise that was rejected: ${fields.err.message}`)
})
process.on('uncaughtException', error => {
  known = true
  blameRunning('threw outside of a call')
  const fields = worker.strayFields(error)
  log.error(fields, `${codeOf(fields)} threw outside of a call, so this worker ends and is replaced: ${fields.err.message}`)
  process.exit(70)
})
process.on('exit', () => {
  worker.letDebuggersGo()
  if (!ending && !known) blameRunning('ended the process')
  log.end()
  worker.flush()
})

function end(): void {
  if (ending) return process.exit(0)
  ending = true
  void worker.close(graceMs).finally(() => process.exit(0))
}

function codeOf({ service, path, began }: ReturnType<typeof worker.strayFields>): string {
  if (service !== undefined) return `Service "${service}"`
  if (path !== undefined) return `Code of "${path}"`
  return began === undefined ? 'Code of the estate' : `A service, perhaps "${began}",`
}

function blameRunning(reason: string): void {
  const name = worker.running()
  if (name !== null) writeBlame(blame, { name, reason })
}
