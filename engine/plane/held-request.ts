// A request that waits before it begins. What arrives of its body meanwhile is kept, and handed on in order.

import type { BodyReader, ChannelRequest } from './channel-request.ts'

/** Begins `serve` once `ready` resolved, unless the caller has left by then. @param maxBytes of the body; beyond it one chunk more is kept, to be refused */
export function holdRequest(request: ChannelRequest, ready: Promise<void>, maxBytes: number, serve: () => void): void {
  const body = new KeptBody(maxBytes)
  request.reader = body
  void ready.then(() => {
    if (request.socket.destroyed) return
    request.reader = null
    serve()
    body.handOn(request)
  })
}

class KeptBody implements BodyReader {
  readonly #maxBytes: number
  readonly #chunks: Buffer[] = []
  #bytes = 0
  #hasEnded = false

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  take(chunk: Buffer): void {
    if (this.#bytes > this.#maxBytes) return
    this.#bytes += chunk.length
    this.#chunks.push(chunk)
  }

  end(): void {
    this.#hasEnded = true
  }

  /** To whoever reads it by now; nobody does where the request was refused. */
  handOn(request: ChannelRequest): void {
    for (const chunk of this.#chunks) request.reader?.take(chunk)
    if (this.#hasEnded) request.reader?.end()
  }
}
