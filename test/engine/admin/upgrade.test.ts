import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { test } from 'vitest'
import { WebSocket } from 'ws'
import { createDebugOperations } from '../../../engine/admin/debug-operations.ts'
import { debugging, startServer } from './server.ts'

const path = '/api/v1/environments/dev/debug/workers/1'
const oneWorker = createDebugOperations({
  isAllowed: true,
  host: {
    targets: () => [{ worker: 1, pid: 7, generation: 1 }],
    sessions: () => [],
    detachAll: () => 0,
    attach: () => Promise.reject(new Error('There are no workers')),
  },
})
const notAllowed = createDebugOperations({
  isAllowed: false,
  host: { targets: () => [], sessions: () => [], detachAll: () => 0, attach: () => Promise.reject(new Error('There are no workers')) },
})

for (const [what, debug, at, headers, status] of [
  ['without a token', oneWorker, path, { authorization: '' }, 401],
  ['with a wrong token', oneWorker, path, { authorization: 'Bearer plumb_wrong' }, 401],
  ['from a page of another site', oneWorker, path, { origin: 'https://evil.example.com' }, 403],
  ['of a server that does not allow it', notAllowed, path, {}, 403],
  ['to a worker that is not there', debugging, path, {}, 404],
  ['of a path that opens no tunnel', oneWorker, '/api/v1', {}, 400],
] as const)
  test(`an upgrade ${what} is refused like any request, with ${status}`, async () => {
    await using server = await startServer({ debug })
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}${at}`, {
      headers: { authorization: `Bearer ${server.token}`, ...headers },
    })
    socket.on('error', () => undefined)
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
    assert.equal(response.statusCode, status)
    response.destroy()
  })

test('an upgrade that its row allows becomes a socket', async () => {
  await using server = await startServer({ debug: oneWorker })
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}${path}`, { headers: { authorization: `Bearer ${server.token}` } })
  await once(socket, 'open')
  // The server of these tests hangs up on whatever it is given.
  await once(socket, 'close')
})
