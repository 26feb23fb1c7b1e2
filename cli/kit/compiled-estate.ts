// What an estate is compiled to for its tests: all that the engine needs to build it, as JSON.

import type { Settings } from '../../engine/generation/manifest.ts'
import type { Digest } from '../../schema/digest.ts'
import type { Issue } from '../../schema/issue.ts'
import type { Module, Resource } from '../../schema/resource.ts'
import type { Vocabulary } from '../../schema/vocabulary.ts'
import type { AppOptions } from './test-api.ts'

export interface CompiledEstate {
  readonly revision: string
  readonly settings: Settings
  readonly lockfile: Digest | null
  /** Folder whose `node_modules` serve its services; null where it has no lockfile. */
  readonly librariesFolder: string | null
  readonly entries: readonly {
    readonly resource: Resource
    /** JSON pointer → value. */
    readonly secrets: Readonly<Record<string, string>>
    readonly declaredAt: string
  }[]
  readonly modules: readonly Module[]
  /** Process variables that it asked for, as they were. */
  readonly env: Readonly<Record<string, string | null>>
  readonly issues: readonly Issue[]
}

export interface EstateRequest extends Pick<AppOptions, 'secrets' | 'vars' | 'env'> {
  readonly root: string
  readonly environment: string
  readonly vocabulary: Vocabulary
  /** The sources of the environment are read instead of making secrets up. */
  readonly realSecrets: boolean
}
