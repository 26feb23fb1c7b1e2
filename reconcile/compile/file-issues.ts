// What is wrong with a whole file, before anything in it counts.

import { type Issue, issue } from '../../schema/issue.ts'
import { defaultBudget } from '../source/budget.ts'
import type { TreeFile } from '../source/tree.ts'
import { marksAt, type Parsed, type ParsedDocument, positionOf } from './document.ts'

/** What one environment may cost; bytes before anything is parsed. */
export const loadLimits = { fileBytes: defaultBudget.fileBytes, totalBytes: 64 * 1024 * 1024, files: 10_000 }

export function tooLarge(file: TreeFile): Issue {
  const message = `Cannot read this file as it is too large: ${file.bytes} bytes; at most ${loadLimits.fileBytes} are accepted; split it`
  return issue('YAML_LIMIT', message, { at: { path: file.path, line: 1, column: 1 } })
}

export function markedEncrypted(path: string, document: ParsedDocument): Issue {
  const message = `Cannot take what "${path}" declares as "sops" marks it as encrypted, so nothing in it is read: accepted are resources in files without "sops", each secret in them as \${{ secrets.NAME }}; remove "sops", or move what is in plain text to another file`
  return issue('DOCUMENT_SHAPE', message, {
    at: positionOf(path, document, marksAt(document.value, 0, '/sops').key),
    severity: 'warning',
  })
}

export function refusalsOf(path: string, parsed: Parsed | undefined): Issue[] {
  if (parsed?.kind !== 'refused') return []
  return parsed.refusals.map(({ code, message, line, column, related }) =>
    issue(code, message, {
      at: { path, line, column },
      ...(related
        ? { related: related.map(other => ({ message: other.message, at: { path, line: other.line, column: other.column } })) }
        : {}),
    }),
  )
}
