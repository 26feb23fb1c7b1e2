// A TCP link between a client and a server that a test can cut: at a byte on the way there, at a byte of the answer, or at once.

import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface CutLink extends AsyncDisposable {
  readonly port: number
  /** Cuts once, when that many bytes went to the server from now. */
  cutAfter(bytes: number): void
  /** Cuts once, at the first byte of the answer to the next request whose first line begins so. */
  cutAnswerTo(line: string): void
  /** How often it was cut so. */
  readonly cuts: () => number
  /** Cuts what is open and takes nothing new until `mend`. */
  cut(): void
  mend(): void
}

/** @param host where it listens */
export async function openLink(target: number, host = '127.0.0.1'): Promise<CutLink> {
  const open = new Set<Socket>()
  let isCut = false
  let budget: number | null = null
  let line: string | null = null
  const losing = new Set<Socket>()
  let cuts = 0
  const endAll = () => {
    for (const socket of open) socket.destroy()
  }
  const there = (chunk: Buffer, near: Socket, far: Socket) => {
    if (line !== null && chunk.includes(line)) {
      line = null
      losing.add(near)
    }
    if (budget === null || chunk.length < budget) {
      if (budget !== null) budget -= chunk.length
      return void far.write(chunk)
    }
    far.write(chunk.subarray(0, budget), endAll)
    budget = null
    cuts++
  }
  const back = (chunk: Buffer, near: Socket) => {
    if (!losing.delete(near)) return void near.write(chunk)
    cuts++
    endAll()
  }
  const server = createServer(near => {
    if (isCut) return void near.destroy()
    const far = connect(target, '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        open.delete(one)
        other.destroy()
      })
    }
    near.on('data', (chunk: Buffer) => there(chunk, near, far))
    far.on('data', (chunk: Buffer) => back(chunk, near))
  })
  await new Promise<void>(resolve => server.listen(0, host, resolve))
  return {
    port: (server.address() as AddressInfo).port, // a TCP server that listens has one
    cutAfter(bytes) {
      budget = bytes
    },
    cutAnswerTo(wanted) {
      line = wanted
    },
    cuts: () => cuts,
    cut() {
      isCut = true
      endAll()
    },
    mend() {
      isCut = false
    },
    async [Symbol.asyncDispose]() {
      endAll()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
