import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'vitest'
import { type Link, LinkError, type Methods, openLink } from '../../../engine/process/link.ts'
import { temporaryDirectory } from '../../directory.ts'
import { until } from '../../until.ts'

interface Ends extends AsyncDisposable {
  readonly near: Link
  /** The socket at the other end, or the link over it. */
  readonly socket: Socket
  far(methods: Methods): Link
}

async function createEnds(methods: Methods): Promise<Ends> {
  const directory = await temporaryDirectory()
  const server = createServer()
  server.listen(join(directory.path, 'link.sock'))
  await once(server, 'listening')
  const arrived = once(server, 'connection') as Promise<[Socket]> // net says so
  const socket = connect(join(directory.path, 'link.sock'))
  const [accepted] = await arrived
  const near = openLink(accepted, methods)
  return {
    near,
    socket,
    far: theirs => openLink(socket, theirs),
    async [Symbol.asyncDispose]() {
      near.close()
      socket.destroy()
      server.close()
      await near.closed
      await directory[Symbol.asyncDispose]()
    },
  }
}

test('call() is answered by the method of the other end, in both directions at once', async () => {
  await using ends = await createEnds({ double: (value: number) => value * 2 })
  const far = ends.far({ negate: async (value: number) => -value })
  const answers = await Promise.all([far.call('double', 21), ends.near.call('negate', 1), far.call('double', 4)])
  assert.deepEqual(answers, [42, -1, 8])
})

for (const [what, method, message] of [
  ['fails', 'fail', 'no room'],
  ['is not there', 'missing', 'Cannot answer "missing" as this process does not know it'],
  ['answers with what is no JSON', 'circle', /circular structure/],
] as const)
  test(`call() of a method that ${what} rejects with the reason, and the link goes on`, async () => {
    const circle: { self?: unknown } = {}
    circle.self = circle
    await using ends = await createEnds({ fail: () => Promise.reject(new Error('no room')), circle: () => circle, ping: () => 'pong' })
    const far = ends.far({})
    await assert.rejects(far.call(method, null), { message })
    assert.equal(await far.call('ping', null), 'pong')
  })

test('call() rejects with LinkError where no answer comes in time, and where the link closes', async () => {
  await using ends = await createEnds({ never: () => new Promise(() => undefined) })
  const far = ends.far({})
  await assert.rejects(far.call('never', null, { timeoutMs: 5 }), LinkError)
  const open = far.call('never', null)
  ends.near.close()
  await assert.rejects(open, LinkError)
  await far.closed
  assert.deepEqual([far.isClosed, ends.near.isClosed], [true, true])
  await assert.rejects(far.call('never', null), LinkError)
  far.notify('never', null)
})

test('a frame that is larger than any of ours closes the link', async () => {
  await using ends = await createEnds({})
  ends.socket.on('error', () => undefined) // it is told that the other end closed
  ends.socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff, 0x7b]))
  await ends.near.closed
})

test('frames arrive whole and in order, however they are cut', async () => {
  const seen: unknown[] = []
  await using ends = await createEnds({ take: (value: unknown) => seen.push(value) })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.jsonValue(), { maxLength: 5 }), fc.array(fc.nat(40), { maxLength: 20 }), async (values, cuts) => {
      const sent = values.map(value => JSON.parse(JSON.stringify(value))) // -0 does not survive JSON
      seen.length = 0
      const frames = Buffer.concat(sent.map(value => frameOf({ notify: true, method: 'take', body: value })))
      let at = 0
      for (const cut of [...cuts, frames.length]) {
        await new Promise(resolve => ends.socket.write(frames.subarray(at, at + cut), resolve))
        at += cut
      }
      await until(() => seen.length === sent.length, 'Every frame')
      assert.deepEqual(seen, sent)
    }),
    { numRuns: 50 },
  )
})

function frameOf(frame: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(frame))
  const head = Buffer.alloc(4)
  head.writeUInt32BE(text.length)
  return Buffer.concat([head, text])
}
