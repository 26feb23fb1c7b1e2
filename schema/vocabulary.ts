// The kinds an environment may declare, as one value that is passed along. Nothing reads a global table of kinds.

import type { JsonObject } from './json.ts'
import type { KindName } from './ref.ts'

/** One field of a kind that names another resource. */
export interface RefField {
  /** Property names from the root of the spec; `*` stands for every item of a list. */
  readonly path: readonly string[]
  /** The kinds the name may be of. */
  readonly kinds: readonly KindName[]
}

export interface Kind {
  readonly name: KindName
  /** Top-level key in a YAML file; null for a kind that YAML does not declare (a service). */
  readonly section: string | null
  /** Other spellings of the section (`x-alias`). */
  readonly sectionAliases: readonly string[]
  /** The JSON Schema file as it is, `x-` keywords and all. */
  readonly schema: JsonObject
  readonly refFields: readonly RefField[]
  /** Paths of `x-secret` fields; `*` for every item. */
  readonly secretPaths: readonly (readonly string[])[]
  /** Top-level fields that may change without reconnecting (`x-in-place`). */
  readonly inPlace: ReadonlySet<string>
  /** path of a list (joined by `/`) → the property its items are merged by (`x-merge-key`). */
  readonly mergeKeys: ReadonlyMap<string, string>
  /** Zato has no such kind (`x-plumb`). */
  readonly plumb: boolean
}

/** What is wrong at one place of a spec. */
export interface Finding {
  readonly code: import('./issue.ts').IssueCode
  readonly severity?: import('./issue.ts').Severity
  readonly message: string
  /** JSON pointer into the item as declared. */
  readonly pointer: string
  /** Set where an unserved guard keeps the resource closed. */
  readonly closes?: string
}

export interface Vocabulary {
  readonly kinds: ReadonlyMap<KindName, Kind>
  /** The kind a YAML section declares, by its name or one of its aliases. */
  kindOfSection(section: string): Kind | undefined
  /** The section nearest in spelling, for a message. */
  nearestSection(section: string): string | undefined
  /** Renames aliased fields and fills in defaults; says what does not fit. `spec` is the canonical form even where there are findings. */
  normalise(kind: Kind, declared: JsonObject): { spec: JsonObject; findings: readonly Finding[] }
  /** The JSON type the schema wants at `path` (`integer`, `boolean` …), so that a whole-expression scalar can be converted. */
  typeAt(kind: Kind, path: readonly (string | number)[], declared: JsonObject): string | undefined
}
