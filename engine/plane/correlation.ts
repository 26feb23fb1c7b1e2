// Correlation ids: the caller's own where it is plain enough to be logged and echoed, else one of ours.

import { randomBytes } from 'node:crypto'

/** 1 to 128 of letters, digits and `. _ : -`, a letter or digit first: nothing that could break out of a log line or a header. */
const grammar = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/

export function isCorrelationId(text: string): boolean {
  return grammar.test(text)
}

/**
 * Makes ids such as `5fk1q8x2z0a3-1a`: random for each maker, counted within it. Unique, not secret; no random bytes for each request.
 */
export function createCorrelationIds(): () => string {
  const prefix = BigInt(`0x${randomBytes(8).toString('hex')}`)
    .toString(36)
    .padStart(13, '0')
  let count = 0
  return () => `${prefix}-${(count++).toString(36)}`
}
