// What can go wrong between the server and the estate. The loop decides by `kind` and `retryable`; the message is for people
// and never repeats what the remote said without its credentials removed.

export type SourceFault =
  /** No answer: name, route, port, or the connection broke. */
  | 'unreachable'
  | 'auth'
  | 'ref-missing'
  /** An answer that is not git, or objects that do not hold together. */
  | 'garbage'
  | 'timeout'
  /** Input that is well formed and not accepted: a symbolic link, a path, a size, a URL. */
  | 'refused'
  /** The local clone is damaged; the next fetch makes a new one. */
  | 'corrupt'

const retryable: Readonly<Record<SourceFault, boolean>> = {
  unreachable: true,
  auth: false,
  'ref-missing': false,
  garbage: true,
  timeout: true,
  refused: false,
  corrupt: true,
}

export class SourceError extends Error {
  readonly kind: SourceFault
  /** Whether the same request may succeed later without anyone changing anything. */
  readonly retryable: boolean
  /** The path in the tree that is refused, where it is one. */
  readonly path: string | null

  constructor(kind: SourceFault, message: string, options: { cause?: unknown; path?: string } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'SourceError'
    this.kind = kind
    this.retryable = retryable[kind]
    this.path = options.path ?? null
  }
}
