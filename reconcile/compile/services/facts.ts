// What the syntax of one file of service code says, as data. It depends on nothing but the file's path and contents,
// so it is read once per blob, kept on disk, and combined by the compiler with what other files say.

import type { Digest } from '../../../schema/digest.ts'
import type { IssueCode, Severity } from '../../../schema/issue.ts'
import type { JsonObject } from '../../../schema/json.ts'

/** Line and column count from 1; a column is a UTF-16 code unit. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** A finding that needs no other file. */
export interface Flaw extends Place {
  readonly code: IssueCode
  readonly severity?: Severity
  readonly message: string
}

export interface ImportFact extends Place {
  readonly specifier: string
  /** Nothing of it is left in JavaScript. */
  readonly typeOnly: boolean
}

export interface UseFact extends Place {
  readonly method: string
  readonly name: string
  /** Index into `services` where the call stands inside that service's definition; null elsewhere in the file. */
  readonly within: number | null
}

/** Where the model of a request or response comes from. */
export type ModelFact =
  | { readonly kind: 'none' }
  | ({ readonly kind: 'type' } & Place)
  | ({ readonly kind: 'schema'; readonly schema: JsonObject } & Place)

export interface ServiceFact extends Place {
  readonly name: string
  readonly exportName: string
  readonly description: string | null
  readonly input: ModelFact
  readonly output: ModelFact
}

export interface FileFacts {
  readonly flaws: readonly Flaw[]
  readonly imports: readonly ImportFact[]
  readonly services: readonly ServiceFact[]
  readonly uses: readonly UseFact[]
  /** It reads `import.meta`, which CommonJS has not. */
  readonly importMeta: boolean
  /** Stands for all that types of this file can depend on in it; null where the file's contents do. */
  readonly typed: Digest | null
}

export const emptyFacts: FileFacts = { flaws: [], imports: [], services: [], uses: [], importMeta: false, typed: null }
