// What earlier compilations of the same process found out and later ones need not find out again. Everything hangs on the identity
// of a parsed document or of one of its items, so it goes away with them; of the last compilation its results are kept.

import type { AdapterRow } from '../../adapters/table.ts'
import type { Digested } from '../../engine/generation/state-digest.ts'
import type { Ref } from '../../schema/ref.ts'
import type { Vocabulary } from '../../schema/vocabulary.ts'
import type { DesiredResource } from './desired.ts'
import type { ParsedDocument } from './document.ts'
import type { FileItems, Item } from './items.ts'
import type { Nodes } from './nodes.ts'
import type { Overlaid } from './overlay.ts'
import type { Rendered } from './render.ts'

interface RememberedItems {
  readonly vocabulary: Vocabulary
  readonly items: FileItems
}

interface RememberedResource {
  readonly chain: readonly Item[]
  readonly inputs: string
  readonly rendered: Rendered
}

/** What the last compilation without an error gave: the next one begins there. */
export interface Round {
  /** Stands for all that its nodes depend on besides items, names and secrets. */
  readonly inputs: string
  readonly vocabulary: Vocabulary
  /** Of the adapters, as they looked at its resources. */
  readonly judges: readonly NonNullable<AdapterRow['judge']>[]
  readonly overlaid: Overlaid
  readonly nodes: Nodes
  readonly fromCode: ReadonlyMap<Ref, DesiredResource>
  readonly resources: ReadonlyMap<Ref, DesiredResource>
  readonly digested: Digested
}

export class Memo {
  round: Round | undefined
  readonly #items = new WeakMap<ParsedDocument, Map<string, RememberedItems>>()
  readonly #resources = new WeakMap<Item, RememberedResource>()

  itemsOf(key: { document: ParsedDocument; path: string; layer: string; vocabulary: Vocabulary }, read: () => FileItems): FileItems {
    const byPath = this.#items.get(key.document) ?? new Map<string, RememberedItems>()
    const place = `${key.layer}\0${key.path}`
    const known = byPath.get(place)
    if (known && known.vocabulary === key.vocabulary) return known.items
    const items = read()
    byPath.set(place, { vocabulary: key.vocabulary, items })
    this.#items.set(key.document, byPath)
    return items
  }

  /** @param inputs stands for all that rendering depends on besides the items and the secrets; another text is a miss */
  renderedOf(chain: readonly Item[], inputs: string, isCurrent: (rendered: Rendered) => boolean, render: () => Rendered): Rendered {
    const last = chain.at(-1)
    if (!last) return render()
    const known = this.#resources.get(last)
    if (known && known.inputs === inputs && sameObjects(known.chain, chain) && isCurrent(known.rendered)) return known.rendered
    const rendered = render()
    this.#resources.set(last, { chain, inputs, rendered })
    return rendered
  }
}

/** The same ones in the same order. */
export function sameObjects(before: readonly object[], after: readonly object[]): boolean {
  return before.length === after.length && before.every((one, index) => one === after[index])
}
