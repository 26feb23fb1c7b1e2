// The thread through which debuggers reach the main thread of a worker. It opens no inspector port: each connection to its socket is one
// session of V8's inspector, and goes on while the main thread stands at a breakpoint. The end of a connection is the end of its session:
// its breakpoints are gone and what it held goes on.
//
// The protocol is Chrome's DevTools protocol, as messages of a link. (https://chromedevtools.github.io/devtools-protocol/)

import { once } from 'node:events'
import { chmod, rm } from 'node:fs/promises'
import { Session } from 'node:inspector'
import { createServer, type Socket } from 'node:net'
import { basename, dirname } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import type { JsonObject } from '../../schema/json.ts'
import { type Link, openLink } from '../process/link.ts'
import { socketAddress } from '../process/paths.ts'
import { Pauses } from './pauses.ts'

const { path, buffer } = workerData as { path: string; buffer: SharedArrayBuffer } // given by relay.ts
const pauses = new Pauses(buffer)
const sessions = new Map<Link, Session>()
/** Those that were told of the pause under way. */
const paused = new Set<Session>()

const server = createServer(relay)
const address = socketAddress(dirname(path), basename(path))
await rm(path, { force: true })
server.listen(address.path)
await once(server, 'listening')
await chmod(path, 0o600)
// The process ends: it would wait for debuggers that are attached.
parentPort?.on('message', () => {
  server.close()
  for (const link of sessions.keys()) end(link)
})
parentPort?.postMessage('listening')

function relay(socket: Socket): void {
  const session = new Session()
  session.connectToMainThread()
  pauses.attach()
  const link = openLink(socket, { message: (message: Command) => command(session, message, answer => link.notify('message', answer)) })
  sessions.set(link, session)
  session.on('inspectorNotification', notification => {
    follow(session, notification.method)
    link.notify('message', notification)
  })
  link.notify('state', state())
  void link.closed.then(() => end(link))
}

interface Command {
  readonly id: number
  readonly method: string
  readonly params?: JsonObject
}

/** Threads of the process are not for debuggers: this one is among them, and whoever paused it could never let it go on. */
const hidden = /^NodeWorker\./
/** JSON-RPC: what the inspector says without a code of its own. */
const serverError = -32_000

function command(session: Session, { id, method, params }: Command, answer: (message: JsonObject) => void): void {
  if (hidden.test(method)) return answer({ id, result: {} })
  const failed = (error: Error) => {
    const [, code, message] = /^Inspector error (-?\d+): (.*)$/s.exec(error.message) ?? []
    answer({ id, error: { code: Number(code ?? serverError), message: message ?? error.message } })
  }
  try {
    session.post(method, params, (error: Error | null, result?: object) => {
      if (error) return failed(error)
      // It lets go, and nothing says so.
      if (method === 'Debugger.disable') release(session)
      answer({ id, result: { ...(result as JsonObject | undefined) } }) // the protocol is JSON
    })
  } catch (error) {
    if (!(error instanceof Error)) throw error
    failed(error)
  }
}

function follow(session: Session, method: string): void {
  if (method === 'Debugger.paused') {
    paused.add(session)
    if (pauses.isPaused) return
    pauses.pause()
  } else if (method === 'Debugger.resumed') {
    paused.clear()
    pauses.resume()
  } else return
  tell()
}

function end(link: Link): void {
  const session = sessions.get(link)
  if (!session) return
  sessions.delete(link)
  session.disconnect()
  link.close()
  release(session)
  pauses.detach()
}

/** Where nobody else holds the main thread, it goes on. */
function release(session: Session): void {
  if (!paused.delete(session) || paused.size > 0) return
  pauses.resume()
  tell()
}

function tell(): void {
  for (const link of sessions.keys()) link.notify('state', state())
}

function state(): JsonObject {
  return { isPaused: pauses.isPaused, count: pauses.count }
}
