// The CRM of the sample estate on loopback: it can go away and come back on the same port.

import { createServer, type Server } from 'node:http'
import { freePort } from './server.ts'

export interface Crm extends AsyncDisposable {
  readonly url: string
  open(): Promise<void>
  close(): Promise<void>
  /** Authorization headers of the requests for contacts it has had. */
  readonly authorizations: readonly (string | undefined)[]
}

const contacts = [{ id: 'c-1', email: 'jane@example.com', given_name: 'Jane', family_name: 'Doe' }]

/** Not open yet. */
export async function createCrm(): Promise<Crm> {
  const port = await freePort()
  const authorizations: (string | undefined)[] = []
  let server: Server | null = null
  const crm: Crm = {
    url: `http://127.0.0.1:${port}`,
    authorizations,
    async open() {
      const opened = createServer((request, response) => {
        const { pathname, searchParams } = new URL(request.url ?? '/', crm.url)
        if (pathname === '/api/contacts') authorizations.push(request.headers.authorization)
        const found = pathname === '/api/contacts' ? contacts.filter(({ email }) => email === searchParams.get('email')) : null
        response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(found ?? { title: 'Not found' }))
      })
      server = opened
      await new Promise<void>(resolve => opened.listen(port, '127.0.0.1', resolve))
    },
    async close() {
      const closing = server
      server = null
      if (!closing) return
      closing.closeAllConnections()
      await new Promise(resolve => closing.close(resolve))
    },
    [Symbol.asyncDispose]: () => crm.close(),
  }
  return crm
}
