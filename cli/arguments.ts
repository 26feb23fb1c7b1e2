// What a command was given, read before any server is asked: each gives the value, or says what is accepted.

import { durationMs } from '../schema/duration.ts'
import { commitOf, isRevision, parseRef, type Ref } from '../schema/ref.ts'
import { CommandError, exit } from './run.ts'

interface Range {
  readonly min: number
  /** Absent: the largest that JSON carries unharmed. */
  readonly max?: number
  /** The next step, for the message. */
  readonly next?: string
}

/** What was given for `what` (a flag or an argument), as a number. @throws CommandError where it is no whole number of the range */
export function wholeNumber(what: string, text: string, { min, max = Number.MAX_SAFE_INTEGER, next }: Range): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`
  throw usage(`Cannot use ${what} as it is "${text}": a whole number ${range} is accepted${next ? `; ${next}` : ''}`)
}

/** Milliseconds of the duration that `flag` gives. @throws CommandError */
export function readDuration(flag: string, text: string): number {
  const ms = durationMs(text)
  if (ms === undefined)
    throw usage(`Cannot use ${flag} as it is "${text}": a whole number and a unit, such as 500ms, 60s, 5m or 1h, is accepted`)
  return ms
}

/** How many rows a list has at most. @throws CommandError */
export function readLimit(text: string): number {
  return wholeNumber('--limit', text, { min: 1, max: 1000 })
}

/** @throws CommandError */
export function readRef(text: string): Ref {
  try {
    return parseRef(text)
  } catch (error) {
    throw usage(`${(error as TypeError).message}; plumb get lists what is live`) // parseRef() throws these
  }
}

/** @throws CommandError */
export function readRevision(text: string): string {
  if (isRevision(text) && commitOf(text) === text) return text
  throw usage(`Cannot plan the revision "${text}" as it is no full commit id: 40 or 64 hex digits are accepted; git rev-parse prints them`)
}

function usage(message: string): CommandError {
  return new CommandError(message, { status: exit.usage })
}
