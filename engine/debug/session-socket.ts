// A WebSocket as the end of a debugging session. It speaks the DevTools protocol; what is no JSON object ends it.

import type { WebSocket } from 'ws'
import { isObject, type Json } from '../../schema/json.ts'
import type { DebugHost } from './host.ts'
import type { Debugger } from './session.ts'

/** An end that answers no ping within this time is gone, as that of a machine that went to sleep: what it held goes on. */
const beatMs = 15_000
/** RFC 6455 §7.4.1 */
const [normal, unsupported, failed] = [1000, 1003, 1011] as const

/** Attaches what is at the other end of `socket` to a worker. Where that fails the socket is closed with the reason. Never throws. */
export async function serveSession(socket: WebSocket, host: DebugHost, worker: number, by: Debugger): Promise<void> {
  // What is said before the session is open is read then.
  socket.pause()
  socket.on('error', () => socket.terminate())
  const stopBeating = beat(socket)
  try {
    const attached = await host.attach(worker, by, {
      onMessage: message => socket.send(JSON.stringify(message)),
      onClose: reason => close(socket, normal, reason),
    })
    socket.on('message', (data, isBinary) => {
      const message = isBinary ? undefined : parse(String(data))
      if (isObject(message)) attached.send(message)
      else close(socket, unsupported, 'what was sent is no message of the DevTools protocol')
    })
    socket.on('close', () => {
      stopBeating()
      attached.close('the debugger left')
    })
    if (socket.readyState > socket.OPEN) attached.close('the debugger left')
    socket.resume()
  } catch (error) {
    stopBeating()
    socket.resume()
    close(socket, failed, error instanceof Error ? error.message : String(error))
  }
}

function beat(socket: WebSocket): () => void {
  let isAlive = true
  socket.on('pong', () => {
    isAlive = true
  })
  const timer = setInterval(() => {
    if (!isAlive) return socket.terminate()
    isAlive = false
    if (socket.readyState === socket.OPEN) socket.ping()
  }, beatMs)
  timer.unref()
  return () => clearInterval(timer)
}

/** @param reason cut to what a frame holds */
export function close(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, Buffer.from(reason).subarray(0, 120).toString().replace(/�+$/, ''))
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined // as what is no object
  }
}
