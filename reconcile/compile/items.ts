// One file to items: each section's list, item by item, with identity and place. Nothing is merged, filled in or validated here,
// so what comes out depends only on the bytes, the path and the vocabulary, and is kept for the next compilation.

import { type Issue, issue, type Position } from '../../schema/issue.ts'
import { isObject, type Json, type JsonObject } from '../../schema/json.ts'
import { type Ref, refOf } from '../../schema/ref.ts'
import type { Kind, Vocabulary } from '../../schema/vocabulary.ts'
import { marksAt, marksIn, type ParsedDocument, positionOf } from './document.ts'

/** A declared item of one file. Its identity (the object) stays the same as long as the file does. */
export interface Item {
  readonly kind: Kind
  readonly ref: Ref
  readonly name: string
  readonly value: JsonObject
  /** `patch` merges onto the layers below, `replace` starts anew, `remove` drops what is below. */
  readonly directive: 'patch' | 'replace' | 'remove'
  readonly path: string
  readonly layer: string
  readonly document: ParsedDocument
  /** Mark of the item in its document. */
  readonly mark: number
  /** The chain of an item that nothing is laid over or under: itself. The same one every time. */
  readonly alone: readonly Item[]
}

export interface FileItems {
  readonly items: readonly Item[]
  readonly issues: readonly Issue[]
}

export function readItems(path: string, layer: string, document: ParsedDocument, vocabulary: Vocabulary): FileItems {
  const items: Item[] = []
  const issues: Issue[] = []
  const at = (mark: number): Position => positionOf(path, document, mark)
  if (document.value === null)
    return {
      items,
      issues: [
        issue('DOCUMENT_SHAPE', 'Cannot find anything in this file as it is empty; declare resources in it or remove it', {
          at: at(0),
          severity: 'warning',
        }),
      ],
    }
  if (!isObject(document.value)) {
    const message =
      'Cannot read this file as its top level is no mapping; write sections such as "channel_rest:", each with a list of items'
    return { items, issues: [issue('DOCUMENT_SHAPE', message, { at: at(0) })] }
  }
  let mark = 1
  for (const [section, list] of Object.entries(document.value)) {
    const keyMark = mark
    mark += 1
    if (section !== 'include') readSection(section, list, keyMark)
    mark += marksIn(list)
  }
  return { items, issues }

  function readSection(section: string, list: Json, keyMark: number): void {
    const kind = vocabulary.kindOfSection(section)
    if (!kind) {
      issues.push(issue('UNKNOWN_SECTION', unknownSection(section, vocabulary), { at: at(keyMark) }))
      return
    }
    if (list === null) return
    if (!Array.isArray(list)) {
      const message = `Cannot read section "${section}" as it is no list; write each item on its own lines, starting with "- ${kind.identity}: "`
      issues.push(issue('DOCUMENT_SHAPE', message, { at: at(keyMark + 1) }))
      return
    }
    let itemMark = keyMark + 2
    for (const value of list) {
      readItem(kind, value, itemMark)
      itemMark += marksIn(value)
    }
  }

  function readItem(kind: Kind, value: Json, itemMark: number): void {
    if (!isObject(value)) {
      const message = `Cannot read this item of "${kind.section}" as it is no mapping; start it with "- ${kind.identity}: "`
      issues.push(issue('DOCUMENT_SHAPE', message, { at: at(itemMark) }))
      return
    }
    const name = nameOf(kind, value, itemMark)
    if (name === undefined) {
      const message = `Cannot identify this item of "${kind.section}" as it has no "${kind.identity}"; give it one, of 1 to 200 characters`
      issues.push(issue('INVALID_NAME', message, { at: at(itemMark) }))
      return
    }
    const ref = refOf(kind.name, name)
    if (name.includes('${') || name.startsWith('Zato_Enmasse_Env.')) {
      const message = `Cannot use this "${kind.identity}" as it must be literal, without an expression; write the name itself`
      issues.push(issue('INVALID_NAME', message, { at: at(marksAt(value, itemMark, `/${kind.identity}`).value) }))
      return
    }
    const { directive, wrong } = directiveOf(value)
    if (wrong !== undefined) {
      const message = `Cannot use "${wrong}" here as a directive is "$remove: true", alone beside the "${kind.identity}", or "$replace: true"; correct it`
      issues.push(issue('OVERLAY_DIRECTIVE', message, { at: at(marksAt(value, itemMark, `/${wrong}`).key), ref }))
      return
    }
    const named = value[kind.identity] === name ? value : { ...value, [kind.identity]: name }
    const alone: Item[] = []
    const item: Item = { kind, ref, name, value: named, directive, path, layer, document, mark: itemMark, alone }
    alone.push(item)
    items.push(item)
  }

  /** A name that YAML reads as a number or boolean is the text that stands in the file. */
  function nameOf(kind: Kind, value: JsonObject, itemMark: number): string | undefined {
    const name = value[kind.identity]
    if (typeof name === 'string' && name !== '') return name.normalize('NFC')
    if (typeof name !== 'number' && typeof name !== 'boolean') return undefined
    const nameMark = marksAt(value, itemMark, `/${kind.identity}`).value
    return document.raw.find(raw => raw.mark === nameMark)?.source ?? String(name)
  }
}

function directiveOf(value: JsonObject): { directive: Item['directive']; wrong?: string } {
  let directive: Item['directive'] = 'patch'
  for (const key of Object.keys(value)) {
    if (!key.startsWith('$')) continue
    if ((key !== '$remove' && key !== '$replace') || value[key] !== true || directive !== 'patch') return { directive, wrong: key }
    if (key === '$remove' && Object.keys(value).length !== 2) return { directive, wrong: key }
    directive = key === '$remove' ? 'remove' : 'replace'
  }
  return { directive }
}

function unknownSection(section: string, vocabulary: Vocabulary): string {
  const near = vocabulary.nearestSection(section)
  const known = [...vocabulary.kinds.values()].flatMap(kind => (kind.section === null ? [] : [`"${kind.section}"`]))
  const suggestion = near === undefined ? `accepted are ${known.join(', ')} and "include"` : `did you mean "${near}"?`
  return `Cannot read section "${section}" as no such kind exists: ${suggestion}`
}
