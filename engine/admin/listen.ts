// The doors of the admin API: the TCP port, whose descriptor the supervisor holds, and the Unix socket that only the user of the
// server can open. Who comes through the socket is trusted, so it must not be open for a moment before it is closed to others.

import { createHash } from 'node:crypto'
import { chmod, mkdir, rename, rm, rmdir } from 'node:fs/promises'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { createServer } from '../node-http.ts'
import { type Answer, problemAnswer, rawAnswer } from '../plane/answer.ts'
import { createCorrelationIds } from '../plane/correlation.ts'
import { createSecureServer, isReadable, type Served, serveAs, type TlsManners } from '../tls/secure-server.ts'
import { chooseSocketPath, writeAddress } from './address.ts'
import type { AdminApp } from './app.ts'
import { type Arrival, securityHeaders } from './guard.ts'
import { type OnTunnel, takeUpgrades } from './upgrade.ts'

export interface ListenOptions {
  readonly app: AdminApp
  readonly listen: { readonly fd: number } | { readonly host: string; readonly port: number }
  /** TLS of the TCP port, in addition to tokens; plain HTTP where absent or null. */
  readonly tls?: { readonly manners: TlsManners; readonly served: Served } | null
  /** Must exist. The socket and `admin.addr` are made in it. */
  readonly dataDir: string
  /** Takes what a row opens a tunnel for. */
  readonly onTunnel: OnTunnel
}

export interface AdminListener {
  readonly port: number
  readonly socketPath: string
  /** What the next handshake gets. */
  serveAs(served: Served): void
  /** Takes nothing new, ends event streams, lets answers end until `deadlineMs`, then cuts them. */
  close(deadlineMs: number): Promise<void>
}

const limits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 60_000,
  maxHeaderSize: 16_384,
  connectionsCheckingInterval: 1000,
}
const handshakeMs = 10_000
const maxConnections = 1024

export async function listenAdmin({ app, listen, dataDir, tls = null, onTunnel }: ListenOptions): Promise<AdminListener> {
  const secure = tls && createSecureServer(tls.manners, { ...limits, handshakeTimeout: handshakeMs })
  if (secure && tls) serveAs(secure, tls.manners, tls.served)
  const tcp = serve(secure ?? createServer(limits), app, 'tcp')
  takeUpgrades(tcp, { app, via: 'tcp', onTunnel })
  await listening(tcp, () => tcp.listen({ ...listen, backlog: 512 }))
  const local = serve(createServer(limits), app, 'socket')
  takeUpgrades(local, { app, via: 'socket', onTunnel })
  try {
    const socketPath = await chooseSocketPath(dataDir)
    await listenPrivately(local, socketPath)
    await writeAddress(dataDir, socketPath)
    return {
      port: (tcp.address() as AddressInfo).port, // a TCP server that listens has one
      socketPath,
      serveAs(served) {
        if (secure && tls) serveAs(secure, tls.manners, served)
      },
      async close(deadlineMs) {
        const written = app.close()
        await rm(socketPath, { force: true })
        await Promise.all([closed(tcp, deadlineMs), closed(local, deadlineMs), written])
      },
    }
  } catch (cause) {
    await Promise.all([closed(tcp, 0), closed(local, 0)])
    throw cause
  }
}

function serve(server: Server, app: AdminApp, via: Arrival['via']): Server {
  const nextCid = createCorrelationIds()
  const isSecure = 'setSecureContext' in server
  const problem = (status: number, why: string): { answer: Answer; cid: string } => {
    const cid = nextCid()
    return { answer: problemAnswer(status, `Cannot take the request as ${why}`, { cid, members: { code: 'REQUEST_INVALID' } }), cid }
  }
  const listener = getRequestListener(
    (request, env) => app.fetch(request, { via, incoming: env.incoming as IncomingMessage }), // the server below speaks HTTP/1 alone
    {
      overrideGlobalObjects: false,
      hostname: 'localhost',
      errorHandler() {
        const { answer } = problem(400, 'its target is no path')
        return new Response(String(answer.body), {
          status: 400,
          headers: { ...securityHeaders, 'content-type': 'application/problem+json' },
        })
      },
    },
  )
  server.on('request', (incoming, outgoing) => void listener(incoming, outgoing))
  server.maxConnections = maxConnections
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable || (isSecure && !isReadable(error))) return void socket.destroy()
    const [status, why] = parserFaults[error.code ?? ''] ?? [400, 'it is not HTTP as this server reads it']
    const { answer, cid } = problem(status, why)
    socket.end(rawAnswer(answer, cid))
  })
  return server
}

const parserFaults: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, `its headers are larger than ${limits.maxHeaderSize} bytes`],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'it did not arrive in time'],
}

/**
 * Binds in a directory that nobody else can enter, closes the socket to others, and only then moves it to where it is looked for;
 * the move replaces what a killed server left there.
 */
async function listenPrivately(server: Server, path: string): Promise<void> {
  // Its own name, as other servers may share the runtime directory; short, as the path of the socket must fit as well.
  const aside = join(dirname(path), `.${createHash('sha256').update(path).digest('hex').slice(0, 6)}`)
  await rm(aside, { recursive: true, force: true })
  await mkdir(aside, { mode: 0o700 })
  const bound = join(aside, 's')
  await listening(server, () => server.listen(bound))
  await chmod(bound, 0o600)
  await rename(bound, path)
  await rmdir(aside)
}

function listening(server: Server, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      resolve()
    })
    start()
  })
}

function closed(server: Server, deadlineMs: number): Promise<void> {
  return new Promise(resolve => {
    if (!server.listening) return resolve()
    const timer = setTimeout(() => server.closeAllConnections(), deadlineMs)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}
