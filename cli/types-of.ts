// environment.d.ts: the names of its connections and the payloads of its services.

import { environmentTypes } from '../reconcile/compile/services/environment-types.ts'
import { isObject } from '../schema/json.ts'
import type { Resource } from '../schema/resource.ts'
import type { Vocabulary } from '../schema/vocabulary.ts'

export function typesOf(from: Iterable<Resource>, vocabulary: Vocabulary): string {
  const resources = [...from]
  const connections = resources.flatMap(({ kind, name }) => {
    const client = vocabulary.kinds.get(kind)?.client
    return client ? [{ method: client.method, name }] : []
  })
  const services = resources
    .filter(({ spec }) => spec.modules !== undefined)
    .map(({ name, spec }) => ({
      name,
      description: typeof spec.description === 'string' && spec.description !== '' ? spec.description : null,
      input: isObject(spec.input) ? spec.input : null,
      output: isObject(spec.output) ? spec.output : null,
    }))
  const methods = [...vocabulary.kinds.values()].flatMap(({ client }) => (client ? [client.method] : []))
  return environmentTypes({ connections, services, methods })
}
