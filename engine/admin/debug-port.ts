// What the admin API needs of debugging; filled by engine/debug.

import type { JsonObject } from '../../schema/json.ts'
import type { Actor } from './port.ts'

export interface DebugOperations {
  /** Workers and the sessions that are open. @throws Refusal 403 DEBUG_NOT_ALLOWED */
  targets(): JsonObject
  /** `{ tunnel: { worker, pid, generation, actor } }`. @throws Refusal 403 DEBUG_NOT_ALLOWED, 404 */
  target(worker: number, actor: Actor): JsonObject
  /** Ends all sessions: `{ detached }`. */
  detach(actor: Actor): JsonObject
}
