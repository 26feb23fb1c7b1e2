// Client libraries put what they were given into their error messages. This is the last look before a message is kept.

import type { Secret } from '../schema/secret.ts'
import type { Log } from './port.ts'

/** `text` with every occurrence of a secret replaced by `***`. Values shorter than 4 characters are left: they occur in any text. */
export function redact(text: string, secrets: Iterable<Secret>): string {
  let clean = text
  for (const secret of secrets) {
    const value = secret.reveal()
    if (value.length >= 4) clean = clean.replaceAll(value, '***').replaceAll(encodeURIComponent(value), '***')
  }
  return clean
}

/** A log whose messages and texts pass through `redact`. */
export function redactingLog(log: Log, secrets: ReadonlyMap<string, Secret>): Log {
  if (secrets.size === 0) return log
  const clean = (text: string) => redact(text, secrets.values())
  const cleaned = (fields: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? clean(value) : value]))
  return {
    info: (fields, message) => log.info(cleaned(fields), clean(message)),
    warn: (fields, message) => log.warn(cleaned(fields), clean(message)),
    error: (fields, message) => log.error(cleaned(fields), clean(message)),
  }
}

/** The message of whatever was thrown; of an AggregateError, those of its parts. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}
