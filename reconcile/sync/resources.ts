// Live resources as people may see them: references instead of secrets, `***` for what came from a process variable.

import { type Entry, type Manifest, originText } from '../../engine/generation/manifest.ts'
import type { Layer } from '../../engine/store/layers.ts'
import { shortDigest } from '../../schema/digest.ts'
import { isObject, type Json, type JsonObject, pointerOf } from '../../schema/json.ts'
import { partsOf, type Ref } from '../../schema/ref.ts'

export interface Page {
  readonly kind?: string
  /** 1 to 1000 */
  readonly limit: number
  /** The ref the page begins after. */
  readonly after?: string
}

/** Who put a file of a deploy over what git says of a resource. */
type LayerOf = (ref: Ref) => Layer | undefined

/** `{ resources, next }`, sorted by ref; `next` is null on the last page. */
export function resourcesOf(manifest: Manifest, { kind, limit, after }: Page, layerOf: LayerOf = () => undefined): JsonObject {
  const refs = [...manifest.entries.keys()].filter(ref => kind === undefined || partsOf(ref).kind === kind).sort()
  const from = after === undefined ? 0 : refs.findIndex(ref => ref > after)
  const shown = from < 0 ? [] : refs.slice(from, from + limit)
  const last = shown.at(-1)
  const resources = shown.map(ref => manifest.entries.get(ref)).filter(entry => entry !== undefined)
  return { resources: resources.map(entry => rowOf(entry, layerOf)), next: last !== undefined && last !== refs.at(-1) ? last : null }
}

/** Undefined where no such resource is live. */
export function resourceOf(manifest: Manifest, ref: Ref, layerOf: LayerOf = () => undefined): JsonObject | undefined {
  const entry = manifest.entries.get(ref)
  if (entry === undefined) return undefined
  const usedBy = [...manifest.entries.values()].filter(other => other.resource.refs.includes(ref)).map(other => other.resource.ref)
  return {
    ...rowOf(entry, layerOf),
    spec: printableSpec(entry),
    refs: [...entry.resource.refs],
    usedBy: usedBy.sort(),
    tainted: [...entry.resource.tainted],
  }
}

/** The spec with every secret as its digest and every tainted leaf as `***`. */
function printableSpec({ resource, sealed }: Entry): Json {
  const secret = `(sensitive${resource.secretDigest ? `, ${shortDigest(resource.secretDigest)}` : ''})`
  const covers = new Map<string, string>([
    ...resource.tainted.map(pointer => [pointer, '***'] as const),
    ...Object.keys(sealed).map(pointer => [pointer, secret] as const),
  ])
  return covers.size === 0 ? resource.spec : covered(resource.spec, [], covers)
}

function covered(value: Json, path: readonly (string | number)[], covers: ReadonlyMap<string, string>): Json {
  const cover = covers.get(pointerOf(path))
  if (cover !== undefined) return cover
  if (Array.isArray(value)) return value.map((item, at) => covered(item, [...path, at], covers))
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, covered(item, [...path, key], covers)]))
}

function rowOf({ resource, origin, declaredAt }: Entry, layerOf: LayerOf): JsonObject {
  const layered = layerOf(resource.ref)
  return {
    ref: resource.ref,
    kind: resource.kind,
    name: resource.name,
    origin: originText(origin),
    declaredAt,
    digest: shortDigest(resource.effectiveDigest),
    closed: resource.closed,
    ...(layered ? { layered: layerRow(layered) } : {}),
  }
}

/** A layer as people see it. */
export function layerRow({ path, by, at, base, digest }: Layer): JsonObject {
  return { path, by, at, baseBlob: base, deleted: digest === null }
}
