// Tells an error of the world behind a connection from an error of the service: the first is answered with 503, the second
// with 500. Client libraries agree on no class for it, so this goes by the codes and names they document.

const codes = new Set([
  // the operating system
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  // undici
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_SOCKET',
])

// PostgreSQL, appendix A: connection exceptions, shutdowns, too many connections.
const sqlState = /^(08[0-9A-Z]{3}|57P0[1-3]|53300)$/

const names = new Set(['MaxRetriesPerRequestError', 'ClusterAllFailedError'])

// pg and ioredis give these no code.
const messages = /^(Connection terminated|timeout exceeded when trying to connect|Connection is closed\.|Stream isn't writeable)/

/** How deep a chain of causes is followed: libraries nest one or two, a cycle any number. */
const deepestCause = 5

/** What failed, such as `ECONNREFUSED`, where `error` or one of its causes says that a far end could not be reached; else null. */
export function connectionFailureOf(error: unknown, depth = 0): string | null {
  if (!(error instanceof Error) || depth > deepestCause) return null
  const code = 'code' in error ? error.code : undefined
  if (typeof code === 'string' && (codes.has(code) || sqlState.test(code))) return code
  if (names.has(error.name)) return error.name
  if (messages.test(error.message)) return error.message.replace(/\.$/, '')
  if (error instanceof AggregateError)
    for (const part of error.errors) {
      const found = connectionFailureOf(part, depth + 1)
      if (found !== null) return found
    }
  return connectionFailureOf(error.cause, depth + 1)
}
