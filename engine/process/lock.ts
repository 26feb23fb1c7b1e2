// One server to a data directory. The lock is a listening socket in Linux' abstract namespace, named by the directory's real
// path: it belongs to a process and ends with it, however it ends, so nothing stale is ever left behind.

import { createHash } from 'node:crypto'
import { realpath } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export class LockError extends Error {
  override readonly name = 'LockError'
}

const retryMs = 50

/**
 * Takes the lock `role` of a data directory; it is held until the process ends or the lock is closed.
 * @param waitMs how long the holder before may take to end
 * @throws LockError where another process keeps it; the reason of `signal` where that ends the wait
 */
export async function lockData(directory: string, role: string, waitMs: number, signal?: AbortSignal): Promise<Disposable> {
  const path = await realpath(directory)
  const name = `\0plumb-${role}-${createHash('sha256').update(path).digest('hex').slice(0, 40)}`
  const giveUpAt = Date.now() + waitMs
  for (;;) {
    const server = await listen(name)
    if (server) return { [Symbol.dispose]: () => server.close() }
    if (Date.now() >= giveUpAt)
      throw new LockError(
        `Cannot use the data directory "${directory}" as another plumb server uses it; stop that one or choose another --data`,
      )
    await sleep(retryMs)
    signal?.throwIfAborted()
  }
}

function listen(name: string): Promise<Server | null> {
  const server = createServer(socket => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(null) : reject(error)))
    server.listen(name, () => {
      server.unref()
      resolve(server)
    })
  })
}
