// Raw HTTP over a socket: what a client library would refuse to send, byte by byte, and the answers as they came.

import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'

export interface WireAnswer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

export class Wire implements AsyncDisposable {
  readonly #socket: Socket
  #received = ''
  #ended = false
  #wake: (() => void) | null = null

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.#socket.setEncoding('latin1')
    const wake = () => this.#wake?.()
    this.#socket.on('data', chunk => {
      this.#received += String(chunk)
      wake()
    })
    const end = () => {
      this.#ended = true
      wake()
    }
    this.#socket.on('end', end).on('close', end).on('error', end)
  }

  send(text: string): this {
    this.#socket.write(text, 'latin1')
    return this
  }

  /** The next answer; fails where the connection ends before it. `isHead`: it has no body, whatever its headers say. */
  async answer(isHead = false): Promise<WireAnswer> {
    for (;;) {
      const headEnd = this.#received.indexOf('\r\n\r\n')
      if (headEnd >= 0) {
        const [first = '', ...lines] = this.#received.slice(0, headEnd).split('\r\n')
        const headers = new Map(
          lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
        )
        const length = isHead ? 0 : Number(headers.get('content-length') ?? 0)
        const body = this.#received.slice(headEnd + 4, headEnd + 4 + length)
        if (body.length === length) {
          this.#received = this.#received.slice(headEnd + 4 + length)
          return { status: Number(first.split(' ')[1]), headers, body: Buffer.from(body, 'latin1').toString() }
        }
      }
      assert(!this.#ended, `the connection ended after ${JSON.stringify(this.#received)}`)
      await this.#news()
    }
  }

  /** Waits for the far end to close; what came besides the answers taken. */
  async ended(): Promise<string> {
    while (!this.#ended) await this.#news()
    return this.#received
  }

  async #news(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    await promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy()
  }
}
