import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { openClient, type ServerChoice } from '../../cli/client.ts'
import { createSecureServer, serveAs, type TlsManners } from '../../engine/tls/secure-server.ts'
import { type Authority, createAuthority, hasOpenssl, type Pair } from '../certificates.ts'

describe.skipIf(!hasOpenssl)('openClient() over https', () => {
  const held: { authority?: Authority; ca?: string; pairs?: readonly Pair[] } = {}
  beforeAll(async () => {
    const authority = await createAuthority()
    const pairs = [await authority.issue('good'), await authority.issue('expired', { days: -1 })]
    Object.assign(held, { authority, pairs, ca: await readFile(authority.ca, 'utf8') })
  })
  afterAll(() => held.authority?.[Symbol.asyncDispose]())

  for (const [what, at, clientAuth, name, isTrusted, expected] of [
    ['whose authority is unknown', 0, 'off', 'localhost', false, /nothing that this machine trusts signed its certificate; .*--ca-file/],
    ['whose certificate has expired', 1, 'off', 'localhost', true, /its certificate has expired; renew/],
    ['that is called by another name', 0, 'off', '127.0.0.2', true, /its certificate is for another name/],
    ['that wants a certificate', 0, 'require', 'localhost', true, /the server wants a certificate of yours, show one by --cert-file/],
  ] as const)
    test(`says what is wrong with a server ${what}, and what next`, async () => {
      await using server = await listen(at, { clientAuth, minVersion: 'TLSv1.2' })
      const tls = isTrusted && held.ca ? { tls: { ca: held.ca } } : {}
      const choice: ServerChoice = { server: `https://${name}:${server.port}`, ...tls }
      await assert.rejects(openClient(choice), { name: 'UnreachableError', message: expected })
    })

  async function listen(at: number, manners: TlsManners): Promise<{ readonly port: number } & AsyncDisposable> {
    const pair = held.pairs?.[at]
    assert(pair && held.ca)
    const [cert, key] = [await readFile(pair.cert, 'utf8'), await readFile(pair.key, 'utf8')]
    const server = createSecureServer(manners, { handshakeTimeout: 5_000 })
    serveAs(server, manners, { cert, key, clientCa: held.ca, ticketKeys: randomBytes(48).toString('base64') })
    await new Promise<void>(resolve => server.listen(0, '0.0.0.0', resolve))
    const { port } = server.address() as AddressInfo // it listens on TCP
    return {
      port,
      async [Symbol.asyncDispose]() {
        server.closeAllConnections()
        await new Promise(resolve => server.close(resolve))
      },
    }
  }
})
