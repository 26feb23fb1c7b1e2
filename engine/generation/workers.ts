// The workers as the swap sees them: a port, filled by engine/process.

import type { Begin } from '../process/messages.ts'
import type { Delta, Manifest } from './manifest.ts'

export interface PrepareOrder extends Omit<Begin, 'base'> {
  /** Name of the manifest's file, as soon as it is durable; a generation is prepared once it is. */
  readonly manifest: Promise<string>
  /** The generation whose manifest `delta` starts from; a worker that does not hold it gets the whole manifest. */
  readonly base: { readonly generation: number; readonly manifest: string } | null
  readonly delta: Delta
  readonly whole: Manifest
}

export interface WorkerPort {
  readonly id: number
  readonly pid: number
  /** 0: none yet. */
  readonly live: number
  /** Stands at a breakpoint: it does nothing of what it is told until somebody lets it go on. */
  readonly isPaused: boolean
  /** A debugger is attached to it, whether it stands or runs. */
  readonly isDebugged: boolean
  /** Whether it has that generation built from that manifest: a number alone may have been given to a build that was aborted. */
  holds(of: { readonly generation: number; readonly manifest: string }): boolean
  /** Rejects with the reasons of the worker, or LinkError when it is gone. */
  prepare(order: PrepareOrder): Promise<void>
  abort(generation: number): Promise<void>
  /** Lets go of every build but these. */
  keepOnly(generations: readonly number[]): Promise<void>
  activate(generation: number, options: { readonly keepPrevious: boolean; readonly drainMs: number }): Promise<void>
  drain(generation: number, deadlineMs: number): Promise<void>
  /** Generations that drain on it. */
  readonly draining: readonly number[]
  /** Takes no part any more: it is killed and replaced. Never throws, whatever became of it. */
  dismiss(reason: string): void
}

export interface Workers {
  /** Connected and alive, whether they have a generation yet or not. */
  list(): readonly WorkerPort[]
  /** Waits until `holds` is true of the list; false after `ms`. */
  until(holds: (list: readonly WorkerPort[]) => boolean, ms: number): Promise<boolean>
}
