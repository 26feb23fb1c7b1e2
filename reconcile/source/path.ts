// Which paths a tree may hold, whether it came from git, a working tree or an upload. A path that one file system, terminal or
// editor would read differently from another is refused: `..`, `.git` in its spellings, control and bidirectional characters,
// a form that is not NFC, and two paths that differ only by case.
// The spellings of `.git` follow git's own `verify_path` (NTFS short names, ignored trailing dots and spaces, HFS+ ignorable code points).

import { SourceError } from './source-error.ts'

const maxPathBytes = 1024
const maxStepBytes = 255
const maxDepth = 32

// C0, DEL and C1 controls; bidirectional marks, embeddings, overrides and isolates; zero-width and other ignorable code points.
const unprintable = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/u
const gitSpelling = /^(?:\.git|git~\d+)$/

/** Why `path` is refused, as the end of a sentence; undefined where it is accepted. */
export function faultOf(path: string): string | undefined {
  if (path === '') return 'it is empty'
  if (!path.isWellFormed()) return 'it is not valid UTF-8'
  if (Buffer.byteLength(path) > maxPathBytes) return `it is longer than ${maxPathBytes} bytes`
  if (path.includes('\\')) return 'it holds a backslash'
  if (unprintable.test(path)) return 'it holds a control, bidirectional or invisible character'
  if (path.normalize('NFC') !== path) return 'it is not in Unicode form NFC'
  const steps = path.split('/')
  if (steps.length > maxDepth) return `it is nested deeper than ${maxDepth} folders`
  for (const step of steps) {
    const fault = stepFault(step)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** The path printed so that no terminal is fooled: what is not plain stands as an escape. */
export function printable(path: string): string {
  const shown = JSON.stringify(path).replace(/[^\x20-\x7e]/gu, escaped)
  return shown.length > 200 ? `${shown.slice(0, 200)}…"` : shown
}

/** The refusal of a path that is no text: its bytes stand as escapes. */
export function notUtf8(bytes: Buffer): SourceError {
  const path = bytes.toString('latin1')
  return new SourceError('refused', `Cannot take in ${printable(path)} as it is not valid UTF-8`, { path })
}

/** Finds the first two paths, folders included, that differ only by case. */
export class CaseFolding {
  readonly #seen = new Map<string, string>()

  /** The path that `path` collides with, or undefined. */
  add(path: string): string | undefined {
    const folded = path.toLowerCase()
    const earlier = this.#seen.get(folded)
    if (earlier !== undefined) return earlier === path ? undefined : earlier
    this.#seen.set(folded, path)
    const slash = path.lastIndexOf('/')
    return slash < 0 ? undefined : this.add(path.slice(0, slash))
  }
}

function stepFault(step: string): string | undefined {
  if (step === '') return 'it has an empty step or is absolute'
  if (step === '.' || step === '..') return `it holds the step "${step}"`
  if (step.startsWith('-')) return 'a step of it begins with "-"'
  if (Buffer.byteLength(step) > maxStepBytes) return `a step of it is longer than ${maxStepBytes} bytes`
  const folded = (step.toLowerCase().split(':')[0] ?? '').replace(/[. ]+$/, '')
  if (gitSpelling.test(folded)) return 'it holds a spelling of ".git"'
  return undefined
}

function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}
