// What the store and its thread say to each other. One message carries all calls of one tick; the thread answers when they are
// committed.

import type { StoreFault } from './error.ts'
import type { Store } from './port.ts'

export type Method = Exclude<keyof Store, typeof Symbol.asyncDispose>

/** A part of the port as the thread implements it. */
export type SyncPart<Part> = {
  readonly [M in keyof Part]: Part[M] extends (...args: infer Args) => Promise<infer Answer> ? (...args: Args) => Answer : never
}

/** The port as the thread implements it: the same calls, answered at once. */
export type SyncStore = { readonly [M in Method]: (...args: Parameters<Store[M]>) => Awaited<ReturnType<Store[M]>> }

export interface Call {
  readonly id: number
  readonly method: Method
  readonly args: readonly unknown[]
}

export type Fault = { readonly fault: StoreFault; readonly message: string }

export type Reply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: Fault }

export type ToThread = { readonly calls: readonly Call[] } | { readonly close: true }

export type FromThread = { readonly opened: true } | { readonly refused: Fault } | { readonly replies: readonly Reply[] }

export interface ThreadOptions {
  readonly path: string
  readonly busyTimeoutMs: number
}
