// Calls between control and a worker over a Unix socket: length-prefixed JSON frames, calls in both directions, answered
// by id. A call that the other end cannot answer rejects; when the socket closes, every open call rejects with LinkError.

import type { Socket } from 'node:net'
import type { Json } from '../../schema/json.ts'

export class LinkError extends Error {
  override readonly name = 'LinkError'
  /** Whether the other end may have got the call, and carried it out. */
  readonly mayHaveArrived: boolean

  constructor(message: string, { mayHaveArrived = false } = {}) {
    super(message)
    this.mayHaveArrived = mayHaveArrived
  }
}

export type Methods = Readonly<Record<string, (body: never) => unknown>>

export interface Link {
  /** `isPatient` false: not waited for longer where the other process stands at a breakpoint. Default true. */
  call<Answer>(method: string, body: unknown, options?: { readonly timeoutMs?: number; readonly isPatient?: boolean }): Promise<Answer>
  /** Sends without waiting for an answer; dropped silently when the link is closed. */
  notify(method: string, body: unknown): void
  readonly closed: Promise<void>
  readonly isClosed: boolean
  /** Bytes that were sent and not taken by the other end yet. */
  readonly waitingBytes: number
  close(): void
}

type Frame =
  | { readonly call: number; readonly method: string; readonly body: Json }
  | { readonly notify: true; readonly method: string; readonly body: Json }
  | { readonly answer: number; readonly body: Json }
  | { readonly failed: number; readonly message: string }

/** Larger frames are a broken peer. A manifest is sent in parts that stay far below. */
const maxFrameBytes = 64 * 1024 * 1024
const defaultTimeoutMs = 60_000

export interface LinkOptions {
  /** Whether the other process stood at a breakpoint at any instant since (of `performance.now()`): a call then waits on. Never where absent. */
  readonly hasHeldSince?: (at: number) => boolean
}

export function openLink(socket: Socket, methods: Methods, { hasHeldSince = () => false }: LinkOptions = {}): Link {
  const open = new Map<number, { resolve(value: never): void; reject(error: Error): void; timer: NodeJS.Timeout }>()
  let lastCall = 0
  socket.on(
    'data',
    frameReader(receive, () => socket.destroy()),
  )
  socket.on('error', () => socket.destroy())
  const closed = new Promise<void>(resolve => {
    socket.on('close', () => {
      for (const id of [...open.keys()])
        settle(id)?.reject(new LinkError('Cannot go on as the link to the other process closed', { mayHaveArrived: true }))
      resolve()
    })
  })

  return {
    call: (method, body, { timeoutMs = defaultTimeoutMs, isPatient = true } = {}) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) return reject(new LinkError('Cannot call as the link to the other process is closed'))
        const call = ++lastCall
        const wait = () => {
          const from = performance.now()
          return setTimeout(() => {
            const waiting = open.get(call)
            if (waiting && isPatient && hasHeldSince(from)) waiting.timer = wait()
            else
              settle(call)?.reject(
                new LinkError(`Cannot finish "${method}" as the other process did not answer within ${timeoutMs} ms`, {
                  mayHaveArrived: true,
                }),
              )
          }, timeoutMs)
        }
        open.set(call, { resolve, reject, timer: wait() })
        send({ call, method, body: body as Json }) // what callers pass is JSON data
      }),
    notify: (method, body) => {
      if (!socket.destroyed) send({ notify: true, method, body: body as Json }) // what callers pass is JSON data
    },
    closed,
    get isClosed() {
      return socket.destroyed
    },
    get waitingBytes() {
      return socket.writableLength
    },
    close: () => socket.destroy(),
  }

  function send(frame: Frame): void {
    const text = Buffer.from(JSON.stringify(frame))
    const head = Buffer.allocUnsafe(4)
    head.writeUInt32BE(text.length)
    socket.cork()
    socket.write(head)
    socket.write(text)
    socket.uncork()
  }

  function settle(id: number) {
    const call = open.get(id)
    if (!call) return undefined
    open.delete(id)
    clearTimeout(call.timer)
    return call
  }

  function receive(text: string): void {
    const frame = JSON.parse(text) as Frame // the peer is our own process on a 0600 socket
    if ('answer' in frame) settle(frame.answer)?.resolve(frame.body as never)
    else if ('failed' in frame) settle(frame.failed)?.reject(new Error(frame.message))
    else if ('notify' in frame) methods[frame.method]?.(frame.body as never)
    else void answer(frame)
  }

  async function answer({ call, method, body }: { call: number; method: string; body: Json }): Promise<void> {
    try {
      const run = methods[method]
      if (!run) throw new Error(`Cannot answer "${method}" as this process does not know it`)
      const value = await run(body as never)
      if (!socket.destroyed) send({ answer: call, body: (value ?? null) as Json }) // methods answer with JSON data
    } catch (error) {
      if (!socket.destroyed) send({ failed: call, message: error instanceof Error ? error.message : String(error) })
    }
  }
}

function frameReader(receive: (text: string) => void, refuse: () => void): (chunk: Buffer) => void {
  let parts: Buffer[] = []
  let have = 0
  return chunk => {
    parts.push(chunk)
    have += chunk.length
    while (have >= 4) {
      const first = parts[0] as Buffer // have > 0
      if (first.length < 4) parts = [Buffer.concat(parts)]
      const length = (parts[0] as Buffer).readUInt32BE(0) // just made long enough
      if (length > maxFrameBytes) return refuse()
      if (have < 4 + length) return
      const whole = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts) // have >= 4
      receive(whole.toString('utf8', 4, 4 + length))
      const rest = whole.subarray(4 + length)
      parts = rest.length > 0 ? [rest] : []
      have = rest.length
    }
  }
}
