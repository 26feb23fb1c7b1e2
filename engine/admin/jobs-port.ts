// What the admin API asks of jobs, as a port.

import type { JsonObject } from '../../schema/json.ts'
import type { Actor } from './port.ts'

/** What can be asked of jobs, and done to them. Filled by the scheduler. */
export interface JobOperations {
  /** `{ jobs, next }`, by name. */
  list(page: { readonly limit: number; readonly after?: string }): Promise<JsonObject>
  show(job: string): Promise<JsonObject>
  /** `{ runs, next }`, latest nominal time first. `after` is what a page gave as `next`, or an ISO time alone. */
  runs(page: { readonly job?: string; readonly limit: number; readonly after?: string }): Promise<JsonObject>
  run(job: string, actor: Actor): Promise<JsonObject>
  pause(request: { readonly job: string; readonly note: string }, actor: Actor): Promise<JsonObject>
  resume(job: string, actor: Actor): Promise<JsonObject>
}
