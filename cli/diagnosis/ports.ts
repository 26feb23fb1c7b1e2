// The ports a server would open: free, or taken by itself.

import { once } from 'node:events'
import { createServer } from 'node:net'
import { type Diagnosis, ok, problem } from './diagnosis.ts'

/** @param isServed a server of this data directory runs, which then has them */
export async function examinePort(
  name: string,
  { host, port }: { readonly host: string; readonly port: number },
  isServed: boolean,
): Promise<Diagnosis> {
  const check = `port ${port}`
  const server = createServer()
  try {
    server.listen({ host, port, exclusive: true })
    await once(server, 'listening')
    return isServed
      ? problem(check, `${name} are not served there though a server runs`, 'Look at the address it printed, or at listen in plumb.yaml')
      : ok(check, `It is free for the ${name}`)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException // net throws system errors
    if (code === 'EADDRINUSE' && isServed) return ok(check, `The server has it for the ${name}`)
    const why = code === 'EADDRINUSE' ? 'another process listens there' : code === 'EACCES' ? 'this user may not open it' : message
    return problem(check, `It cannot be opened for the ${name} as ${why}`, 'Stop that process, or choose another port')
  } finally {
    server.close()
  }
}
