// What `plumb deploy` writes: lines that people read, and that a problem matcher reads back. Paths are relative to the working directory.

import { join, relative } from 'node:path'
import type { Issue } from '../schema/issue.ts'
import type { JsonObject } from '../schema/json.ts'
import type { TurnEnd } from './deploy-turn.ts'
import { duration, printable, printIssues } from './print.ts'
import { taskLines } from './problem-matcher.ts'
import { printJson } from './run.ts'

export interface Report {
  begin(files: number): void
  /** @param elapsedMs since the save was seen */
  end(end: TurnEnd, elapsedMs: number): void
  lost(message: string): void
  back(elapsedMs: number): void
}

/** Issues as lines; `root` of the estate is where their paths begin. */
export function textReport(root: string, stdout: NodeJS.WriteStream, directory = process.cwd()): Report {
  const line = (text: string) => void stdout.write(`${printable(text)}\n`)
  const issues = (found: readonly Issue[]) =>
    printIssues(
      found.map(each => placed(each, root, directory)),
      stdout,
    )
  return {
    begin: files => line(`${taskLines.begin} ${files === 1 ? '1 file' : `${files} files`}`),
    end(end, elapsedMs) {
      if (end.kind === 'refused') {
        issues(end.issues)
        line(`${taskLines.refused} ${sumOf(end.issues) ?? end.message}; what was live stays live`)
        return
      }
      issues(end.notes)
      if (end.kind === 'idle') return line(`${taskLines.idle} the server has what is here`)
      const { outcome } = end
      issues(issuesIn(outcome))
      line(lastLine(outcome, elapsedMs))
    },
    lost: message => line(`${taskLines.refused} ${message}; what is saved is sent once it is back`),
    back: elapsedMs => line(`The server is back after ${duration(elapsedMs)}`),
  }
}

/** One object a line, for programs. */
export function jsonReport(isWatching: boolean): Report {
  const write = (value: JsonObject | object) => (isWatching ? void process.stdout.write(`${JSON.stringify(value)}\n`) : printJson(value))
  return {
    begin: () => undefined,
    end: (end, elapsedMs) => write({ ...end, elapsedMs: Math.round(elapsedMs) }),
    lost: message => (isWatching ? write({ kind: 'lost', message }) : undefined),
    back: elapsedMs => (isWatching ? write({ kind: 'back', elapsedMs: Math.round(elapsedMs) }) : undefined),
  }
}

function lastLine(outcome: JsonObject, elapsedMs: number): string {
  switch (outcome.kind) {
    case 'live':
      return `${taskLines.live} generation ${outcome.generation} after ${duration(elapsedMs)}`
    case 'nothing':
      return `${taskLines.live} nothing changes, generation ${outcome.generation} stays live`
    case 'held':
      return `${taskLines.waits} plan ${outcome.plan ?? ''}; plumb status says for what`
    default: {
      const reasons = Array.isArray(outcome.reasons) ? outcome.reasons.map(String) : []
      return `${taskLines.refused} ${sumOf(issuesIn(outcome)) ?? reasons[0] ?? String(outcome.kind)}; generation ${outcome.generation} stays live`
    }
  }
}

function issuesIn(outcome: JsonObject): readonly Issue[] {
  return Array.isArray(outcome.issues) ? (outcome.issues as unknown as Issue[]) : [] // as the admin API documents
}

function sumOf(issues: readonly Issue[]): string | null {
  const errors = issues.filter(({ severity }) => severity === 'error').length
  return errors === 0 ? null : errors === 1 ? '1 error' : `${errors} errors`
}

/** A message is one line: a matcher reads no further. */
function placed(found: Issue, root: string, directory: string): Issue {
  const place = <At extends { readonly path: string }>(at: At): At => ({ ...at, path: relative(directory, join(root, at.path)) })
  const message = found.message.replaceAll(/\s*\n\s*/g, ' ')
  const related = found.related ? { related: found.related.map(each => ({ ...each, at: place(each.at) })) } : {}
  return { ...found, message, ...(found.at ? { at: place(found.at) } : {}), ...related }
}
