// Which files of a working copy a deploy sends: what its author changed, told from what others did by the commit both came from. Pure.

import { isSkipped } from './folders.ts'

export interface Comparison {
  /** git's ids of the file here: as it is, and where it has lines with CRLF also as it would be with LF. */
  readonly here: ReadonlyMap<string, readonly string[]>
  /** git's ids of the files on the server. */
  readonly there: ReadonlyMap<string, string>
  /** The same of the commit that both came from; null where none is known. */
  readonly reference: ReadonlyMap<string, string> | null
  /** What this working copy deployed before, by path; null among it where it took a file away. */
  readonly sent: ReadonlyMap<string, readonly (string | null)[]>
  /** Sends files also where others changed them meanwhile. */
  readonly force: boolean
}

export interface Changed {
  /** What is to be sent, each with the id of the file that it replaces there; `gone`: it is not here any more. */
  readonly changes: readonly { readonly path: string; readonly base: string | null; readonly gone: boolean }[]
  /** Changed here and by others. */
  readonly conflicts: readonly string[]
  /** Newer on the server, and not changed here. */
  readonly behind: readonly string[]
}

export function changedFiles({ here, there, reference, sent, force }: Comparison): Changed {
  const changes: Changed['changes'][number][] = []
  const conflicts: string[] = []
  const behind: string[] = []
  const tops = new Set(['environments', 'services', ...[...here.keys()].map(topOf)])
  const gone = [...there.keys()].filter(path => !here.has(path) && tops.has(topOf(path)) && !path.split('/').some(isSkipped))
  for (const path of [...here.keys(), ...gone].sort()) {
    const mine = here.get(path) ?? []
    const base = there.get(path) ?? null
    const isHere = mine.length > 0
    if (base === null ? !isHere : mine.includes(base)) continue
    const change = { path, base, gone: !isHere }
    // Without a commit nothing tells a file that went from one that never was here.
    const from = reference === null ? (isHere ? base : null) : (reference.get(path) ?? null)
    const wasSent = sent.get(path)?.includes(base) === true
    const isUnchanged = from === null ? !isHere : mine.includes(from)
    if (isUnchanged && !wasSent) behind.push(path)
    else if (base === from || wasSent || force) changes.push(change)
    else conflicts.push(path)
  }
  return { changes, conflicts, behind }
}

function topOf(path: string): string {
  return path.split('/', 1)[0] ?? path
}
