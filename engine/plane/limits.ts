// What one worker's listener takes before it refuses. Each default is a promise of its own with a test that fails when it changes.

export interface Limits {
  readonly maxBodyBytes: number
  /** Names and values of all request headers together. */
  readonly maxHeaderBytes: number
  readonly maxHeaders: number
  /** Of the request target, query included. */
  readonly maxUrlBytes: number
  readonly maxQueryParameters: number
  /** Nesting of a JSON body. */
  readonly maxJsonDepth: number
  /** To end the handshake of TLS. */
  readonly handshakeMs: number
  readonly headersMs: number
  /** To receive the whole request; how long a service may take is the channel's `timeout`. */
  readonly requestMs: number
  /** Between requests of a connection, and without progress in sending an answer. */
  readonly idleMs: number
  /** How often the times above are looked at. */
  readonly checkMs: number
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  /** Requests of one connection that are answered at the same time (pipelining). */
  readonly maxPipelined: number
}

export const defaultLimits: Limits = {
  maxBodyBytes: 1_000_000,
  maxHeaderBytes: 16_384,
  maxHeaders: 100,
  maxUrlBytes: 8_192,
  maxQueryParameters: 256,
  maxJsonDepth: 64,
  handshakeMs: 10_000,
  headersMs: 10_000,
  requestMs: 30_000,
  idleMs: 60_000,
  checkMs: 1_000,
  maxConnections: 16_384,
  maxConnectionsPerAddress: 2_048,
  maxPipelined: 64,
}
