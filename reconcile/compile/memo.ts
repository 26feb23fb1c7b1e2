// What earlier compilations of the same process found out and later ones need not find out again. Everything hangs on the identity
// of a parsed document or of one of its items, so it goes away with them.

import type { Vocabulary } from '../../schema/vocabulary.ts'
import type { ParsedDocument } from './document.ts'
import type { FileItems, Item } from './items.ts'
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

export class Memo {
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
    if (known && known.inputs === inputs && sameItems(known.chain, chain) && isCurrent(known.rendered)) return known.rendered
    const rendered = render()
    this.#resources.set(last, { chain, inputs, rendered })
    return rendered
  }
}

function sameItems(before: readonly Item[], after: readonly Item[]): boolean {
  return before.length === after.length && before.every((item, index) => item === after[index])
}
