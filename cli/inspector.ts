// The port of `plumb dev --inspect`: it is opened by the control process, again with each of its lives.

import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Log } from '../adapters/port.ts'
import type { DebugHost } from '../engine/debug/host.ts'
import { serveSession } from '../engine/debug/session-socket.ts'
import { wholeNumber } from './arguments.ts'
import { CommandError, exit } from './run.ts'

export const defaultInspectPort = '9229'

/** The port that --inspect asks for. @throws CommandError where it is none, or not free */
export async function freeInspectPort(asked: string | true, flag = '--inspect'): Promise<number> {
  const port = wholeNumber(flag, asked === true ? defaultInspectPort : asked, { min: 0, max: 65_535 })
  const server = createServer()
  try {
    server.listen({ host: '127.0.0.1', port })
    await once(server, 'listening')
  } catch (error) {
    throw new CommandError(`Cannot listen for debuggers on port ${port} as ${portReason(error)}; stop it or choose another by ${flag}`, {
      status: exit.usage,
    })
  }
  server.close()
  await once(server, 'close')
  return port
}

/** Why a port could not be opened. */
export function portReason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException // net throws system errors
  return code === 'EADDRINUSE' ? 'another process listens there' : message
}

/** Null where the port cannot be opened, which is logged: what is served is served all the same. */
export async function openInspector(
  host: DebugHost,
  { port, environment, log }: { readonly port: number; readonly environment: string; readonly log: Log },
): Promise<AsyncDisposable | null> {
  // Loaded by who debugs alone.
  const { openEndpoint } = await import('../engine/debug/endpoint.ts')
  try {
    const endpoint = await openEndpoint({
      port,
      environment,
      targets: async () => host.targets(),
      serve: (socket, worker, address) => void serveSession(socket, host, worker, { actor: 'local', address }),
    })
    process.stdout.write(`Debugger  127.0.0.1:${endpoint.port}, for an editor to attach to; docs/debugging.md\n`)
    return endpoint
  } catch (error) {
    log.error({ port }, `Cannot open the port of debuggers as ${portReason(error)}; choose another by --inspect=PORT`)
    return null
  }
}
