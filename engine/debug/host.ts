// The debuggers of a server, in the control process: each is one session on one worker, with who opened it and since when.

import { once } from 'node:events'
import { readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { basename, join } from 'node:path'
import type { JsonObject } from '../../schema/json.ts'
import type { WorkerPort } from '../generation/workers.ts'
import { isOver } from '../process/life.ts'
import { openLink } from '../process/link.ts'
import { debuggedLife, debugSocketPath, socketAddress } from '../process/paths.ts'
import type { ConnectedWorkers } from '../process/workers.ts'
import type { Debugger, DebugSession } from './session.ts'

export interface DebugTarget {
  readonly worker: number
  readonly pid: number
  readonly generation: number
}

/** The other end of a session. */
export interface DebuggerEnd {
  /** A message of the DevTools protocol, from the worker. */
  onMessage(message: JsonObject): void
  /** Called once, whoever ended it. */
  onClose(reason: string): void
}

export interface AttachedDebugger {
  send(message: JsonObject): void
  /** Its breakpoints are gone and the worker goes on. */
  close(reason: string): void
}

export interface DebugHost {
  targets(): readonly DebugTarget[]
  /** Rejects where the worker is not there, or takes no debugger. */
  attach(worker: number, by: Debugger, end: DebuggerEnd): Promise<AttachedDebugger>
  sessions(): readonly DebugSession[]
  /** Ends all sessions; gives how many there were. */
  detachAll(reason: string): number
}

export interface DebugHostOptions {
  readonly dataDirectory: string
  readonly workers: Pick<ConnectedWorkers, 'list' | 'debugged'>
  readonly announce: (type: string, body: Readonly<Record<string, string | number | boolean | null>>) => void
  readonly now: () => number
  /** A worker goes on that a debugger held. */
  readonly onResumed: (worker: WorkerPort) => void
}

/** More than people and their tools need; each holds what it was sent until it is read. */
const maxSessions = 16

export function createDebugHost({ dataDirectory, workers, announce, now, onResumed }: DebugHostOptions): DebugHost {
  const open = new Map<AttachedDebugger, () => DebugSession>()
  return {
    targets: () => workers.list().map(({ id, pid, live }) => ({ worker: id, pid, generation: live })),
    attach,
    sessions: () => [...open.values()].map(session => session()),
    detachAll(reason) {
      const { size } = open
      for (const attached of [...open.keys()]) attached.close(reason)
      return size
    },
  }

  async function attach(id: number, { actor, address }: Debugger, end: DebuggerEnd): Promise<AttachedDebugger> {
    if (open.size >= maxSessions) throw new Error(`Cannot attach as ${maxSessions} debuggers are attached; end one first`)
    const { worker, life, halts, changed, closed } = await workers.debugged(id)
    const path = debugSocketPath(dataDirectory, life)
    using found = socketAddress(dataDirectory, basename(path))
    const socket = connect(found.path)
    await once(socket, 'connect')
    const since = new Date(now()).toISOString()
    let why: string | null = null
    const link = openLink(socket, {
      message: (message: JsonObject) => end.onMessage(message),
      state({ isPaused, count }: { isPaused: boolean; count: number }) {
        if (isPaused) halts.pause(count)
        const goesOn = !isPaused && halts.resume(count)
        changed()
        if (goesOn) onResumed(worker)
      },
    })
    const attached: AttachedDebugger = {
      send: message => link.notify('message', message),
      close(reason) {
        why ??= reason
        link.close()
      },
    }
    halts.attach()
    open.set(attached, () => ({ worker: id, actor, address, since, state: halts.isPaused ? 'paused' : 'attached' }))
    announce('debugger.attached', { worker: id, pid: worker.pid, actor, address })
    void closed.then(() => attached.close('the worker ended'))
    void link.closed.then(() => {
      open.delete(attached)
      const wasPaused = halts.isPaused
      halts.detach()
      changed()
      if (wasPaused && !halts.isPaused) onResumed(worker)
      const reason = why ?? 'the worker ended the session'
      announce('debugger.detached', { worker: id, pid: worker.pid, actor, address, reason })
      end.onClose(reason)
    })
    return attached
  }
}

/** Sockets of workers that were killed. */
export async function removeLeftSockets(dataDirectory: string): Promise<void> {
  const names = await readdir(dataDirectory).catch(() => []) // who needs the directory tells why it cannot be read
  for (const name of names) {
    const life = debuggedLife(name)
    if (life !== null && isOver(life)) await rm(join(dataDirectory, name), { force: true })
  }
}
