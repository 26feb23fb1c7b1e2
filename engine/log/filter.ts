// Which lines somebody wants to see. A line is text until it has to be more: most are told by their level and by whether the words are
// in them at all, and only what is left is parsed.

import { isObject } from '../../schema/json.ts'

/** A line of the log: one JSON object as text, without the newline, and a name that no other line has, in whatever process. */
export interface Line {
  readonly key: string
  readonly text: string
}

export interface LogFilter {
  /** Least level, as a number. */
  readonly level: number
  readonly service?: string
  /** A channel's ref, or its name alone. */
  readonly channel?: string
  readonly cid?: string
  readonly process?: string
  /** Milliseconds since 1970; lines of that time or later. */
  readonly since?: number
}

export type Matches = (text: string) => boolean

export function matcherOf(filter: LogFilter): Matches {
  const { level, since = 0, ...words } = filter
  const wanted = Object.entries(words).flatMap(([field, value]) =>
    value === undefined ? [] : [{ field, value, spelled: `${JSON.stringify(value).slice(1, -1)}"` }],
  )
  return text => {
    if (levelOf(text) < level || timeOf(text) < since) return false
    if (!wanted.every(({ spelled }) => text.includes(spelled))) return false
    return wanted.length === 0 || hasAll(text, wanted)
  }
}

/** The level at the head of a line, and its time in milliseconds; 0 where there is none. */
export function levelOf(text: string): number {
  return Number(/^\{"level":(\d+)/.exec(text)?.[1] ?? 0)
}

export function timeOf(text: string): number {
  return Number(/^\{"level":\d+,"time":(\d+)/.exec(text)?.[1] ?? 0)
}

/** Merged by time; lines of one process stay in their order. */
export function mergeLines(lists: readonly (readonly Line[])[]): Line[] {
  return lists
    .flat()
    .map((line, at) => ({ line, at, time: timeOf(line.text) }))
    .sort((a, b) => a.time - b.time || a.at - b.at)
    .map(({ line }) => line)
}

function hasAll(text: string, wanted: readonly { readonly field: string; readonly value: string }[]): boolean {
  const line: unknown = JSON.parse(text) // a line of ours
  return (
    isObject(line) &&
    wanted.every(({ field, value }) => {
      const found = line[field]
      if (found === value) return true
      return field === 'channel' && typeof found === 'string' && found.slice(found.indexOf('/') + 1) === value
    })
  )
}
