// The digests of a resource: of what is declared, of its secrets under a key, of both, and of what makes it need another instance.

import type { KeyObject } from 'node:crypto'
import { canonicalFields, type Digest, digestOf, digestOfBytes, keyedDigestOf } from '../../schema/digest.ts'
import { type JsonObject, stepsOf } from '../../schema/json.ts'
import type { Ref } from '../../schema/ref.ts'
import type { Secret } from '../../schema/secret.ts'
import type { Kind } from '../../schema/vocabulary.ts'

export interface Digests {
  readonly specDigest: Digest
  readonly secretDigest: Digest | null
  readonly effectiveDigest: Digest
  readonly instanceKey: Digest
}

/** @param key null: secret digests are null, and nothing depends on secret values */
export function digestsOf(kind: Kind, ref: Ref, spec: JsonObject, secrets: ReadonlyMap<string, Secret>, key: KeyObject | null): Digests {
  const isFixed = (field: string): boolean => !kind.inPlace.has(field)
  // The same as digestOf of each; to bring the fields to canonical form costs more than to hash them twice.
  const fields = canonicalFields(spec)
  const specDigest = digestOfBytes(`{${fields.join(',')}}`)
  const secretDigest = secretDigestOf([...secrets], key)
  const names = Object.keys(spec).sort()
  const fixed = names.every(isFixed) ? specDigest : digestOfBytes(`{${fields.filter((_, at) => isFixed(names[at] ?? '')).join(',')}}`)
  const fixedSecrets = [...secrets].filter(([pointer]) => isFixed(stepsOf(pointer)[0] ?? ''))
  return {
    specDigest,
    secretDigest,
    effectiveDigest: digestOf([specDigest, secretDigest]),
    instanceKey: digestOf([ref, fixed, fixedSecrets.length === secrets.size ? secretDigest : secretDigestOf(fixedSecrets, key)]),
  }
}

function secretDigestOf(secrets: readonly (readonly [string, Secret])[], key: KeyObject | null): Digest | null {
  if (secrets.length === 0 || key === null) return null
  return keyedDigestOf(key, Object.fromEntries(secrets.map(([pointer, secret]) => [pointer, secret.reveal()])))
}
