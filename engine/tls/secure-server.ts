// The HTTP server of a secured listener. Who it is comes later and may change while it serves: a new context is what the next handshake
// gets, and connections that are open go on with theirs.

import { constants } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Server, ServerOptions } from 'node:https'
import type { TlsConfig } from '../../schema/server.ts'

/** What the listener is, whoever it proves to be. */
export type TlsManners = Pick<TlsConfig, 'clientAuth' | 'minVersion'>

/** Texts that belong together. Holds the private key: never logged, never in an answer. */
export interface Credentials {
  readonly cert: string
  readonly key: string
  readonly clientCa: string | null
}

/** What is served from now on; `ticketKeys` (base64) are the same on every worker, and others with every change. */
export interface Served extends Credentials {
  readonly ticketKeys: string
}

/** Shakes no hand before `serveAs`. */
export function createSecureServer<Request extends typeof IncomingMessage>(
  manners: TlsManners,
  options: ServerOptions<Request> & { readonly handshakeTimeout: number },
): Server<Request> {
  const { clientAuth } = manners
  // Loaded where TLS is served alone.
  const server = process.getBuiltinModule('node:https').createServer<Request>({
    ...options,
    ALPNProtocols: ['http/1.1'],
    minVersion: manners.minVersion,
    requestCert: clientAuth !== 'off',
    rejectUnauthorized: clientAuth === 'require',
  })
  if (clientAuth === 'request')
    // OpenSSL lets in whom it does not trust, as it must who shows nothing.
    server.prependListener('secureConnection', socket => {
      if (!socket.authorized && socket.getPeerX509Certificate() !== undefined) socket.destroy()
    })
  return server
}

/** What is open goes on as it is; the next handshake gets this. */
export function serveAs(server: Pick<Server, 'setSecureContext'>, manners: TlsManners, served: Served): void {
  server.setSecureContext({
    ...withoutNull(served),
    minVersion: manners.minVersion,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ticketKeys: Buffer.from(served.ticketKeys, 'base64'),
    // The default would tell workers apart, and a client that comes back to another one would begin anew.
    sessionIdContext: 'plumb',
  })
}

/** As Node's TLS wants them. */
export function withoutNull({ cert, key, clientCa }: Credentials): { readonly cert: string; readonly key: string; readonly ca?: string } {
  return { cert, key, ...(clientCa === null ? {} : { ca: clientCa }) }
}

/** Whether an error of `clientError` came from the HTTP inside, so that an answer can be written. */
export function isReadable(error: NodeJS.ErrnoException): boolean {
  return /^(?:HPE|ERR_HTTP)_/.test(error.code ?? '')
}
