import assert from 'node:assert'
import { test, vi } from 'vitest'
import { openEventStream } from '../../../engine/admin/event-stream.ts'
import { call, startServer, type TestServer } from './server.ts'

test('the event stream tells what happens while it is open', async () => {
  await using server = await startServer()
  server.events.emit('before')
  await using stream = await openStream(server)
  server.events.emit('sync.started', { revision: 'abc\ndef' })
  server.events.emit('sync.done')
  assert.deepEqual(await stream.events(2), [
    {
      id: '2',
      event: 'sync.started',
      data: { seq: 2, at: '2026-01-01T00:00:00.000Z', type: 'sync.started', body: { revision: 'abc\ndef' } },
    },
    { id: '3', event: 'sync.done', data: { seq: 3, at: '2026-01-01T00:00:00.000Z', type: 'sync.done', body: {} } },
  ])
})

for (const [what, headers, query] of [
  ['Last-Event-ID', { 'last-event-id': '2' }, ''],
  ['after', {}, '?after=2'],
] as const)
  test(`the event stream goes on after ${what}, without a gap or a repetition`, async () => {
    await using server = await startServer()
    for (let at = 1; at <= 250; at++) server.events.emit(`step${at}`)
    await using stream = await openStream(server, headers, query)
    const first = await stream.events(100)
    for (let at = 251; at <= 300; at++) server.events.emit(`step${at}`)
    const rest = await stream.events(198)
    assert.deepEqual(
      [...first, ...rest].map(event => Number(event.id)),
      Array.from({ length: 298 }, (_, at) => at + 3),
    )
  })

test('a client that is slower than what happens loses nothing', async () => {
  await using server = await startServer()
  const ending = new AbortController()
  const stream = openEventStream({ after: null, events: server.events, journal: server.events, heartbeatMs: 60_000, signal: ending.signal })
  server.events.emit('first')
  for (let at = 2; at <= 2000; at++) server.events.emit(`step${at}`)
  const ids: number[] = []
  const decoder = new TextDecoder()
  for await (const chunk of stream) {
    for (const [, id] of decoder.decode(chunk).matchAll(/^id: (\d+)$/gm)) ids.push(Number(id))
    if (ids.length >= 2000) ending.abort()
  }
  assert.deepEqual(
    ids,
    Array.from({ length: 2000 }, (_, at) => at + 1),
  )
})

test('the event stream says that it is still here', async () => {
  await using server = await startServer({ heartbeatMs: 5 })
  await using stream = await openStream(server)
  await stream.until(text => text.includes(': still here\n\n: still here\n\n'))
})

test('a client that goes away is forgotten, and its place is free', async () => {
  await using server = await startServer()
  for (let at = 0; at < 3; at++) {
    const streams = await Promise.all(Array.from({ length: 30 }, () => openStream(server)))
    assert.equal(server.events.listeners.size, 30)
    for (const stream of streams) await stream[Symbol.asyncDispose]()
    await vi.waitFor(() => assert.equal(server.events.listeners.size, 0))
  }
})

const maxStreams = 64

test('the sixty-fifth event stream is refused', async () => {
  await using server = await startServer()
  const streams = await Promise.all(Array.from({ length: maxStreams }, () => openStream(server)))
  const answer = await call(server, 'GET', '/api/v1/environments/dev/events')
  assert.deepEqual([answer.status, answer.body.code], [503, 'TOO_MANY_STREAMS'])
  for (const stream of streams) await stream[Symbol.asyncDispose]()
})

for (const [what, useUp] of [
  [
    'HEAD',
    async server => {
      const answer = await call(server, 'HEAD', '/api/v1/environments/dev/events')
      assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'text/event-stream'])
    },
  ],
  ['a GET that its client ends', async server => void (await (await openStream(server))[Symbol.asyncDispose]())],
  [
    'a GET that is gone before its answer is read',
    async server => {
      const ending = new AbortController()
      const headers = { authorization: `Bearer ${server.token}` }
      await fetch(`${server.url}/api/v1/environments/dev/events`, { headers, signal: ending.signal })
      ending.abort()
    },
  ],
] as const satisfies readonly (readonly [string, (server: TestServer) => Promise<void>])[])
  test(`the place of ${what} is free again`, async () => {
    await using server = await startServer()
    for (let at = 0; at < maxStreams; at++) await useUp(server)
    await vi.waitFor(async () => {
      await using stream = await openStream(server)
      assert(stream)
    })
    await vi.waitFor(() => assert.equal(server.events.listeners.size, 0))
  })

for (const [what, end] of [
  ['that nobody reads', (_stream, ending) => ending.abort()],
  ['that its client leaves', stream => stream.cancel()],
  ['whose journal fails', stream => assert.rejects(new Response(stream).text(), /The disk is away/)],
] as const satisfies readonly (readonly [string, (stream: ReadableStream<Uint8Array>, ending: AbortController) => unknown])[])
  test(`an event stream ${what} says once that it ends, and listens no longer`, async () => {
    await using server = await startServer()
    const ending = new AbortController()
    const onEnd = vi.fn()
    const journal = { readJournal: () => Promise.reject(new Error('The disk is away')) }
    const stream = openEventStream({ after: 1, events: server.events, journal, heartbeatMs: 60_000, signal: ending.signal, onEnd })
    assert.equal(onEnd.mock.calls.length, 0)
    await end(stream, ending)
    ending.abort()
    assert.deepEqual([onEnd.mock.calls.length, server.events.listeners.size], [1, 0])
  })

async function openStream(server: TestServer, headers: Record<string, string> = {}, query = '') {
  const ending = new AbortController()
  const answer = await fetch(`${server.url}/api/v1/environments/dev/events${query}`, {
    headers: { authorization: `Bearer ${server.token}`, ...headers },
    signal: ending.signal,
  })
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('content-type'), 'text/event-stream')
  assert(answer.body)
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  const seen = { text: '' }
  const until = async (isEnough: (text: string) => boolean): Promise<void> => {
    while (!isEnough(seen.text)) {
      const { value, done } = await reader.read()
      if (done) throw new Error(`The stream ended after ${JSON.stringify(seen.text)}`)
      seen.text += value
    }
  }
  await until(text => text.startsWith('retry: 1000\n\n'))
  const taken = { count: 0 }
  return {
    until,
    /** The next `count` events. */
    async events(count: number) {
      await until(text => text.split('\nid: ').length > taken.count + count)
      await until(text => text.endsWith('\n\n'))
      const all = Array.from(seen.text.matchAll(/^id: (\d+)\nevent: (.*)\ndata: (.*)\n$/gm), ([, id, event, data]) => ({
        id,
        event,
        data: JSON.parse(String(data)),
      }))
      const from = taken.count
      taken.count += count
      return all.slice(from, taken.count)
    },
    async [Symbol.asyncDispose]() {
      ending.abort()
      await reader.cancel().catch(() => undefined) // it was aborted a moment ago
    },
  }
}
