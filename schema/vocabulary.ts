// The kinds an environment may declare, as one value that is passed along. Nothing reads a global table of kinds.

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isObject, type JsonObject } from './json.ts'
import { type Kind, readKind, textsOf } from './kind.ts'
import { nearest } from './nearest.ts'
import { createNormalise, type Normalise, type Normalised } from './normalise.ts'
import type { KindName } from './ref.ts'

export type { Finding } from './finding.ts'
export type { Kind } from './kind.ts'

export interface Vocabulary {
  readonly kinds: ReadonlyMap<KindName, Kind>
  /** The kind a YAML section declares, by its name or one of its aliases. */
  kindOfSection(section: string): Kind | undefined
  /** The section nearest in spelling, for a message. */
  nearestSection(section: string): string | undefined
  /** Renames aliased fields and fills in defaults; says what does not fit. `spec` is the canonical form even where there are findings. */
  normalise(kind: Kind, declared: JsonObject): Normalised
  /**
   * The JSON type the schema wants at `path` (`integer`, `boolean` …), so that a whole-expression scalar can be converted.
   * The first one where it takes several; undefined where it says none.
   */
  typeAt(kind: Kind, path: readonly (string | number)[], declared: JsonObject): string | undefined
}

/** The kinds this version brings: one for each file in `kinds/`. */
export function builtinVocabulary(): Vocabulary {
  return createVocabulary(builtinSchemas())
}

/** The JSON Schema files of `kinds/`, by name of file, to build a vocabulary that adds to them. */
export function builtinSchemas(): readonly JsonObject[] {
  const directory = fileURLToPath(new URL('./kinds/', import.meta.url))
  const files = readdirSync(directory).filter(file => file.endsWith('.json'))
  return files.sort().map(file => JSON.parse(readFileSync(`${directory}${file}`, 'utf8')))
}

/** A vocabulary of exactly these kinds. A reference to a kind that is not among them is no reference. */
export function createVocabulary(schemas: readonly JsonObject[]): Vocabulary {
  const declared = schemas.map(readKind)
  const names = new Set(declared.map(kind => kind.name))
  const kinds = new Map(declared.map(kind => [kind.name, { ...kind, refFields: knownRefs(kind, names) }]))
  const sections = new Map<string, Kind>()
  for (const kind of kinds.values())
    if (kind.section !== null) for (const section of [kind.section, ...kind.sectionAliases]) sections.set(section, kind)
  const normalisers = new Map<Kind, Normalise>()

  return {
    kinds,
    kindOfSection: section => sections.get(section),
    nearestSection: section => nearest(section, sections.keys()),
    normalise(kind, item) {
      const normalise = normalisers.get(kind) ?? createNormalise(kind)
      normalisers.set(kind, normalise)
      return normalise(item)
    },
    typeAt: (kind, path) => typeOf(path.reduce(fieldAt, kind.schema)),
  }
}

function knownRefs(kind: Kind, names: ReadonlySet<KindName>): Kind['refFields'] {
  return kind.refFields
    .map(({ path, kinds }) => ({ path, kinds: kinds.filter(name => names.has(name)) }))
    .filter(({ kinds }) => kinds.length > 0)
}

function fieldAt(schema: JsonObject, step: string | number): JsonObject {
  const properties = isObject(schema.properties) ? schema.properties : {}
  const found = Object.hasOwn(properties, step)
    ? properties[step]
    : (Object.values(properties).find(field => isObject(field) && textsOf(field['x-alias']).includes(String(step))) ??
      (schema.type === 'object' ? schema.additionalProperties : schema.items))
  return isObject(found) ? found : {}
}

function typeOf(schema: JsonObject): string | undefined {
  return textsOf(schema.type)[0]
}
