// The file in which a worker leaves the name of what it was stuck on, or what ended it, for control to count.

import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Blame {
  /** Of a service. */
  readonly name: string
  /** Completes "it …". */
  readonly reason: string
}

const blamed = /^blame-(.+)\.json(?:\.tmp)?$/

export function blamePath(dataDirectory: string, life: string): string {
  return join(dataDirectory, `blame-${life}.json`)
}

/** The life that such a file is about; null for any other file. */
export function blamedLife(name: string): string | null {
  return blamed.exec(name)?.[1] ?? null
}

/** Whole or not at all: whoever sees the file may read it, and the writer may be killed at any instant. */
export function writeBlame(path: string, blame: Blame): void {
  writeFileSync(`${path}.tmp`, JSON.stringify(blame))
  renameSync(`${path}.tmp`, path)
}
