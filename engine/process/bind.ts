// The binder: opens the ports, hands their descriptors to the supervisor and closes its own copies before its loop turns,
// so that it never takes a connection itself. It then only waits, and passes signals on.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Member, Roster } from './supervisor.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

export class BindError extends Error {
  override readonly name = 'BindError'
}

export interface Binding {
  /** The ports that were opened, also where 0 asked for any. */
  readonly ports: { readonly channels: number; readonly admin: number }
  readonly supervisor: number
  /** Resolves with the exit status the command should have. */
  readonly ended: Promise<number>
  /** Ends everything in good order; asked again later, at once. */
  stop(): void
}

export interface Binds {
  readonly channels: Address
  readonly admin: Address
  readonly workers: number
  readonly silentMs: number
  readonly graceMs: number
  /** Folder where all processes keep V8's bytecode of their code: their next start takes a third of the time. */
  readonly codeCache: string
  readonly control: Program
  readonly worker: Program
}

export interface Program {
  readonly execArgv: readonly string[]
  readonly script: string
  readonly args: readonly string[]
  readonly env: Member['env']
}

/** The supervisor's own descriptors, after 0 to 2. */
const channelsFd = 3
const adminFd = 4
const binderFd = 5
/** As many connections may wait while nobody accepts: the kernel's own cap may be lower. */
const backlog = 4096
const sameWishMs = 500
/** What a supervisor that was killed left behind lets go of the ports within a second. */
const leftBehindMs = 1_500
const retryMs = 50

/** @throws BindError where a port cannot be opened */
export async function bind(binds: Binds): Promise<Binding> {
  const channels = await open(binds.channels)
  let admin: Server
  try {
    admin = await open(binds.admin)
  } catch (error) {
    channels.close()
    throw error
  }
  const roster: Roster = {
    binderFd,
    silentMs: binds.silentMs,
    graceMs: binds.graceMs,
    members: [
      { ...binds.control, title: 'control', fd: adminFd },
      ...Array.from({ length: binds.workers }, (_, at): Member => {
        const { args } = binds.worker
        return { ...binds.worker, title: `worker ${at + 1}`, args: [...args, String(at + 1)], fd: channelsFd }
      }),
    ],
  }
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const script = new URL(`./supervisor-main.${extension}`, import.meta.url).pathname
  const supervisor = spawn(process.execPath, [script, JSON.stringify(roster)], {
    stdio: ['ignore', 'inherit', 'inherit', fdOf(channels), fdOf(admin), 'pipe'],
    env: { ...process.env, NODE_COMPILE_CACHE: binds.codeCache },
    // A group of its own: the terminal's Ctrl-C reaches the binder alone, which then stops the rest in order.
    detached: true,
  })
  const ports = { channels: portOf(channels), admin: portOf(admin) }
  channels.close()
  admin.close()
  let stoppedAt: number | null = null
  const stop = () => {
    // A terminal's Ctrl-C reaches the launcher and this process, and the launcher passes it on: that is one wish.
    if (stoppedAt !== null && performance.now() - stoppedAt < sameWishMs) return
    stoppedAt ??= performance.now()
    supervisor.kill('SIGTERM')
  }
  const ended = new Promise<number>(resolve => {
    supervisor.on('error', () => resolve(1))
    supervisor.on('exit', code => resolve(stoppedAt !== null && code === 0 ? 0 : 1))
  })
  return { ports, supervisor: supervisor.pid ?? 0, ended, stop }
}

async function open(address: Address): Promise<Server> {
  const giveUpAt = performance.now() + leftBehindMs
  for (;;) {
    try {
      return await tryToOpen(address)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException // net throws system errors
      if (code === 'EADDRINUSE' && performance.now() < giveUpAt) await sleep(retryMs)
      else {
        const why = code === 'EADDRINUSE' ? 'another process listens there' : message
        throw new BindError(`Cannot listen on ${address.host}:${address.port} as ${why}; stop it or choose another port`)
      }
    }
  }
}

async function tryToOpen({ host, port }: Address): Promise<Server> {
  const server = createServer()
  server.listen({ host, port, backlog, exclusive: true })
  await once(server, 'listening')
  return server
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port // a TCP server that listens has one
}

function fdOf(server: Server): number {
  // Node offers no public way to a listening socket's descriptor; `_handle.fd` has been there since the first versions.
  const fd = (server as unknown as { _handle: { fd: number } })._handle.fd
  if (!(fd >= 0)) throw new BindError('Cannot hand the port down as this platform gives no descriptor')
  return fd
}
