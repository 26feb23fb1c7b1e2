// The spec an adapter is given: a secret may stand in any text, so where the manifest holds `${{ secrets.x }}` the adapter finds the value.
// The manifest's own spec keeps the expression; nothing that is shown or stored comes from here.

import { isObject, type Json, type JsonObject, stepsOf } from '../../schema/json.ts'
import type { Secret } from '../../schema/secret.ts'

/** `spec` with the secrets at their JSON pointers. What it does not change is shared, and a place it does not have is left out. */
export function filledSpec(spec: JsonObject, secrets: ReadonlyMap<string, Secret>): JsonObject {
  let filled: Json = spec
  for (const [pointer, secret] of secrets) filled = withText(filled, stepsOf(pointer), secret.reveal())
  return filled as JsonObject // the root is never replaced: no pointer is empty
}

function withText(node: Json, [step, ...rest]: readonly string[], text: string): Json {
  if (step === undefined) return text
  if (Array.isArray(node)) return node.map((item, at) => (String(at) === step ? withText(item, rest, text) : item))
  if (!isObject(node) || !Object.hasOwn(node, step)) return node
  return { ...node, [step]: withText(node[step] ?? null, rest, text) }
}
