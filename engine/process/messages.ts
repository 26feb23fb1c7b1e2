// What control and workers say to each other over the link. Everything is JSON; a method's body and answer stand here.

import type { Ref } from '../../schema/ref.ts'
import type { Module } from '../../schema/resource.ts'
import type { Invocation, InvocationOutcome } from '../generation/engine.ts'
import type { Entry, Settings } from '../generation/manifest.ts'
import type { Line, LogFilter } from '../log/filter.ts'
import type { LineBatch } from '../log/forward.ts'
import type { WorkerSnapshot } from '../metrics/worker-snapshot.ts'
import type { Served } from '../tls/secure-server.ts'
import type { WorkOrder, WorkOutcome } from '../work/order.ts'
import type { Acceptance, Submission } from '../work/queue.ts'

/** worker → control, first call on a new link. */
export interface Hello {
  readonly id: number
  readonly pid: number
  /** Unique to this life of the worker: what a lease is held by, and blame laid on. */
  readonly life: string
  /** Generations it holds, with the manifest each was built from. */
  readonly held: readonly { readonly generation: number; readonly manifest: string }[]
  /** 0: none. */
  readonly live: number
  /** Ids of the orders it took and control may not have the outcome of. */
  readonly orders: readonly string[]
}

export interface Welcome {
  /** Opens sealed values (base64); null: resources with secrets stay closed. */
  readonly sealKey: string | null
  readonly workers: number
  readonly quarantined: readonly Quarantined[]
  /** False while control holds no generation at all: the worker listens and answers 503. */
  readonly hasLive: boolean
  /** Working tree that code is shown under; null: the names in the tree. */
  readonly sourceRoot: string | null
  /** What the channels' port proves itself with; null: it speaks plain HTTP. */
  readonly certificate: Served | null
  /** What somebody follows of the log. */
  readonly followed: readonly LogFilter[]
}

export interface Quarantined {
  readonly ref: Ref
  readonly reason: string
}

/** control → worker: begins a generation. Parts follow, then `prepare`. */
export interface Begin {
  readonly generation: number
  /** The held generation that the parts change; null: nothing, the parts are the whole. */
  readonly base: number | null
  readonly revision: string | null
  readonly settings: Settings
  readonly lockfile: string | null
  /** Where the npm libraries of that lockfile are. */
  readonly libraries: string | null
  /** warn-all: a way back or a boot, which no far end may refuse. */
  readonly preflight: 'require' | 'warn' | 'warn-all'
}

export interface Part {
  readonly generation: number
  readonly set: readonly Entry[]
  readonly unset: readonly Ref[]
  readonly modules: readonly Module[]
}

export interface Activate {
  readonly generation: number
  /** What was live stays warm as the fallback; else it drains at once. */
  readonly keepPrevious: boolean
  readonly drainMs: number
}

/** worker → control, a few times a second, only where something changed. */
export interface Report {
  readonly live: number
  /** Generations that still have calls in flight or wait for their deadline. */
  readonly draining: readonly number[]
  /** Null: as in the report before on this link. */
  readonly degraded: readonly { readonly ref: Ref; readonly reason: string; readonly since: string }[] | null
  readonly leaks: readonly { readonly path: string; readonly count: number; readonly holders: readonly string[] }[]
  /** Since the live generation was activated. */
  readonly health: Health
}

export interface Health {
  readonly generation: number
  readonly requests: number
  readonly serverErrors: number
  /** Share of 5xx among the requests of the minute before the live generation was activated; null where there were none. */
  readonly previousShare: number | null
  /** service → its first calls on this generation and how many of them ended in an unmapped error. */
  readonly services: Readonly<Record<string, { readonly calls: number; readonly unmapped: number }>>
}

/** Methods a worker answers. */
export type WorkerMethods = {
  begin(body: Begin): Promise<void>
  part(body: Part): Promise<void>
  /** The manifest of a generation that was begun, for Hello: its file is written while the generation is built. */
  name(body: { readonly generation: number; readonly manifest: string }): Promise<void>
  prepare(body: { readonly generation: number }): Promise<void>
  abort(body: { readonly generation: number }): Promise<void>
  activate(body: Activate): Promise<void>
  /** Resolves at once; reports list what still drains. */
  drain(body: { readonly generation: number; readonly deadlineMs: number }): Promise<void>
  quarantine(body: { readonly list: readonly Quarantined[] }): Promise<void>
  /** The next handshake gets it. */
  certificate(body: Served): Promise<void>
  invoke(body: Invocation): Promise<InvocationOutcome>
  /** Answers at once whether the order is taken; how it ends is told by `outcome`. */
  take(body: WorkOrder): Promise<boolean>
  /** Lines of its log that are in memory: at most `limit`, the newest. */
  logs(body: { readonly filter: LogFilter; readonly limit: number }): Promise<readonly Line[]>
  /** What somebody follows of the log, in place of what was followed. */
  follow(body: { readonly filters: readonly LogFilter[] }): Promise<void>
  /** What it has counted. */
  metrics(): Promise<WorkerSnapshot>
  /** Takes debuggers from here on, at the socket of this life; rejects where that is not allowed. */
  debug(body: null): Promise<void>
  ping(body: { readonly ref: Ref }): Promise<{ readonly ok: boolean; readonly elapsedMs: number; readonly reason: string | null }>
}

/** Methods control answers. */
export type ControlMethods = {
  hello(body: Hello): Promise<Welcome>
  report(body: Report): void
  /** How an order ended. Answered once that is on disk; where it fails, or the link closes, it is told again. */
  outcome(body: { readonly id: string; readonly outcome: WorkOutcome }): Promise<void>
  acquire(body: { readonly name: string; readonly ttlMs: number }): Promise<{ readonly term: number } | null>
  release(body: { readonly name: string; readonly term: number }): Promise<boolean>
  /** Answered once the task is on disk. */
  submit(body: Submission): Promise<Acceptance>
  /** Lines of its log: warnings, and what is followed. */
  lines(body: LineBatch): void
  /** The worker goes on after `count` pauses by debuggers; resolves when it serves what is live. */
  resumed(body: { readonly count: number }): Promise<void>
  /** Said before an end in good order: the link that closes next is no death. */
  leaving(): void
}
