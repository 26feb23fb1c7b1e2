import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createClientAddresses } from '../../../engine/plane/client-address.ts'
import { createPlane, type Plane, type PlaneOptions } from '../../../engine/plane/listen.ts'
import { type Authority, createAuthority, hasOpenssl, type Pair } from '../../certificates.ts'
import { until } from '../../until.ts'
import { generationOf, routeOf, serviceOf } from './routes.ts'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const generation = await generationOf(1, [routeOf({ name: 'echo', method: '', pattern: '/echo', service: serviceOf(payload => payload) })])
const asking = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'

describe.skipIf(!hasOpenssl)('createPlane() with TLS', () => {
  const held: { authority?: Authority; pair?: Pair; ca?: string } = {}
  beforeAll(async () => {
    held.authority = await createAuthority()
    held.pair = await held.authority.issue('server')
    held.ca = await readFile(held.authority.ca, 'utf8')
  })
  afterAll(() => held.authority?.[Symbol.asyncDispose]())

  test('accepts nobody before it has a certificate', async () => {
    await assert.rejects(createPlane(optionsOf({})).listen({ port: 0, host: '127.0.0.1' }), /without a certificate/)
  })

  test('lets go of who does not end a handshake in time, and serves others meanwhile', async () => {
    await using rig = await open({ limits: { handshakeMs: 200 } })
    const silentOnes = Array.from({ length: 50 }, () => rig.dial())
    assert.match(await rig.ask(), /^HTTP\/1\.1 200/)
    await until(() => silentOnes.every(({ destroyed }) => destroyed), 'The end of all that were silent')
  })

  test('caps the connections of one address, those in a handshake too, and not those of a trusted proxy', async () => {
    {
      await using rig = await open({ limits: { maxConnectionsPerAddress: 2 } })
      const [first] = [rig.dial(), rig.dial()]
      const third = rig.dial()
      await until(() => third.destroyed, 'The end of the third')
      first?.destroy()
      await until(async () => /^HTTP\/1\.1 200/.test(await rig.ask().catch(() => '')), 'A place that came free')
    }
    await using rig = await open({ limits: { maxConnectionsPerAddress: 1 }, clients: createClientAddresses(['127.0.0.0/8']) })
    for (const _ of [1, 2, 3]) rig.dial()
    assert.match(await rig.ask(), /^HTTP\/1\.1 200/)
  })

  test('answers a request that is no HTTP inside of TLS, as in plain text', async () => {
    await using rig = await open({})
    assert.match(await rig.ask('nonsense\r\n\r\n'), /^HTTP\/1\.1 400 .*not well-formed HTTP/s)
  })

  test('closes in time, whoever is in a handshake', async () => {
    await using rig = await open({})
    const silentOne = rig.dial()
    await until(() => silentOne.readyState === 'open', 'A connection')
    assert.match(await rig.ask(), /^HTTP\/1\.1 200/)
    const { abandoned } = await rig.plane.close({ graceMs: 300 })
    assert(abandoned >= 1)
    await until(() => silentOne.destroyed, 'Its end')
  })

  function optionsOf(options: Partial<PlaneOptions>): PlaneOptions {
    return { select: () => generation, log: silent, tls: { clientAuth: 'off', minVersion: 'TLSv1.2' }, ...options }
  }

  interface Rig extends AsyncDisposable {
    readonly plane: Plane
    /** A connection on which nothing is said. */
    dial(): Socket
    /** All that comes back until the far end closes, or the first answer is whole. */
    ask(text?: string): Promise<string>
  }

  async function open(options: Partial<PlaneOptions>): Promise<Rig> {
    assert(held.pair && held.ca)
    const { ca } = held
    const [cert, key] = [await readFile(held.pair.cert, 'utf8'), await readFile(held.pair.key, 'utf8')]
    const plane = createPlane(optionsOf(options))
    plane.serveAs({ cert, key, clientCa: null, ticketKeys: randomBytes(48).toString('base64') })
    const { port } = await plane.listen({ port: 0, host: '127.0.0.1' })
    const sockets: (Socket | TLSSocket)[] = []
    const kept = <S extends Socket>(socket: S): S => {
      sockets.push(socket)
      socket.on('error', () => undefined) // reset by the server, as tests want it
      return socket
    }
    return {
      plane,
      dial: () => kept(connect(port, '127.0.0.1')),
      ask: (text = asking) =>
        new Promise((resolve, reject) => {
          const socket = kept(connectTls({ port, host: 'localhost', servername: 'localhost', ca }))
          let received = ''
          socket.on('data', chunk => {
            received += String(chunk)
            if (/\r\n\r\n.*\}/s.test(received)) resolve(received)
          })
          socket.on('error', reject).on('close', () => resolve(received))
          socket.write(text)
        }),
      async [Symbol.asyncDispose]() {
        for (const socket of sockets) socket.destroy()
        await plane.close({ graceMs: 0 })
      },
    }
  }
})
