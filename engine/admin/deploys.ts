// What the admin API asks for deploys: declared here, filled from above.

import type { JsonObject } from '../../schema/json.ts'
import type { DeployedFile } from '../store/layers.ts'
import type { Actor } from './port.ts'

export interface DeployRequest {
  readonly id: string
  readonly client: string
  readonly sequence: number
  readonly files: readonly DeployedFile[]
}

/** Filled from above. Every operation answers with data or throws `Refusal`. */
export interface DeployOperations {
  /** `{ kind, accepts, revision, files, layers, sequence }`: what the server has, for a client to compare with. */
  state(client: string | null): Promise<JsonObject>
  /** `{ missing }`: digests of contents that are not here. */
  missing(digests: readonly string[]): Promise<JsonObject>
  /** `{ crlf }`: those of the paths whose file on the server has lines that end with CRLF. */
  lineEnds(paths: readonly string[]): Promise<JsonObject>
  keep(contents: readonly Uint8Array[]): Promise<JsonObject>
  deploy(request: DeployRequest, actor: Actor): Promise<JsonObject>
  /** Takes layers away, all where `paths` is null. */
  drop(paths: readonly string[] | null, actor: Actor): Promise<JsonObject>
}
