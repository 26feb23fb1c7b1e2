// Text for people. Whatever came from a server or a file is made printable first: no escape sequence reaches the terminal.

import { styleText } from 'node:util'
import type { Issue } from '../schema/issue.ts'

/** Control characters (but tab and newline) and bidirectional overrides, as `\u001b`. */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** One block an issue: place, severity and code, sentence. The first line is what editors' problem matchers read. */
export function printIssues(issues: readonly Issue[], stream: NodeJS.WriteStream): void {
  for (const found of issues) {
    const place = found.at ? `${found.at.path}:${found.at.line}:${found.at.column}: ` : ''
    const severity = styleText(found.severity === 'error' ? 'red' : 'yellow', found.severity, { stream })
    stream.write(`${printable(place)}${severity} ${found.code}: ${printable(found.message)}\n`)
    for (const { message, at } of found.related ?? [])
      stream.write(`  ${printable(message)}: ${printable(at.path)}:${at.line}:${at.column}\n`)
  }
}

/** Columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, printable(cell).length)
  return rows
    .map(
      row =>
        `${row
          .map((cell, at) => printable(cell).padEnd(widths[at] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

/** A duration as people say it: `140 ms`, `2.4 s`, `3 min`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${Math.round(ms / 100) / 10} s`
  return `${Math.round(ms / 60_000)} min`
}
