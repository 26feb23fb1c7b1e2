// A port that swallows connections: a process that listens with the shortest queue, then stands still, and whose queue is full.
// The kernel drops every further SYN, so a connect neither succeeds nor fails.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const source = `
const server = require('node:net').createServer()
server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
  process.stdout.write(String(server.address().port), () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
})`

export async function blackHole(): Promise<AsyncDisposable & { readonly port: number }> {
  const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'ignore'] })
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
  const port = Number(chunk.toString())
  const fillers: Socket[] = []
  for (let isFull = false; !isFull; ) {
    const socket = connect(port, '127.0.0.1').on('error', () => socket.destroy())
    fillers.push(socket)
    isFull = await Promise.race([
      once(socket, 'connect').then(() => false),
      new Promise<boolean>(resolve => setTimeout(resolve, 200, true)),
    ])
  }
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of fillers) socket.destroy()
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}
