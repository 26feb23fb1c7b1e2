// What the compiler and its TypeScript child say to each other. Files travel by path and blob; a text only where the child asks.

import type { JsonObject } from '../../../schema/json.ts'
import type { FileFacts, Flaw } from './facts.ts'

export interface SourceRef {
  /** Path in the tree. */
  readonly path: string
  readonly blob: string
}

export interface PlacedFlaw extends Flaw {
  readonly path: string
}

export interface WantedModel {
  readonly path: string
  readonly exportName: string
  readonly side: 'input' | 'output'
}

export interface DerivedModel {
  /** Null where flaws say why there is none, or where anything fits. */
  readonly schema: JsonObject | null
  readonly flaws: readonly PlacedFlaw[]
}

export interface JudgedSchema {
  /** Why it cannot serve as a model; null where it can. */
  readonly problem: string | null
}

export interface Question {
  facts: { readonly files: readonly SourceRef[] }
  models: { readonly files: readonly SourceRef[]; readonly wanted: readonly WantedModel[] }
  /** Whether these can serve as models. */
  schemas: { readonly files: readonly []; readonly schemas: readonly JsonObject[] }
  check: {
    readonly files: readonly SourceRef[]
    readonly roots: readonly string[]
    /** Text of `environment.d.ts`; null: any name. */
    readonly environmentTypes: string | null
    /** A real folder whose `node_modules` gives the types of libraries; null: they are `any`. */
    readonly librariesFolder: string | null
  }
}

export interface Answer {
  facts: readonly FileFacts[]
  models: readonly DerivedModel[]
  schemas: readonly JudgedSchema[]
  check: readonly PlacedFlaw[]
}

export type QuestionKind = keyof Question

export interface Asked<Kind extends QuestionKind = QuestionKind> {
  readonly id: number
  readonly kind: Kind
  readonly question: Question[Kind]
  /** Texts the child said it needs, by path. */
  readonly texts: Readonly<Record<string, string>>
}

export type Told =
  /** Once, when the compiler is loaded. */
  | { readonly kind: 'ready' }
  | { readonly id: number; readonly kind: 'needs'; readonly paths: readonly string[] }
  /** It begins with the file, wanted model or schema of this index. */
  | { readonly id: number; readonly kind: 'begins'; readonly index: number }
  | { readonly id: number; readonly kind: 'answer'; readonly answer: Answer[QuestionKind] }
  | { readonly id: number; readonly kind: 'failed'; readonly reason: string }
