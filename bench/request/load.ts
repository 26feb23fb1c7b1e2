// The load of the request bench: kept connections with one request on each at a time, every answer compared with the sample. It never
// sleeps while it waits: waking it would be work of the server's own write, the more of it the sooner the server answers.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface Load {
  /** Resolves once that many requests were answered as they should be; rejects at the first that was not. */
  send(requests: number): Promise<void>
  close(): void
}

const body = '{"client_id":123}'
const request = Buffer.from(
  [
    'POST /api/v1/client HTTP/1.1',
    'Host: localhost:17010',
    'User-Agent: bench',
    'Accept: */*',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n'),
)
const expected = '\r\n\r\n{"name":"Jane Doe","email":"jane@example.com","segment":"RNZ"}'

export async function openLoad(port: number, connections: number): Promise<Load> {
  const sockets = Array.from({ length: connections }, () => connect({ port, host: '127.0.0.1' }).setEncoding('latin1'))
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  return {
    async send(requests) {
      const left = { requests }
      let isWaiting = true
      const stayAwake = () => {
        if (isWaiting) setImmediate(stayAwake)
      }
      stayAwake()
      try {
        await Promise.all(sockets.map(socket => sendOn(socket, left)))
      } finally {
        isWaiting = false
      }
    },
    close() {
      for (const socket of sockets) socket.destroy()
    },
  }
}

function sendOn(socket: Socket, left: { requests: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = ''
    const end = (error: Error | null) => {
      socket.off('data', take).off('close', closed)
      if (error === null) resolve()
      else reject(error)
    }
    const closed = () => end(new Error('Cannot compare as a server closed the connection'))
    const next = () => {
      if (left.requests-- <= 0) end(null)
      else socket.write(request)
    }
    const take = (chunk: unknown) => {
      received += String(chunk)
      if (!isWhole(received)) return
      if (!received.startsWith('HTTP/1.1 200 ') || !received.endsWith(expected))
        return end(new Error(`Cannot compare as a server answered ${JSON.stringify(received)}`))
      received = ''
      next()
    }
    socket.on('data', take).on('close', closed)
    next()
  })
}

function isWhole(received: string): boolean {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd < 0) return false
  const length = /^content-length: *(\d+)/im.exec(received.slice(0, headEnd))?.[1]
  return received.length >= headEnd + 4 + Number(length ?? Number.POSITIVE_INFINITY)
}
