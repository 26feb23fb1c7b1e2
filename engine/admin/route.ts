// A row of the admin API. The one table of rows drives routing, checks of what comes in, and the OpenAPI document, so that a
// route that is not described, or not guarded, cannot exist.

import type { JsonObject } from '../../schema/json.ts'
import type { Logs } from '../log/hub.ts'
import type { Metrics } from '../metrics/exposition.ts'
import type { Store } from '../store/port.ts'
import type { DebugOperations } from './debug-port.ts'
import type { DeployOperations } from './deploys.ts'
import type { JobOperations } from './jobs-port.ts'
import type { Actor, Events, Operations } from './port.ts'
import type { Role } from './role.ts'
import type { Scope } from './scope.ts'
import type { Tokens } from './tokens.ts'
import type { WorkOperations } from './work.ts'

/** What a row is called with, checked against its schemas. */
export interface Call {
  readonly params: Readonly<Record<string, string>>
  readonly query: JsonObject
  readonly body: JsonObject
  readonly actor: Actor
}

export interface Row {
  /** operationId in the OpenAPI document. */
  readonly id: string
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** As OpenAPI writes it: `/plans/{id}`. Parameters are those of `pathParameters`. */
  readonly path: string
  readonly summary: string
  /** The least role that may; null answers without a credential, `first` to the token of the first start alone. */
  readonly role: Role | 'first' | null
  /** The group it belongs to, for tokens that are narrowed; null where every token may, whatever it is for. */
  readonly scope: Scope | null
  /** JSON Schema of the query parameters, an object. */
  readonly query?: JsonObject
  readonly body?: { readonly schema: JsonObject; readonly maxBytes: number }
  readonly answer: { readonly description: string; readonly contentType: string; readonly schema: JsonObject }
  /** What the audit says of a call beside who made it; never a payload or what may hold a secret. Without it: the parameters of the path. */
  readonly audit?: { target?(call: Call): string; detail?(call: Call): JsonObject }
  /** Server-Sent Events in place of what `run` would answer. */
  open?(call: Call, surroundings: RowSurroundings, life: StreamLife): ReadableStream<Uint8Array>
  /** A string is the answer as it is, of `answer.contentType`. */
  run(call: Call, surroundings: RowSurroundings): Promise<JsonObject | string>
}

/** How long a stream is open, and where it begins. */
export interface StreamLife {
  /** What a client that was cut off has seen last: its `Last-Event-ID`. */
  readonly lastEventId: string | undefined
  readonly heartbeatMs: number
  /** Aborted when the client, its token or the server goes. */
  readonly signal: AbortSignal
  /** To be called once, however it ends. */
  onEnd(): void
}

export interface RowSurroundings {
  readonly environment: string
  readonly version: string
  readonly operations: Operations
  readonly jobs: JobOperations
  readonly tokens: Tokens
  readonly audit: Pick<Store, 'readAudit'>
  readonly deploys: DeployOperations
  readonly work: WorkOperations
  readonly events: Events
  /** Where a stream that was cut goes on. */
  readonly journal: Pick<Store, 'readJournal'>
  readonly logs: Logs
  readonly metrics: Metrics
  readonly ready: () => { readonly ready: boolean; readonly reason: string | null }
  readonly document: () => JsonObject
  readonly debug: DebugOperations
}

/** Largest body of a request that uploads nothing. */
export const maxBodyBytes = 1_000_000

export function json(description: string): Row['answer'] {
  return { description, contentType: 'application/json', schema: { type: 'object' } }
}

/** Schema of an object that has these properties and no others. */
export function object(properties: JsonObject, required: readonly string[] = []): JsonObject {
  return { type: 'object', additionalProperties: false, properties, ...(required.length > 0 ? { required } : {}) }
}

export function textIn<Name extends string>(from: JsonObject, name: Name): { readonly [N in Name]?: string } {
  const found = from[name]
  return typeof found === 'string' ? ({ [name]: found } as { [N in Name]: string }) : {} // TypeScript widens a computed name
}

export const environmentPrefix = '/api/v1/environments/{environment}'

/** Path parameters by name; `many` may hold slashes. */
export const pathParameters: Readonly<
  Record<string, { readonly schema: JsonObject & { readonly pattern: string; readonly description: string }; readonly many: boolean }>
> = {
  environment: {
    schema: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$', description: 'The name of an environment' },
    many: false,
  },
  id: { schema: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$', description: 'An id' }, many: false },
  worker: { schema: { type: 'string', pattern: '^[1-9][0-9]{0,2}$', description: 'The number of a worker, from 1' }, many: false },
  job: { schema: { type: 'string', pattern: '^[^\\u0000-\\u001f]{1,200}$', description: 'The name of a job' }, many: true },
  ref: { schema: { type: 'string', pattern: '^[a-z][a-z0-9_]{0,63}/[^\\u0000-\\u001f]{1,200}$', description: 'kind/name' }, many: true },
}
