// The pipe between the supervisor and each child. Its end means that the supervisor is gone: the child must not outlive it.
// A byte a second means that the child's event loop turns: the supervisor kills a child that is silent for too long.
// Both run in a thread of their own, since a loop that user code blocks can neither beat nor notice.

import { Worker } from 'node:worker_threads'
import { Pauses } from '../debug/pauses.ts'

export interface Lifeline {
  /** The process is loaded: from here on one that does not turn its loop is stuck. */
  beat(): void
  /** What the loop works on, by index into the names given last; written before each call, read when the loop is stuck. */
  blame(index: number): void
  /** The names `blame` counts by. */
  name(names: readonly string[]): void
  /** Of debuggers: while one is attached, a loop that does not turn is not stuck. */
  readonly pauses: Pauses
}

/** Milliseconds between two turns of the loop that the thread must see. */
const turnMs = 200

/**
 * Takes over `fd`, the child's end of the pipe.
 * @param blamePath file that names what the loop is stuck on, there from two seconds without a turn until the next; null: none
 * @param onOrphaned the supervisor is gone: ends the process, which is killed half a second later
 */
export function holdLifeline(
  fd: number,
  { blamePath, onOrphaned }: { readonly blamePath: string | null; readonly onOrphaned: () => void },
): Lifeline {
  const shared = new SharedArrayBuffer(8)
  const pauses = new Pauses()
  const cells = new Int32Array(shared) // [turns, blamed index + 1]
  const { NODE_COMPILE_CACHE: codeCache } = process.env
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const thread = new Worker(new URL(`./lifeline-thread.${extension}`, import.meta.url), {
    workerData: { fd, shared, pauses: pauses.buffer, blamePath },
    execArgv: [],
    // The folder of V8's bytecode alone, so that this start of TypeScript is not one from nothing.
    env: codeCache === undefined ? {} : { NODE_COMPILE_CACHE: codeCache },
  })
  thread.unref()
  thread.on('message', onOrphaned)
  return {
    beat() {
      Atomics.add(cells, 0, 1)
      setInterval(() => Atomics.add(cells, 0, 1), turnMs).unref()
    },
    blame: index => Atomics.store(cells, 1, index + 1),
    name: names => thread.postMessage(names),
    pauses,
  }
}
