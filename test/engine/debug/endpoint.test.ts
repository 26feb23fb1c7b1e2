import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'undici'
import { test } from 'vitest'
import { WebSocket } from 'ws'
import { openEndpoint } from '../../../engine/debug/endpoint.ts'

async function endpoint(targets = [{ worker: 2, pid: 7 }]) {
  const served: number[] = []
  const opened = await openEndpoint({
    port: 0,
    environment: 'dev',
    targets: async () => targets,
    serve(socket, worker) {
      served.push(worker)
      socket.on('message', data => socket.send(`echo ${data}`))
    },
  })
  const url = `127.0.0.1:${opened.port}`
  const list = async () =>
    (await (await request(`http://${url}/json/list`)).body.json()) as { title: string; webSocketDebuggerUrl: string; type: string }[] // as below
  return { url, served, targets, list, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
}

test('openEndpoint() lists each worker as Node lists itself, and joins its socket', async () => {
  await using open = await endpoint()
  const [target] = await open.list()
  assert(target)
  assert.deepEqual([target.title, target.type], ['plumb worker 2 of dev [7]', 'node'])
  assert.match(target.webSocketDebuggerUrl, new RegExp(`^ws://${open.url}/[0-9a-f-]{36}$`))
  const socket = new WebSocket(target.webSocketDebuggerUrl)
  await once(socket, 'open')
  socket.send('hello')
  const [answer] = await once(socket, 'message')
  assert.deepEqual([String(answer), open.served], ['echo hello', [2]])
  socket.close()
  const version = await request(`http://${open.url}/json/version`)
  assert.deepEqual(await version.body.json(), { Browser: `node.js/${process.version}`, 'Protocol-Version': '1.3' })
})

test('openEndpoint() gives a worker that was replaced another path', async () => {
  await using open = await endpoint()
  const [before] = await open.list()
  open.targets[0] = { worker: 2, pid: 8 }
  const [after] = await open.list()
  assert.notEqual(after?.webSocketDebuggerUrl, before?.webSocketDebuggerUrl)
  const socket = new WebSocket(before?.webSocketDebuggerUrl ?? '')
  const [error] = await once(socket, 'error')
  assert.match(String(error), /404/)
})

test('openEndpoint() answers no page of the web, by whatever name it came', async () => {
  await using open = await endpoint()
  const [target] = await open.list()
  const foreign: Record<string, string>[] = [{ host: 'evil.example.com' }, { origin: 'https://evil.example.com' }, { origin: 'null' }]
  for (const headers of foreign) {
    assert.equal((await request(`http://${open.url}/json/list`, { headers })).statusCode, 403)
    const socket = new WebSocket(target?.webSocketDebuggerUrl ?? '', { headers })
    await once(socket, 'error')
  }
  assert.deepEqual(open.served, [])
  const devtools = new WebSocket(target?.webSocketDebuggerUrl ?? '', { origin: 'devtools://devtools' })
  await once(devtools, 'open')
  devtools.close()
})
