// A call over a connection that failed on the way, as opposed to one the far end answered.

import type { Ref } from '../schema/ref.ts'

/**
 * TIMEOUT: the time given ran out. UNREACHABLE: nothing was sent. BROKEN: the exchange ended half-way.
 * ANSWER: what came cannot be used. BUSY: too many wait. CLOSED: the connection may not be used.
 */
export type ConnectionFailure = 'TIMEOUT' | 'UNREACHABLE' | 'BROKEN' | 'ANSWER' | 'BUSY' | 'CLOSED'

export class ConnectionError extends Error {
  readonly ref: Ref
  readonly code: ConnectionFailure
  readonly retryable: boolean

  constructor(ref: Ref, code: ConnectionFailure, reason: string, cause?: unknown) {
    super(`Cannot call "${ref}" as ${reason}`, { cause })
    this.name = 'ConnectionError'
    this.ref = ref
    this.code = code
    this.retryable = code !== 'ANSWER' && code !== 'CLOSED'
  }
}
