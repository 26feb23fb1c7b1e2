// How the failures of a far end are told: the same words for the same trouble, whatever the protocol.

import { messageOf } from './redact.ts'

/**
 * The clause that completes "Cannot … as".
 * @param place where it was tried, such as `user "app" at db.internal:5432`
 */
export function failureOf(error: unknown, place: string): string {
  const code = codeOf(error)
  const known = code === undefined ? undefined : wordsFor[code]
  if (known) return `${known}: ${place}, ${code}`
  return code === undefined ? `${lowerFirst(messageOf(error))}: ${place}` : `${lowerFirst(messageOf(error))}: ${place}, ${code}`
}

/** The system's or the library's code of an error, looked for in its causes and parts too. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if ('code' in error && typeof error.code === 'string') return error.code
  const inner = error.cause ?? (error instanceof AggregateError ? error.errors[0] : undefined)
  return inner === error ? undefined : codeOf(inner)
}

const wordsFor: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the far end reset the connection',
  EPIPE: 'the far end closed the connection',
  ETIMEDOUT: 'no connection came in time',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ENOTFOUND: 'the host name cannot be resolved',
  EAI_AGAIN: 'the host name cannot be resolved at present',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate chain ends in an authority that is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by an authority that is not known',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is signed by an authority that is not known',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
  UND_ERR_CONNECT_TIMEOUT: 'no connection came in time',
  UND_ERR_SOCKET: 'the far end closed the connection',
}

function lowerFirst(text: string): string {
  return /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text
}
