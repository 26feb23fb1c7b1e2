// WebSockets of the admin API. An upgrade is first a request like any other: it passes the same guard, credential, role and checks, and
// only what its row allows becomes a socket.

import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { WebSocket, WebSocketServer } from 'ws'
import { isObject, type Json, type JsonObject } from '../../schema/json.ts'
import { STATUS_CODES } from '../node-http.ts'
import type { AdminApp } from './app.ts'
import type { Arrival } from './guard.ts'

/** Takes a socket: `tunnel` is what the row answered with. */
export type OnTunnel = (socket: WebSocket, tunnel: JsonObject) => void

const maxPayload = 64 * 1024 * 1024
/** Of the answer that says why not. */
const passed = ['content-type', 'www-authenticate', 'retry-after', 'x-correlation-id', 'allow']

export function takeUpgrades(server: Server, { app, via, onTunnel }: { app: AdminApp; via: Arrival['via']; onTunnel: OnTunnel }): void {
  let sockets: WebSocketServer | undefined
  server.on('upgrade', (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    void upgrade(incoming, socket, head).catch(() => socket.destroy()) // nothing was agreed on with whoever sent this
  })

  async function upgrade(incoming: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const answer = await app.fetch(requestOf(incoming), { via, incoming })
    const text = await answer.text()
    const found: Json = answer.ok ? JSON.parse(text) : null
    const tunnel = isObject(found) ? found.tunnel : undefined
    if (!isObject(tunnel)) return refuse(socket, answer.ok ? noTunnel : answer, answer.ok ? '' : text)
    // Loaded for whoever needs it: no start waits for it.
    const { WebSocketServer: Sockets } = await import('ws')
    sockets ??= new Sockets({ noServer: true, maxPayload, perMessageDeflate: false })
    sockets.handleUpgrade(incoming, socket, head, webSocket => onTunnel(webSocket, tunnel))
  }
}

const noTunnel = { status: 400, headers: new Headers() }

/** The same request without what is between two neighbours. */
function requestOf({ headers, url, method, socket }: IncomingMessage): Request {
  const { upgrade: _upgrade, connection: _connection, 'content-length': _length, 'transfer-encoding': _coding, ...rest } = headers
  const ends = Object.entries(rest).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)] as [string, string]]))
  return new Request(new URL(url ?? '/', `${'encrypted' in socket ? 'https' : 'http'}://${headers.host ?? 'localhost'}`), {
    method: method ?? 'GET',
    headers: ends,
  })
}

function refuse(socket: Socket, { status, headers }: Pick<Response, 'status' | 'headers'>, body: string): void {
  const lines = passed.flatMap(name => (headers.has(name) ? [`${name}: ${headers.get(name)}`] : []))
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, `content-length: ${Buffer.byteLength(body)}`, 'connection: close']
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
