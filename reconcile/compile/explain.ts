// Where every value of a resource came from: file, line, layer and variables, or the schema's default. Computed when somebody asks.

import { type Json, pointerOf } from '../../schema/json.ts'
import { declaredPath } from './aliases.ts'
import type { DesiredResource, Leaf } from './desired.ts'
import type { Item } from './items.ts'
import { locate } from './locate.ts'
import { mergeChain } from './overlay.ts'
import { leavesOf } from './paths.ts'
import type { Rendered } from './render.ts'

/** One entry for each leaf of the spec: those that files declare in the order of the file, then the defaults. */
export function explainResource(rendered: Rendered, chain: readonly Item[]): readonly Leaf[] {
  const declared = mergeChain(chain)
  const { spec, tainted, secrets } = rendered.resource
  const hidden = new Set([...tainted, ...secrets.keys()])
  const leaves = leavesOf(spec).map(({ path, value }): Leaf => {
    const pointer = pointerOf(path)
    const shown: Json = hidden.has(pointer) ? '***' : value
    const own = declaredPath(rendered.kind, path, declared)
    const first = own[0]
    if (first === undefined || !Object.hasOwn(declared, first)) return { pointer, value: shown, from: { kind: 'default' } }
    const { at, item } = locate(chain, pointerOf(own), 'value')
    return { pointer, value: shown, from: { kind: 'file', at, layer: item.layer, variables: rendered.variables.get(pointer) ?? [] } }
  })
  return [...leaves.filter(leaf => leaf.from.kind === 'file'), ...leaves.filter(leaf => leaf.from.kind === 'default')]
}

/** Of a service, everything comes from the line that exports it. */
export function explainCode({ spec, at }: DesiredResource): readonly Leaf[] {
  const from = { kind: 'file', at, layer: 'code', variables: [] } as const
  return Object.entries(spec).map(([field, value]) => ({ pointer: pointerOf([field]), value, from }))
}
