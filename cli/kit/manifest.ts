// A compiled estate as the engine takes it.

import type { Entry, Manifest } from '../../engine/generation/manifest.ts'
import { type Ref, revision } from '../../schema/ref.ts'
import { Secret } from '../../schema/secret.ts'
import type { CompiledEstate } from './compiled-estate.ts'

export interface TestManifest {
  readonly manifest: Manifest
  readonly unseal: (entry: Entry) => ReadonlyMap<string, Secret>
}

/** Its secrets are not sealed, as they never leave the process. */
export function manifestOf(estate: CompiledEstate): TestManifest {
  const entries = new Map<Ref, Entry>()
  const secrets = new Map<Ref, ReadonlyMap<string, Secret>>()
  for (const { resource, secrets: values, declaredAt } of estate.entries) {
    entries.set(resource.ref, { resource, origin: { from: 'builtin' }, sealed: {}, declaredAt })
    secrets.set(resource.ref, new Map(Object.entries(values).map(([pointer, value]) => [pointer, new Secret(value)])))
  }
  const { settings, lockfile } = estate
  const modules = new Map(estate.modules.map(module => [module.digest, module]))
  return {
    manifest: { revision: revision(estate.revision), entries, modules, settings, lockfile },
    unseal: ({ resource }) => secrets.get(resource.ref) ?? new Map(),
  }
}
