// What editors and browsers expect of Node's inspector, for the workers of a server: a list of targets over HTTP, and a WebSocket for
// each. It listens on loopback alone. A target's path cannot be guessed, and the list is not readable for pages of other origins: so no
// web page can attach, by DNS rebinding neither.

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { createServer } from '../node-http.ts'

export interface EndpointTarget {
  readonly worker: number
  readonly pid: number
}

export interface EndpointOptions {
  /** 0: any that is free. */
  readonly port: number
  readonly environment: string
  readonly targets: () => Promise<readonly EndpointTarget[]>
  /** Takes the socket of a debugger that wants that worker. */
  readonly serve: (socket: WebSocket, worker: number, address: string) => void
}

export interface Endpoint extends AsyncDisposable {
  readonly port: number
}

const host = '127.0.0.1'
const loopbackNames = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i
const maxPayload = 64 * 1024 * 1024

/** Rejects with the system's error where the port cannot be opened. */
export async function openEndpoint({ port, environment, targets, serve }: EndpointOptions): Promise<Endpoint> {
  /** Life of a worker → what its path is called. */
  const ids = new Map<string, string>()
  const sockets = new WebSocketServer({ noServer: true, maxPayload, perMessageDeflate: false })
  const server = createServer((request, response) => void answer(request, response))
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    void upgrade(request, socket, head).catch(() => socket.destroy()) // the server behind it is away, and it is told by whoever lists
  })
  server.listen({ host, port })
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port, // a TCP server that listens has one
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, value: unknown) =>
      response
        .writeHead(status, { 'content-type': 'application/json; charset=UTF-8', 'cache-control': 'no-store' })
        .end(JSON.stringify(value))
    if (isForeign(request)) return void send(403, { error: 'Only programs of this machine may debug' })
    try {
      switch (request.url?.replace(/\/$/, '')) {
        case '/json/version':
          return void send(200, { Browser: `node.js/${process.version}`, 'Protocol-Version': '1.3' })
        case '/json':
        case '/json/list':
          return void send(200, (await targets()).map(described))
        default:
          return void send(404, { error: 'There are /json/version and /json/list' })
      }
    } catch (error) {
      send(502, { error: error instanceof Error ? error.message : String(error) })
    }
  }

  async function upgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const target = isForeign(request) ? undefined : (await targets()).find(each => request.url === `/${idOf(each)}`)
    if (!target) return void socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n')
    sockets.handleUpgrade(request, socket, head, webSocket => serve(webSocket, target.worker, socket.remoteAddress ?? ''))
  }

  function described(target: EndpointTarget) {
    const id = idOf(target)
    const { port: bound } = server.address() as AddressInfo // as above
    const at = `${host}:${bound}/${id}`
    return {
      id,
      type: 'node',
      title: `plumb worker ${target.worker} of ${environment} [${target.pid}]`,
      description: 'node.js instance',
      url: 'file://',
      faviconUrl: 'https://nodejs.org/static/images/favicons/favicon.ico',
      devtoolsFrontendUrl: `devtools://devtools/bundled/js_app.html?experiments=true&v8only=true&ws=${at}`,
      webSocketDebuggerUrl: `ws://${at}`,
    }
  }

  function idOf({ worker, pid }: EndpointTarget): string {
    const life = `${worker}-${pid}`
    const id = ids.get(life) ?? randomUUID()
    ids.set(life, id)
    return id
  }
}

/** A name that is not this machine's, or a page of a web site. DevTools themselves come from `devtools://`. */
function isForeign({ headers }: IncomingMessage): boolean {
  return !loopbackNames.test(headers.host ?? '') || /^https?:/i.test(headers.origin ?? '') || headers.origin === 'null'
}
