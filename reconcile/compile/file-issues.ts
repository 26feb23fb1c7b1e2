// What is wrong with a whole file, before anything in it counts.

import { type Issue, issue } from '../../schema/issue.ts'
import type { TreeFile } from '../source/tree.ts'
import type { Parsed } from './document.ts'

/** What one environment may cost; bytes before anything is parsed. */
export const loadLimits = { fileBytes: 1024 * 1024, totalBytes: 64 * 1024 * 1024, files: 10_000 }

export function tooLarge(file: TreeFile): Issue {
  const message = `Cannot read this file as it is too large: ${file.bytes} bytes; at most ${loadLimits.fileBytes} are accepted; split it`
  return issue('YAML_LIMIT', message, { at: { path: file.path, line: 1, column: 1 } })
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
