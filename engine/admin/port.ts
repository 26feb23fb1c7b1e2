// What the admin API can do, as a port: declared here, filled by the composition root from what lies above the engine.
// Every operation answers with data or throws `Refusal`, which the API turns into an RFC 9457 body.

import type { Issue } from '../../schema/issue.ts'
import type { Json, JsonObject } from '../../schema/json.ts'
import type { Role } from './role.ts'
import type { Scope } from './scope.ts'

/** An operation that cannot be carried out, as the caller is told. */
export class Refusal extends Error {
  readonly status: number
  readonly code: string
  readonly issues: readonly Issue[]
  /** Headers that the answer has beside its body. */
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    code: string,
    message: string,
    issues: readonly Issue[] = [],
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message)
    this.name = 'Refusal'
    this.status = status
    this.code = code
    this.issues = issues
    this.headers = headers
  }
}

/** Who asks. */
export interface Actor {
  /** As history, journal and audit name them: `local` over the socket, else the token's name and id, `ci (k3v9x0a4m2qd)`. */
  readonly name: string
  readonly via: 'socket' | 'token'
  readonly role: Role
  /** What the token is narrowed to; none: all that the role reaches. */
  readonly scopes: readonly Scope[]
  /** Id of the token; null over the socket. */
  readonly token: string | null
  /** Where the request came from; null over the socket. */
  readonly address: string | null
}

/** A file of an uploaded tree. */
export interface Upload {
  readonly path: string
  readonly base64: string
}

export interface Operations {
  /** Live serial, generation, revision, conditions, last sync, holds, workers, degraded resources. */
  status(): Promise<JsonObject>
  /** Compiles and plans the configured ref, a revision, or an uploaded tree; stores the plan. Body: { plan, text, markdown }. */
  plan(request: { readonly revision?: string; readonly files?: readonly Upload[] }, actor: Actor): Promise<JsonObject>
  getPlan(id: string): Promise<JsonObject>
  listPlans(limit: number): Promise<JsonObject>
  /** Carries out a stored plan. */
  applyPlan(request: { readonly id: string; readonly confirmDeletes?: number }, actor: Actor): Promise<JsonObject>
  /** Compiles, plans and applies an uploaded tree, origin `cli`. */
  applyTree(request: { readonly files: readonly Upload[]; readonly confirmDeletes?: number }, actor: Actor): Promise<JsonObject>
  /** Fetch + plan + apply of the configured ref. */
  sync(request: { readonly retry?: boolean; readonly endProbation?: boolean }, actor: Actor): Promise<JsonObject>
  validate(request: { readonly files: readonly Upload[]; readonly types?: boolean }): Promise<JsonObject>
  listResources(request: { readonly kind?: string; readonly limit: number; readonly after?: string }): Promise<JsonObject>
  getResource(ref: string): Promise<JsonObject>
  explain(ref: string): Promise<JsonObject>
  history(request: { readonly limit: number; readonly before?: number }): Promise<JsonObject>
  rollback(request: { readonly to?: number; readonly reason?: string }, actor: Actor): Promise<JsonObject>
  invoke(request: { readonly service: string; readonly payload: Json; readonly deadlineMs?: number }, actor: Actor): Promise<JsonObject>
  ping(ref: string, actor: Actor): Promise<JsonObject>
  /** Text of environment.d.ts for the live environment. */
  types(): Promise<{ readonly text: string }>
  journal(request: { readonly after: number; readonly limit: number }): Promise<JsonObject>
}

/** The stream of what happens, for Server-Sent Events. Returns the function that ends the subscription. */
export interface Events {
  subscribe(
    listener: (event: { readonly seq: number; readonly type: string; readonly at: string; readonly body: JsonObject }) => void,
  ): () => void
}
