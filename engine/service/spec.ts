// The spec of a `service` resource: what compilation found in the syntax tree, and all that a worker needs to load the code.

import type { Digest } from '../../schema/digest.ts'
import { isObject, type JsonObject } from '../../schema/json.ts'

export interface ServiceSpec {
  /** Path of the file in the tree, such as `services/client/get-client.ts`. */
  readonly path: string
  /** The name it is exported under; `default` for a default export. */
  readonly exportName: string
  readonly description: string | null
  /** JSON Schema of the models; null: any payload. */
  readonly input: JsonObject | null
  readonly output: JsonObject | null
  /** Import closure: path in the tree → digest of the compiled module, its own file included. */
  readonly modules: Readonly<Record<string, Digest>>
  /** Digest of the npm lockfile it was built with; null where there is none. */
  readonly lockfile: Digest | null
}

/** Reads the spec of a service. Compilation wrote it, so what does not fit is a broken promise of ours. */
export function serviceSpecOf(spec: JsonObject): ServiceSpec {
  const { module: path, export: exportName, modules } = spec
  if (typeof path !== 'string' || typeof exportName !== 'string' || !isObject(modules) || !(path in modules))
    throw new TypeError('Cannot load a service as its spec names no module, export and modules that hold the module')
  return {
    path,
    exportName,
    description: typeof spec.description === 'string' ? spec.description : null,
    input: isObject(spec.input) ? spec.input : null,
    output: isObject(spec.output) ? spec.output : null,
    modules: modules as Readonly<Record<string, Digest>>, // values were made by digestOf
    lockfile: typeof spec.lockfile === 'string' ? (spec.lockfile as Digest) : null, // made by digestOf
  }
}
