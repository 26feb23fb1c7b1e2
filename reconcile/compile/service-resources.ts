// Services that were found in the code, as resources. What their code names by a literal must be declared, like any other reference.

import { digestOf } from '../../schema/digest.ts'
import { type Issue, issue } from '../../schema/issue.ts'
import type { Json } from '../../schema/json.ts'
import { type KindName, kindName, type Ref, refOf } from '../../schema/ref.ts'
import type { Secret } from '../../schema/secret.ts'
import type { Vocabulary } from '../../schema/vocabulary.ts'
import type { CompiledService, CompiledServices, DesiredResource, ServiceUse } from './desired.ts'
import { type Known, unresolvedMessage } from './refs.ts'

/** Methods of `ctx` that name a service, at once or later. */
export const callMethods: ReadonlySet<string> = new Set(['invoke', 'invokeAsync', 'schedule.once'])

/** The kind of what is found in code; no YAML section declares it. */
export const serviceKind: KindName = kindName('service')

/** One resource for each service; of two with one name the first stands, and services.ts says so. */
export function serviceResources(compiled: CompiledServices, vocabulary: Vocabulary): ReadonlyMap<Ref, DesiredResource> {
  const resources = new Map<Ref, DesiredResource>()
  for (const service of compiled.services) {
    const resource = resourceOf(service, compiled, vocabulary)
    if (!resources.has(resource.ref)) resources.set(resource.ref, resource)
  }
  return resources
}

/** An issue for each connection or service that code names and nobody declares. */
export function judgeUses(compiled: CompiledServices, vocabulary: Vocabulary, known: Known): readonly Issue[] {
  return compiled.services.flatMap(service =>
    service.uses.flatMap(use => {
      const kinds = kindsOf(use, vocabulary)
      if (kinds.length === 0 || kinds.some(kind => known.has(refOf(kind, use.name)))) return []
      const code = callMethods.has(use.method) ? 'UNKNOWN_SERVICE' : 'UNKNOWN_CONNECTION'
      return [issue(code, unresolvedMessage(kinds, use.name, known), { at: use.at, ref: refOf(serviceKind, service.name) })]
    }),
  )
}

const noSecrets: ReadonlyMap<string, Secret> = new Map()

function resourceOf(service: CompiledService, { lockfile }: CompiledServices, vocabulary: Vocabulary): DesiredResource {
  const ref = refOf(serviceKind, service.name)
  const declared: Record<string, Json> = { name: service.name, module: service.path, export: service.exportName, modules: service.modules }
  if (lockfile !== null) declared.lockfile = lockfile
  if (service.description !== null) declared.description = service.description
  if (service.input !== null) declared.input = service.input
  if (service.output !== null) declared.output = service.output
  const kind = vocabulary.kinds.get(serviceKind)
  const spec = kind ? vocabulary.normalise(kind, declared).spec : declared
  const specDigest = digestOf(spec)
  // `modules` of the spec is the import closure by digest; the lockfile stands for everything outside the estate.
  const effectiveDigest = digestOf([specDigest, lockfile])
  const refs = service.uses.flatMap(use => kindsOf(use, vocabulary).map(found => refOf(found, use.name)))
  return {
    ref,
    kind: serviceKind,
    name: service.name,
    spec,
    tainted: [],
    refs: [...new Set(refs)].sort(),
    specDigest,
    secretDigest: null,
    effectiveDigest,
    instanceKey: digestOf([ref, effectiveDigest]),
    closed: null,
    secrets: noSecrets,
    at: service.at,
  }
}

function kindsOf(use: ServiceUse, vocabulary: Vocabulary): KindName[] {
  if (callMethods.has(use.method)) return [serviceKind]
  return [...vocabulary.kinds.values()].filter(kind => kind.client?.method === use.method).map(kind => kind.name)
}
