// What the admin API can do with asynchronous calls, as a port.

import type { JsonObject } from '../../schema/json.ts'

/** Filled by the queue. Tasks are as the store has them. */
export interface WorkOperations {
  list(page: {
    readonly state?: TaskState
    readonly service?: string
    readonly limit: number
    readonly before?: number
  }): Promise<readonly (object & { readonly seq: number })[]>
  get(id: string): Promise<(object & { readonly state: TaskState }) | undefined>
  resubmit(which: { readonly id?: string; readonly service?: string }, actor: string): Promise<number>
  discard(id: string, actor: string): Promise<boolean>
  counts(): JsonObject
}

export type TaskState = 'ready' | 'running' | 'dead'
