// Client libraries put what they were given into their error messages. This is the last look before a message is kept.

import type { Secret } from '../schema/secret.ts'

/** `text` with every occurrence of a secret replaced by `***`. Values shorter than 4 characters are left: they occur in any text. */
export function redact(text: string, secrets: Iterable<Secret>): string {
  let clean = text
  for (const secret of secrets) {
    const value = secret.reveal()
    if (value.length >= 4) clean = clean.replaceAll(value, '***').replaceAll(encodeURIComponent(value), '***')
  }
  return clean
}

/** The message of whatever was thrown; of an AggregateError, those of its parts. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}
