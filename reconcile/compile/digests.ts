// The digests of a resource: of what is declared, of its secrets under a key, of both, and of what makes it need another instance.

import type { KeyObject } from 'node:crypto'
import { type Digest, digestOf, keyedDigestOf } from '../../schema/digest.ts'
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
  const specDigest = digestOf(spec)
  const secretDigest = secretDigestOf([...secrets], key)
  const isFixed = (field: string): boolean => !kind.inPlace.has(field)
  const fixed = Object.keys(spec).every(isFixed)
    ? specDigest
    : digestOf(Object.fromEntries(Object.entries(spec).filter(([field]) => isFixed(field))))
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
