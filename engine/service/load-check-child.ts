// Entry of the process in which service code is loaded for the first time. It may throw, loop, exit or kill: the parent
// watches. Reads one request from standard input, writes lines of JSON to descriptor 3, as each thing happens: what is
// written is safe whatever the code does next.

import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { extname } from 'node:path'
import { text } from 'node:stream/consumers'
import { Worker } from 'node:worker_threads'
import { messageOf } from '../../adapters/redact.ts'
import { requireService } from './exported.ts'
import { Loader } from './load.ts'
import type { CheckLine, ChildRequest } from './load-check.ts'
import { LoadError, loadErrorOf } from './load-error.ts'

const lines = 3
const { process: own } = globalThis
// Taken before any service code could replace them.
const { exit, stdin } = own
const later = setImmediate

const parent = own.ppid
// While it waits, so that no check waits for a thread to start.
new Worker(new URL(`./load-check-watch${extname(import.meta.url)}`, import.meta.url), { workerData: { parent: parent } })
tell({ kind: 'ready' })
// Kept here, as the process is killed in the end: its own code, and none of a service's.
flushCompileCache()
const request: ChildRequest = JSON.parse(await text(stdin))
await checkAll(request)
tell({ kind: 'done' })
exit.call(own, 0)

async function checkAll({ services, modules, dependencies }: ChildRequest): Promise<void> {
  const loader = new Loader({ fileName: path => `/${path}`, onLeft: () => null, onPrint: () => null, onStray })
  // A function, as it needs the loader that it is given to.
  function onStray(_path: string, what: string, error: unknown): void {
    reportAs('SERVICE_LOAD_REJECTED', error, `a ${what} it started throws: ${messageOf(error)}`)
  }
  const byPath = new Map(modules.map(module => [module.path, module]))
  let current = 0
  const reportAs = (code: 'SERVICE_LOAD_REJECTED' | 'SERVICE_LOAD_EXITED', error: unknown, reason: string) => {
    const path = services[current]?.path ?? ''
    const at = loader.maps.originOf(error) ?? { path, line: 1, column: 1 }
    tell({ kind: 'problem', index: current, code, reason, at })
  }
  own.on('unhandledRejection', error =>
    reportAs('SERVICE_LOAD_REJECTED', error, `a promise it made is rejected and nobody takes it: ${messageOf(error)}`),
  )
  own.on('uncaughtException', error => reportAs('SERVICE_LOAD_REJECTED', error, `a callback it started throws: ${messageOf(error)}`))
  const onExit = (code: number) =>
    reportAs('SERVICE_LOAD_EXITED', new Error('exited'), `it ends the process with code ${code}: throw an error instead`)
  own.on('exit', onExit)

  for (const [index, { name, path, exportName }] of services.entries()) {
    current = index
    tell({ kind: 'loading', index })
    try {
      const loaded = await loader.load({ path, modules: byPath, dependencies })
      requireService(loaded.exports, { name, path, exportName })
    } catch (error) {
      const { code, reason, at } = error instanceof LoadError ? error : loadErrorOf(error, path, loader.maps)
      tell({ kind: 'problem', index, code, reason, at })
    }
    // Promises that were rejected meanwhile are reported between two turns.
    await new Promise<void>(resolve => later(resolve))
  }
  await new Promise<void>(resolve => later(resolve))
  own.off('exit', onExit)
}

function tell(line: CheckLine): void {
  writeSync(lines, `${JSON.stringify(line)}\n`)
}
