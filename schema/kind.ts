// One kind, as its JSON Schema file declares it. The `x-` keywords of the file become plain data here, once, so that
// shared code asks the kind instead of walking schemas.

import { isObject, type Json, type JsonObject } from './json.ts'
import { type KindName, kindName } from './ref.ts'

/** One field of a kind that names another resource. */
export interface RefField {
  /** Property names from the root of the spec; `*` stands for every item of a list. */
  readonly path: readonly string[]
  /** The kinds the name may be of. */
  readonly kinds: readonly KindName[]
}

/** What `ctx` hands out for a connection of this kind (`x-client`): `ctx.<method>(name)` gives `type` of module `import`. */
export interface Client {
  readonly method: string
  readonly import: string
  readonly type: string
}

export interface Kind {
  readonly name: KindName
  /** Top-level key in a YAML file; null for a kind that YAML does not declare (a service). */
  readonly section: string | null
  /** Other spellings of the section (`x-alias`). */
  readonly sectionAliases: readonly string[]
  /** The field that identifies a resource: `name`, unless `x-identity` says otherwise. */
  readonly identity: string
  /** The JSON Schema file as it is, `x-` keywords and all. */
  readonly schema: JsonObject
  readonly refFields: readonly RefField[]
  /** Paths of `x-secret` fields; `*` for every item. */
  readonly secretPaths: readonly (readonly string[])[]
  /** Top-level fields with several spellings (`x-alias`), each as all of them, its own name first. */
  readonly spellings: readonly (readonly string[])[]
  /** Fields whose value decides which others a resource takes (named by an `x-when`). */
  readonly deciders: ReadonlySet<string>
  /** Booleans that let everyone in, each with the fields of which one must name a guard where it is not set (`x-opens`). */
  readonly openers: ReadonlyMap<string, readonly string[]>
  /** Top-level fields that may change without reconnecting (`x-in-place`). */
  readonly inPlace: ReadonlySet<string>
  /** path of a list (joined by `/`) → the property its items are merged by (`x-merge-key`). */
  readonly mergeKeys: ReadonlyMap<string, string>
  /** Zato has no such kind (`x-plumb`). */
  readonly plumb: boolean
  /** Null for a kind that services do not connect to. */
  readonly client: Client | null
}

/** The keywords that stand beside those of JSON Schema in a kind or document schema, and what each says. */
export const keywords = {
  'x-alias': 'other spellings of a field, or of the section where it stands at the root',
  'x-client': 'what ctx hands out for a connection: { method, import, type }',
  'x-guards': 'the field protects: where it is set and not served, the resource stays closed',
  'x-identity': 'at the root: the field that identifies a resource, where it is not "name"',
  'x-in-place': 'the field may change without reconnecting',
  'x-merge-key': 'the property by which the items of a list are merged in an overlay',
  'x-opens': 'a boolean that lets everyone in; without it one of the fields listed must name a guard, where security is required',
  'x-plumb': 'ours: Zato has no such kind or field',
  'x-ref': 'the kind, or kinds, of the resource that is named here',
  'x-secret': 'a credential: never printed, never stored unsealed',
  'x-section': 'at the root: the section of YAML, where it is not the title; null where there is none',
  'x-served': 'false: this version does not carry the field out',
  'x-served-values': 'the values this version carries out, of all that are accepted',
  'x-unit': 'unit of a number',
  'x-when': 'the field belongs only to resources of which another field has one of these values; that one no overlay changes by merging',
} as const

/** @throws TypeError where the file declares no kind: no `title` that names it, or no `properties` */
export function readKind(schema: JsonObject): Kind {
  const name = kindName(String(schema.title))
  if (!isObject(schema.properties)) throw new TypeError(`Cannot read kind "${name}" as its schema has no "properties"`)
  const refFields: RefField[] = []
  const secretPaths: string[][] = []
  const mergeKeys = new Map<string, string>()
  for (const { path, field } of fieldsOf(schema, [])) {
    if (field['x-ref'] !== undefined) refFields.push({ path, kinds: textsOf(field['x-ref']).map(kindName) })
    if (field['x-secret'] === true) secretPaths.push(path)
    if (typeof field['x-merge-key'] === 'string') mergeKeys.set(path.join('/'), field['x-merge-key'])
  }
  const properties = Object.entries(schema.properties)
  return {
    name,
    section: schema['x-section'] === null ? null : String(schema['x-section'] ?? name),
    sectionAliases: textsOf(schema['x-alias']),
    identity: String(schema['x-identity'] ?? 'name'),
    schema,
    refFields,
    secretPaths,
    spellings: properties.flatMap(([key, field]) => {
      const aliases = isObject(field) ? textsOf(field['x-alias']) : []
      return aliases.length > 0 ? [[key, ...aliases]] : []
    }),
    deciders: new Set(
      properties.flatMap(([, field]) => (isObject(field) && isObject(field['x-when']) ? Object.keys(field['x-when']) : [])),
    ),
    openers: new Map(
      properties.flatMap(([key, field]) =>
        isObject(field) && Array.isArray(field['x-opens']) ? [[key, field['x-opens'].map(String)]] : [],
      ),
    ),
    inPlace: new Set(properties.filter(([, field]) => isObject(field) && field['x-in-place'] === true).map(([key]) => key)),
    mergeKeys,
    plumb: schema['x-plumb'] === true,
    client: clientOf(schema['x-client']),
  }
}

/** A keyword that takes one string or a list of them, as a list. */
export function textsOf(value: Json | undefined): string[] {
  if (value === undefined) return []
  return (Array.isArray(value) ? value : [value]).map(String)
}

function* fieldsOf(schema: JsonObject, path: string[]): Generator<{ path: string[]; field: JsonObject }> {
  if (isObject(schema.properties))
    for (const [key, field] of Object.entries(schema.properties)) if (isObject(field)) yield* visit(field, [...path, key])
  if (isObject(schema.items)) yield* visit(schema.items, [...path, '*'])
}

function* visit(field: JsonObject, path: string[]): Generator<{ path: string[]; field: JsonObject }> {
  yield { path, field }
  yield* fieldsOf(field, path)
}

function clientOf(value: Json | undefined): Client | null {
  if (!isObject(value)) return null
  return { method: String(value.method), import: String(value.import), type: String(value.type) }
}
