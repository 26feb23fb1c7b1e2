// The worker's end of debugging: starts the thread that debuggers talk to when the first one comes.

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { debugSocketPath } from '../process/paths.ts'
import type { Pauses } from './pauses.ts'

export interface Relay {
  /** The socket that takes debuggers; the same at every call. */
  open(): Promise<void>
  /** Ends the sessions, as the process is about to end: Node would print that it waits for them. */
  close(): void
}

/** A thread that ends sessions does so at once; whatever keeps it from that is no reason to stay. */
const closeMs = 300

export function createRelay({
  dataDirectory,
  life,
  pauses,
}: {
  readonly dataDirectory: string
  readonly life: string
  readonly pauses: Pauses
}): Relay {
  let opened: { readonly thread: Worker; readonly isOpen: Promise<unknown> } | null = null
  return {
    async open() {
      opened ??= start()
      try {
        await opened.isOpen
      } catch (error) {
        opened = null
        throw new Error('Cannot take a debugger as the thread that relays it did not start', { cause: error })
      }
    },
    close() {
      if (opened === null || pauses.sessions === 0) return
      opened.thread.postMessage('end')
      pauses.awaitDetached(closeMs)
    },
  }

  function start(): NonNullable<typeof opened> {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const thread = new Worker(new URL(`./relay-thread.${extension}`, import.meta.url), {
      workerData: { path: debugSocketPath(dataDirectory, life), buffer: pauses.buffer },
      execArgv: [],
      env: {},
    })
    thread.unref()
    return { thread, isOpen: once(thread, 'message') }
  }
}
