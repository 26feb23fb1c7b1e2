// Tasks: calls of services that were accepted to be made later. A task is here from the moment it is accepted until it is done.
//
//   ready ─► running ─► (gone: it is done)
//     ▲         │
//     └─────────┴─► dead ─► ready, where somebody resubmits it
//
// `begun` counts the deliveries that may have begun and fences: who took a task at one count cannot end it at another.

import type { Json } from '../../schema/json.ts'

export type TaskState = 'ready' | 'running' | 'dead'

export interface TaskSummary {
  /** Rises in the order of acceptance. */
  readonly seq: number
  readonly id: string
  readonly service: string
  readonly cid: string
  readonly state: TaskState
  /** ISO time */
  readonly acceptedAt: string
  /** Milliseconds since 1970; before it nobody takes it. */
  readonly dueAt: number
  /** Deliveries that ended without success since it was accepted, or resubmitted. */
  readonly attempts: number
  readonly maxAttempts: number
  readonly begun: number
  readonly deadlineMs: number
  /** Life of the worker that has it; null where none has. */
  readonly holder: string | null
  /** Why the last delivery did not succeed; null before that. */
  readonly failure: TaskFailure | null
}

export interface Task extends TaskSummary {
  readonly payload: Json
}

export interface TaskFailure {
  /** ISO time */
  readonly at: string
  /** As of HTTP; null where there was no answer. */
  readonly status: number | null
  readonly reason: string
}

export type NewTask = Pick<Task, 'id' | 'service' | 'payload' | 'cid' | 'acceptedAt' | 'dueAt' | 'maxAttempts' | 'begun' | 'deadlineMs'>

export type TaskCounts = Readonly<Record<TaskState, number>>

export interface TaskStore {
  /** False where one of that id is there. */
  enqueueTask(task: NewTask): Promise<boolean>
  /** Ready ones that are due at `now`, the longest due first, without those whose ids are in `except`. `limit` 1 to 1000. */
  dueTasks(now: number, limit: number, except: readonly string[]): Promise<readonly Task[]>
  /** When the next of the ready ones is due, in milliseconds since 1970, without those in `except`; undefined where there is none. */
  nextTaskAt(except: readonly string[]): Promise<number | undefined>
  /** Makes it running, held by that life. False where it is not ready, or running, at that count. */
  takeTask(id: string, begun: number, holder: string): Promise<boolean>
  /** Removes it, as it is done. False where it does not run at that count; so it is with the next one. */
  finishTask(id: string, begun: number): Promise<boolean>
  /** Makes it ready again, or dead, with the counts and the failure it has from now on. */
  returnTask(
    id: string,
    begun: number,
    next: Pick<TaskSummary, 'begun' | 'attempts' | 'dueAt' | 'failure'> & { readonly state: 'ready' | 'dead' },
  ): Promise<boolean>
  getTask(id: string): Promise<Task | undefined>
  /** The newest first, older than `before` (a seq) where given. `limit` 1 to 1000. */
  listTasks(page: {
    readonly state?: TaskState
    readonly service?: string
    readonly limit: number
    readonly before?: number
  }): Promise<readonly TaskSummary[]>
  countTasks(): Promise<TaskCounts>
  /** Makes dead ones ready at `now`, with all attempts before them: the one of that id, or all, or all of a service. Number of them. */
  resubmitTasks(which: { readonly id?: string; readonly service?: string }, now: number): Promise<number>
  /** Removes one that is ready or dead, and says which it was; undefined where it is neither. */
  discardTask(id: string): Promise<'ready' | 'dead' | undefined>
}
