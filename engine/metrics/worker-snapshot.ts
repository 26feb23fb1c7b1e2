// What a worker has counted, as plain data for control: bounded, whatever is declared or asked for.

import { type KindName, partsOf, type Ref } from '../../schema/ref.ts'
import type { BuiltGeneration } from '../generation/built.ts'
import type { ProcessLog } from '../log/log.ts'
import type { Counters, Tally } from '../plane/counters.ts'
import type { ServiceView } from '../service/unit.ts'
import { createProcessFacts, type ProcessFacts } from './process-facts.ts'

export interface ServiceTally {
  readonly calls: number
  readonly mapped: number
  readonly unmapped: number
  readonly latency: { readonly buckets: readonly number[]; readonly totalMs: number }
}

export interface LogTally {
  /** By the name of their level. */
  readonly lines: Readonly<Record<string, number>>
  readonly lost: { readonly flood: number; readonly output: number }
}

export interface WorkerSnapshot {
  readonly process: ProcessFacts
  /** By ref, of channels that are live; `otherName` has the ones above the limit together, `noneName` those of no channel. */
  readonly channels: Readonly<Record<string, Tally>>
  readonly services: Readonly<Record<string, ServiceTally>>
  /** Connections by ref: whether they work. */
  readonly connections: Readonly<Record<string, boolean>>
  readonly log: LogTally
}

export const otherName = '_other_'
export const noneName = '_none_'
/** Names of one kind that have series of their own. */
export const maxNames = 1_000

export interface Snapshotted {
  readonly live: () => BuiltGeneration | null
  readonly counters: Counters
  /** The kind whose views are services. */
  readonly services: KindName
  readonly log: ProcessLog
}

export function createWorkerSnapshot({ live, counters, services, log }: Snapshotted): () => WorkerSnapshot {
  const factsOf = createProcessFacts()
  return () => {
    const generation = live()
    const { routes, unrouted } = counters.snapshot()
    const served = Object.entries(routes).filter(([ref]) => generation?.resolve(ref as Ref) !== undefined) // counted by ref
    const called = (generation?.refsByKind.get(services) ?? []).flatMap(ref => {
      const view = generation?.resolve(ref) as Partial<ServiceView> | undefined // a closed service has no counters
      return view?.counters ? [[partsOf(ref).name, tallyOf(view.counters)] as const] : []
    })
    return {
      process: factsOf(),
      channels: { ...limited(served, addTallies), [noneName]: unrouted },
      services: limited(called, addServices),
      connections: Object.fromEntries([...(generation?.watched ?? [])].slice(0, maxNames).map(([ref, one]) => [ref, one.status().ready])),
      log: logTally(log),
    }
  }
}

export function logTally(log: ProcessLog): LogTally {
  return { lines: Object.fromEntries(log.book.counts), lost: log.lost() }
}

/** The first `maxNames`, and the rest as one. */
export function limited<T>(entries: readonly (readonly [string, T])[], add: (a: T, b: T) => T): Record<string, T> {
  const [first, ...rest] = entries.slice(maxNames).map(([, value]) => value)
  const named = Object.fromEntries(entries.slice(0, maxNames))
  return first === undefined ? named : { ...named, [otherName]: rest.reduce(add, first) }
}

export function addTallies(a: Tally, b: Tally): Tally {
  return {
    requests: a.requests + b.requests,
    statuses: sums(a.statuses, b.statuses),
    latency: sums(a.latency, b.latency),
    totalMs: a.totalMs + b.totalMs,
  }
}

export function addServices(a: ServiceTally, b: ServiceTally): ServiceTally {
  return {
    calls: a.calls + b.calls,
    mapped: a.mapped + b.mapped,
    unmapped: a.unmapped + b.unmapped,
    latency: { buckets: sums(a.latency.buckets, b.latency.buckets), totalMs: a.latency.totalMs + b.latency.totalMs },
  }
}

function tallyOf({ calls, mapped, unmapped, latency }: ServiceView['counters']): ServiceTally {
  return { calls, mapped, unmapped, latency: latency.tally() }
}

function sums(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, at) => value + (b[at] ?? 0))
}
