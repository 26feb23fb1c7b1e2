// A consumer that may exist once in a server, as an adapter: it holds a place at a broker while its intake is on. The broker is
// a socket that writes down who holds, and knows when two did.

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { Adapter } from '../../adapters/port.ts'

export interface Broker extends AsyncDisposable {
  readonly port: number
  /** Who holds at this instant. */
  readonly holders: readonly string[]
  /** Every change in order: `+ name` and `- name`. */
  readonly events: readonly string[]
  /** True once two held together. */
  readonly collided: boolean
}

export async function openBroker(): Promise<Broker> {
  const held = new Map<Socket, string>()
  const events: string[] = []
  let collided = false
  const server = createServer(socket => {
    socket.once('data', name => {
      held.set(socket, name.toString())
      events.push(`+ ${name}`)
      collided ||= held.size > 1
      socket.write('yours')
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      const name = held.get(socket)
      if (held.delete(socket)) events.push(`- ${name}`)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number } // a TCP server that listens has one
  return {
    port,
    events,
    get holders() {
      return [...held.values()]
    },
    get collided() {
      return collided
    },
    async [Symbol.asyncDispose]() {
      for (const socket of held.keys()) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

export interface ExclusiveConsumer {
  readonly name: string
  readonly port: number
  socket: Socket | null
}

/** @param holder who it says it is; its spec gives the broker's port and an edition */
export function exclusiveConsumer(holder: string): Adapter<ExclusiveConsumer> {
  return {
    traits: { scope: 'server', handover: 'stopThenStart' },
    prepare: ({ resource: { spec } }) => ({ name: `${holder}/${String(spec.edition)}`, port: Number(spec.port), socket: null }),
    async start(consumer) {
      const socket = connect(consumer.port, '127.0.0.1')
      consumer.socket = socket
      await once(socket, 'connect')
      socket.write(consumer.name)
      await once(socket, 'data')
    },
    async stop(consumer) {
      const { socket } = consumer
      consumer.socket = null
      if (!socket) return
      const closed = once(socket, 'close')
      socket.end()
      await closed
    },
    close: consumer => void consumer.socket?.destroy(),
  }
}
