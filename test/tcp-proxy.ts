// A far end that can be refused, silent or cut on demand: a TCP proxy in front of the real one.

import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

export interface TcpProxy extends AsyncDisposable {
  readonly port: number
  /** Sockets of clients that are open. */
  readonly open: number
  /** Closes the port and cuts what is open. */
  refuse(): Promise<void>
  /** Opens the same port again. */
  accept(): Promise<void>
  /** New connections are taken and never answered; what is open goes silent. */
  fallSilent(): void
}

export async function tcpProxy(target: { readonly host?: string; readonly port: number }): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let isSilent = false
  let server = await listen(0)
  const { port } = server.address() as { port: number } // a TCP server that listens has one

  async function listen(at: number): Promise<Server> {
    const made = createServer(client => {
      sockets.add(client)
      client.on('close', () => sockets.delete(client)).on('error', () => client.destroy())
      // Also a silent far end reads, or it would not see that its client is gone.
      if (isSilent) return void client.resume()
      const upstream = connect(target.port, target.host ?? '127.0.0.1')
      upstream.on('error', () => client.destroy()).on('data', chunk => isSilent || client.write(chunk))
      upstream.on('close', () => isSilent || client.destroy())
      client.on('data', chunk => isSilent || upstream.write(chunk)).on('close', () => upstream.destroy())
    })
    made.listen(at, '127.0.0.1')
    await once(made, 'listening')
    return made
  }

  async function refuse(): Promise<void> {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }

  return {
    port,
    get open() {
      return sockets.size
    },
    refuse,
    async accept() {
      isSilent = false
      server = await listen(port)
    },
    fallSilent() {
      isSilent = true
    },
    [Symbol.asyncDispose]: refuse,
  }
}
