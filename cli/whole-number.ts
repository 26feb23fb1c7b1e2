import { CommandError, exit } from './run.ts'

/** What was given for `what` (a flag or an argument), as a number. @throws CommandError where it is no whole number of the range */
export function wholeNumber(what: string, text: string, { min, max = Number.MAX_SAFE_INTEGER }: { min: number; max?: number }): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`
  throw new CommandError(`Cannot use ${what} as it is "${text}": a whole number ${range} is accepted`, { status: exit.usage })
}
