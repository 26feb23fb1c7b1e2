import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { ChannelRequest } from '../../../engine/plane/channel-request.ts'
import { Wire } from './wire.ts'

let server: Server<typeof ChannelRequest>
afterEach(() => server.close())

async function serve(answer: (request: ChannelRequest) => Promise<string>): Promise<number> {
  server = createServer({ IncomingMessage: ChannelRequest }, async (request, response) => {
    const text = await answer(request)
    response.writeHead(200, { 'Content-Length': text.length }).end(text)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port // of TCP
}

const bodies = {
  'no body': 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'a body of a length': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody',
  'a chunked body with a trailer': 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Trailer: 1\r\n\r\n',
}

/** The body as a reader gets it, read to its end. */
function bodyOf(request: ChannelRequest): Promise<string> {
  const chunks: Buffer[] = []
  const { promise, resolve } = Promise.withResolvers<string>()
  const end = () => {
    request.endBody()
    resolve(Buffer.concat(chunks).toString())
  }
  if (request.method === 'GET') end()
  else request.reader = { take: chunk => void chunks.push(chunk), end }
  return promise
}

for (const [what, raw] of Object.entries(bodies)) {
  test(`A request with ${what} that a reader took whole is let go without a turn of its stream, and the connection serves on`, async () => {
    const seen: ChannelRequest[] = []
    const ended: string[] = []
    const port = await serve(request => {
      seen.push(request)
      request.once('end', () => ended.push('end')).once('close', () => ended.push('close'))
      return bodyOf(request)
    })
    await using wire = new Wire(port)
    for (let count = 0; count < 3; count++) {
      wire.send(raw)
      expect((await wire.answer()).body).toBe(what === 'no body' ? '' : 'body')
    }
    expect(new Set(seen).size).toBe(3)
    expect(ended).toEqual([])
    // Undocumented names of Node's server: what holds a request until its stream has ended.
    for (const request of seen) {
      expect(Reflect.get(request, '_dumped')).toBe(false)
      expect(Reflect.get(Reflect.get(request.socket, 'parser'), 'incoming')).toBeNull()
    }
  })

  test(`A request with ${what} that nobody read is drained by its stream, and the connection serves on`, async () => {
    const ended: string[] = []
    const port = await serve(async request => {
      request.once('end', () => ended.push('end'))
      return 'unread'
    })
    await using wire = new Wire(port)
    for (let count = 0; count < 3; count++) {
      wire.send(raw)
      expect((await wire.answer()).body).toBe('unread')
    }
    await expect.poll(() => ended).toEqual(['end', 'end', 'end'])
  })
}
