// Control's end of the links: accepts workers on the Unix socket, speaks for each as a WorkerPort, and gathers their reports.

import { once } from 'node:events'
import { chmod, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { basename } from 'node:path'
import type { Ref } from '../../schema/ref.ts'
import { Halts } from '../debug/halts.ts'
import type { Invocation, InvocationOutcome } from '../generation/engine.ts'
import type { Delta } from '../generation/manifest.ts'
import type { PrepareOrder, WorkerPort, Workers } from '../generation/workers.ts'
import type { LineBatch } from '../log/forward.ts'
import type { Served } from '../tls/secure-server.ts'
import type { DispatchEnds, DispatchWorker } from '../work/dispatch.ts'
import type { WorkOrder, WorkOutcome } from '../work/order.ts'
import { type Link, LinkError, openLink } from './link.ts'
import type { Begin, ControlMethods, Hello, Part, Quarantined, Report, Welcome, WorkerMethods } from './messages.ts'
import { linkPath, socketAddress } from './paths.ts'

export interface WorkersOptions {
  readonly dataDirectory: string
  readonly welcome: () => Welcome
  /** A worker said hello, or came back. */
  readonly onUp: (worker: WorkerPort) => void
  /** `isDeath`: it did not say that it would end. */
  readonly onDown: (worker: {
    readonly id: number
    readonly pid: number
    readonly life: string
    readonly isDeath: boolean
    readonly wasDebugged: boolean
  }) => void
  /** A debugger let it go on; resolves when it serves what is live. */
  readonly onResumed: (worker: WorkerPort) => Promise<void>
  readonly onReport: (worker: WorkerPort, report: Report) => void
  readonly acquire: (name: string, life: string, ttlMs: number) => Promise<{ readonly term: number } | null>
  readonly release: (name: string, life: string, term: number) => Promise<boolean>
  readonly work: DispatchEnds
  readonly submit: ControlMethods['submit']
  readonly onLines: (batch: LineBatch) => void
}

export interface ConnectedWorkers extends Workers, AsyncDisposable {
  /** Runs a service on that worker. */
  invoke(id: number, invocation: Invocation, timeoutMs: number): Promise<InvocationOutcome>
  ping(id: number, ref: Ref): Promise<Awaited<ReturnType<WorkerMethods['ping']>>>
  reports(): readonly { readonly worker: WorkerPort; readonly report: Report | null }[]
  quarantine(list: readonly Quarantined[]): void
  certificate(served: Served): void
  /** Calls all of them; null for one that did not answer in time. */
  ask<Answer>(method: keyof WorkerMethods, body: unknown, timeoutMs: number): Promise<readonly Answered<Answer>[]>
  /** Tells all of them. */
  tell(method: keyof WorkerMethods, body: unknown): void
  /** Has that worker take debuggers. Rejects where it is not there, or may not. */
  debugged(id: number): Promise<Debugged>
}

export interface Answered<Answer> {
  readonly worker: number
  readonly answer: Answer | null
}

/** A worker that takes debuggers. */
export interface Debugged {
  readonly worker: WorkerPort
  readonly life: string
  readonly halts: Halts
  /** Says that `halts` are not what they were. */
  changed(): void
  /** The worker is gone. */
  readonly closed: Promise<void>
}

/** Entries of one part: its JSON stays some tens of kilobytes, so that no end parses for long. */
const partEntries = 60
const prepareTimeoutMs = 120_000
const activateTimeoutMs = 10_000
/** A worker whose loop does not turn is killed after as long. */
const debugTimeoutMs = 5_000

export async function acceptWorkers(options: WorkersOptions): Promise<ConnectedWorkers> {
  const connected = new Map<Link, Connection>()
  const waiting = new Set<() => void>()
  const path = linkPath(options.dataDirectory)
  await rm(path, { force: true })
  const address = socketAddress(options.dataDirectory, basename(path))
  const server = createServer(accept)
  server.listen(address.path)
  await once(server, 'listening')
  await chmod(path, 0o600)

  return {
    list,
    until,
    invoke: (id, invocation, timeoutMs) => connectionOf(id).link.call('invoke', invocation, { timeoutMs }),
    ping: (id, ref) => connectionOf(id).link.call('ping', { ref }),
    reports: () => [...connected.values()].map(({ port, report }) => ({ worker: port, report })),
    quarantine: list => tell('quarantine', { list }),
    certificate: served => tell('certificate', served),
    ask: (method, body, timeoutMs) =>
      Promise.all(
        [...connected.values()].map(async ({ link, port }) => ({
          worker: port.id,
          answer: await link.call<never>(method, body, { timeoutMs, isPatient: false }).catch(() => null), // as the contract says
        })),
      ),
    tell,
    async debugged(id) {
      const connection = connectionOf(id)
      const { link, halts, port: worker, hello } = connection
      connection.debugging ??= link.call<void>('debug', null, { timeoutMs: debugTimeoutMs })
      try {
        await connection.debugging
      } catch (error) {
        connection.debugging = null
        throw error
      }
      return { worker, life: hello.life, halts, changed, closed: link.closed }
    },
    async [Symbol.asyncDispose]() {
      for (const { link } of connected.values()) link.close()
      server.close()
      await once(server, 'close')
      address[Symbol.dispose]()
    },
  }

  function tell(method: string, body: unknown): void {
    for (const { link } of connected.values()) link.notify(method, body)
  }

  function list(): readonly WorkerPort[] {
    return [...connected.values()].map(({ port }) => port).sort((a, b) => a.id - b.id)
  }

  function until(holds: (list: readonly WorkerPort[]) => boolean, ms: number): Promise<boolean> {
    return new Promise(resolve => {
      const look = () => {
        if (holds(list())) end(true)
      }
      const end = (held: boolean) => {
        clearTimeout(timer)
        waiting.delete(look)
        resolve(held)
      }
      const timer = setTimeout(end, ms, false)
      waiting.add(look)
      look()
    })
  }

  function connectionOf(id: number): Connection {
    const connection = [...connected.values()].find(candidate => candidate.port.id === id)
    if (!connection) throw new LinkError(`Cannot call worker ${id} as it is not connected`)
    return connection
  }

  function changed(): void {
    for (const look of [...waiting]) look()
    options.work.changed()
  }

  function accept(socket: Socket): void {
    let connection: Connection | undefined
    let isDeath = true
    const methods = {
      hello: (hello: Hello): Welcome => {
        connection = connect(link, hello, changed)
        connected.set(link, connection)
        // The answer goes out first: it opens the seals that what follows needs.
        setImmediate(() => {
          if (connection) {
            options.onUp(connection.port)
            options.work.up(connection.work)
          }
          changed()
        })
        return options.welcome()
      },
      report: (report: Report) => {
        if (!connection) return
        connection.report = { ...report, degraded: report.degraded ?? connection.report?.degraded ?? [] }
        options.onReport(connection.port, report)
        changed()
      },
      acquire: async ({ name, ttlMs }: { name: string; ttlMs: number }) =>
        connection ? await options.acquire(name, connection.hello.life, ttlMs) : null,
      release: async ({ name, term }: { name: string; term: number }) =>
        connection ? await options.release(name, connection.hello.life, term) : false,
      outcome: ({ id, outcome }: { id: string; outcome: WorkOutcome }) => {
        if (!connection) throw new LinkError('Cannot take an outcome from a worker that did not say hello')
        return options.work.told(connection.work, id, outcome)
      },
      submit: options.submit,
      lines: (batch: LineBatch) => options.onLines(batch),
      leaving: () => {
        isDeath = false
        if (connection) options.work.leaving(connection.work)
      },
      resumed: async ({ count }: { count: number }) => {
        if (!connection) return
        if (connection.halts.resume(count)) changed()
        await options.onResumed(connection.port)
      },
    } satisfies ControlMethodsOnWire
    const link: Link = openLink(socket, methods, { hasHeldSince: at => connection?.halts.hasHeldSince(at) ?? false })
    void link.closed.then(() => {
      connected.delete(link)
      if (connection) {
        options.work.down(connection.work)
        options.onDown({ ...connection.hello, isDeath, wasDebugged: connection.halts.sessions > 0 })
      }
      changed()
    })
  }
}

// A method may answer at once where the port says it promises.
type ControlMethodsOnWire = { readonly [Method in keyof ControlMethods]: (body: never) => unknown }

interface Connection {
  readonly link: Link
  readonly hello: Hello
  readonly port: WorkerPort
  readonly work: DispatchWorker
  readonly halts: Halts
  /** Resolves once it takes debuggers; null: nobody asked. */
  debugging: Promise<void> | null
  report: Report | null
}

function connect(link: Link, hello: Hello, changed: () => void): Connection {
  const held = new Map(hello.held.map(({ generation, manifest }) => [generation, manifest]))
  let live = hello.live
  const halts = new Halts()
  const connection: Connection = {
    link,
    hello,
    halts,
    debugging: null,
    report: null,
    work: {
      life: hello.life,
      orders: hello.orders,
      get live() {
        // One that stands at a breakpoint takes no new work.
        return halts.isPaused ? 0 : live
      },
      take: (order: WorkOrder) => link.call('take', order),
    },
    port: {
      id: hello.id,
      pid: hello.pid,
      get live() {
        return live
      },
      get isPaused() {
        return halts.isPaused
      },
      get isDebugged() {
        return halts.sessions > 0
      },
      get draining() {
        return connection.report?.draining ?? []
      },
      holds: ({ generation, manifest }) => held.get(generation) === manifest,
      async prepare(order) {
        const { base, delta, whole, manifest, ...begin } = order
        const { generation } = order
        const isBased = base !== null && held.get(base.generation) === base.manifest
        // What is sent arrives in order, so only what is large is waited for.
        let sent: Promise<void> = link.call('begin', { ...begin, base: isBased ? base.generation : null } satisfies Begin)
        const named = manifest.then(name => link.call('name', { generation, manifest: name }))
        named.catch(() => undefined) // told below, once the worker is through
        for (const part of partsOf(order, isBased ? delta : wholeOf(order))) {
          const next = link.call<void>('part', part)
          await Promise.all([sent, next])
          sent = next
        }
        await Promise.all([sent, link.call('prepare', { generation }, { timeoutMs: prepareTimeoutMs })])
        try {
          await named
        } catch (error) {
          await link.call('abort', { generation })
          throw error
        }
        held.set(generation, await manifest)
      },
      async keepOnly(generations) {
        for (const generation of [...held.keys()]) {
          if (generation === live || generations.includes(generation)) continue
          held.delete(generation)
          await link.call('abort', { generation })
        }
      },
      async abort(generation) {
        held.delete(generation)
        await link.call('abort', { generation })
      },
      async activate(generation, { keepPrevious, drainMs }) {
        await link.call('activate', { generation, keepPrevious, drainMs }, { timeoutMs: activateTimeoutMs })
        if (!keepPrevious) held.delete(live)
        live = generation
        changed()
      },
      async drain(generation, deadlineMs) {
        held.delete(generation)
        await link.call('drain', { generation, deadlineMs })
      },
      dismiss() {
        // A link that closed by itself tells of a process that ended, or ends: its pid may be another's by the time.
        if (link.isClosed) return
        link.close()
        killIfAlive(hello.pid)
      },
    },
  }
  return connection
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    // ESRCH: it ended by itself a moment ago.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // kill() throws system errors
  }
}

function wholeOf({ whole, delta }: PrepareOrder): Delta {
  return { ...delta, set: [...whole.entries.values()], unset: [], modules: [...whole.modules.values()] }
}

function* partsOf({ generation }: PrepareOrder, delta: Delta): Generator<Part> {
  for (const module of delta.modules) yield { generation, set: [], unset: [], modules: [module] }
  for (let at = 0; at < delta.set.length; at += partEntries)
    yield { generation, set: delta.set.slice(at, at + partEntries), unset: [], modules: [] }
  if (delta.unset.length > 0) yield { generation, set: [], unset: delta.unset, modules: [] }
}
