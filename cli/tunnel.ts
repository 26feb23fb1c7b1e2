// What `plumb debug` does: a port of this machine for editors, each of whose sessions is a WebSocket through the admin port of a server.

import { WebSocket } from 'ws'
import { openEndpoint } from '../engine/debug/endpoint.ts'
import { close } from '../engine/debug/session-socket.ts'
import { isObject, type JsonObject } from '../schema/json.ts'
import { wholeNumber } from './arguments.ts'
import type { AdminClient } from './client.ts'
import { freeInspectPort } from './inspector.ts'
import { printable } from './print.ts'
import { CommandError, connect, exit, printJson, type Shared } from './run.ts'

export interface TunnelOptions extends Shared {
  readonly port: string
  readonly worker?: string
}

/** Serves until a signal ends it. */
export async function tunnel(options: TunnelOptions): Promise<number> {
  const port = await freeInspectPort(options.port, '--port')
  const only = options.worker === undefined ? null : wholeNumber('--worker', options.worker, { min: 1, max: 256 })
  await using gateway = await connect(options)
  const { environment } = gateway
  const targets = async () => targetsIn(await gateway.get('debug'), only)
  const found = await targets()
  if (found.length === 0)
    throw new CommandError(
      only === null
        ? 'Cannot debug as no worker is connected to the server; they are started anew within a second, try again'
        : `Cannot debug worker ${only} as no such worker is connected; plumb debug --list prints those that are`,
    )
  await using endpoint = await openEndpoint({ port, environment, targets, serve: (socket, worker) => relay(socket, gateway, worker) })
  const at = `127.0.0.1:${endpoint.port}`
  if (options.json) printJson({ port: endpoint.port, environment, targets: found.map(target => ({ ...target })) })
  else
    process.stdout.write(
      `Debugger  ${at}, tunnelled to ${found.length === 1 ? 'worker' : 'workers'} ${found.map(each => each.worker).join(', ')} of ${environment}; Ctrl-C ends it\n`,
    )
  await new Promise<void>(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
  })
  return exit.done
}

/** Joins an editor with a worker: what ends one end ends the other. */
function relay(editor: WebSocket, gateway: AdminClient, worker: number): void {
  // What the editor says is read once the server listens.
  editor.pause()
  const { url, ...way } = gateway.webSocket(`debug/workers/${worker}`)
  const server = new WebSocket(url, { ...way, perMessageDeflate: false })
  server.on('open', () => editor.resume())
  pipe(editor, server)
  pipe(server, editor)
  server.on('unexpected-response', (_request, response) => {
    process.stderr.write(`Cannot attach to worker ${worker} as the server answered ${response.statusCode}\n`)
    editor.resume()
    editor.close()
  })
  server.on('close', (_code, reason) => {
    if (reason.length > 0) process.stderr.write(`${printable(`The session with worker ${worker} ended: ${reason}`)}\n`)
  })
}

function pipe(from: WebSocket, to: WebSocket): void {
  from.on('message', (data, isBinary) => {
    if (to.readyState === to.OPEN) to.send(data, { binary: isBinary })
  })
  from.on('error', () => from.terminate())
  from.on('close', (code, reason) => {
    to.resume()
    // The codes of an end without a word are not to be said.
    if (to.readyState === to.OPEN) close(to, code === 1005 || code === 1006 ? 1000 : code, String(reason))
    else if (to.readyState === to.CONNECTING) to.terminate()
  })
}

function targetsIn(answer: JsonObject, only: number | null): { readonly worker: number; readonly pid: number }[] {
  return (Array.isArray(answer.targets) ? answer.targets.filter(isObject) : [])
    .map(({ worker, pid }) => ({ worker: Number(worker), pid: Number(pid) }))
    .filter(({ worker }) => only === null || worker === only)
}
