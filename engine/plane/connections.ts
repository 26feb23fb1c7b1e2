// The connections of one listener: who holds how many, and which requests are open on each, so that they learn when their caller leaves.

import type { Socket } from 'node:net'

/** A request that is open on a connection. */
export interface OpenRequest {
  /** The connection is gone; nobody will read an answer. */
  abandon(): void
  /** The parser gave up on the connection while this request was open. True where the request has an answer, or will, and closes then. */
  endsWithAnswer(status: number): boolean
}

export class Connections {
  readonly #perAddress = new Map<string, number>()
  readonly #open = new WeakMap<Socket, OpenRequest[]>()
  readonly #maxPerAddress: number
  readonly #isProxy: (address: string) => boolean

  /** @param isProxy whether an address speaks for many, so that no cap of one applies */
  constructor(maxPerAddress: number, isProxy: (address: string) => boolean) {
    this.#maxPerAddress = maxPerAddress
    this.#isProxy = isProxy
  }

  /** Counts a new connection; false (and closes it) where its address has too many. */
  admit(socket: Socket): boolean {
    const address = socket.remoteAddress ?? ''
    if (this.#isProxy(address)) return true
    const count = this.#perAddress.get(address) ?? 0
    if (count >= this.#maxPerAddress) {
      socket.destroy()
      return false
    }
    this.#perAddress.set(address, count + 1)
    socket.once('close', () => {
      const left = (this.#perAddress.get(address) ?? 1) - 1
      if (left === 0) this.#perAddress.delete(address)
      else this.#perAddress.set(address, left)
    })
    return true
  }

  /** Watches what HTTP is spoken over: the connection itself, or its TLS. */
  watch(socket: Socket): void {
    const open: OpenRequest[] = []
    this.#open.set(socket, open)
    socket.once('close', () => {
      for (const request of open.splice(0)) request.abandon()
    })
  }

  /** Requests open on it, in the order they came. */
  openOn(socket: Socket): OpenRequest[] {
    return this.#open.get(socket) ?? []
  }
}
