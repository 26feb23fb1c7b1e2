import assert from 'node:assert/strict'
import { test } from 'vitest'
import { openLogStream } from '../../../engine/admin/log-stream.ts'
import type { LogBook } from '../../../engine/log/book.ts'
import { LogHub } from '../../../engine/log/hub.ts'
import { call, startServer } from './server.ts'

const prefix = '/api/v1/environments/dev'

function write(book: LogBook, time: number, message: string, fields: Record<string, unknown> = {}): void {
  const { level = 30 } = fields
  book.write(Number(level), `${JSON.stringify({ level, time, process: 'control', ...fields, msg: message })}\n`)
}

test('GET logs gives the newest lines that match, as objects', async () => {
  await using server = await startServer()
  write(server.book, 1, 'a', { service: 's' })
  write(server.book, 2, 'b', { service: 's', level: 40, cid: 'x' })
  write(server.book, 3, 'c', { service: 't', channel: 'kind/c' })
  for (const [query, expected] of [
    ['', ['a', 'b', 'c']],
    ['?limit=2', ['b', 'c']],
    ['?level=warn', ['b']],
    ['?service=s', ['a', 'b']],
    ['?channel=c', ['c']],
    ['?cid=x', ['b']],
    ['?process=control', ['a', 'b', 'c']],
    ['?process=worker%201', []],
    ['?since=2', ['b', 'c']],
    ['?service=s&level=warn&cid=y', []],
  ] as const) {
    const { status, body } = await call(server, 'GET', `${prefix}/logs${query}`)
    assert.deepEqual([status, (body.lines as { msg: string }[]).map(({ msg }) => msg), body.missing], [200, expected, []], query) // as documented
  }
})

for (const query of ['level=loud', 'limit=0', 'limit=1001', 'since=yesterday', 'grep=x', 'cid=', 'level=silent'])
  test(`GET logs refuses ?${query}`, async () => {
    await using server = await startServer()
    assert.equal((await call(server, 'GET', `${prefix}/logs?${query}`)).status, 400)
    assert.equal((await call(server, 'GET', `${prefix}/logs/stream?${query}`)).status, 400)
  })

test('the stream begins with what is in memory and goes on with what comes, without a gap or a repetition', async () => {
  await using server = await startServer()
  for (let at = 0; at < 10; at++) write(server.book, at, `m${at}`)
  const answer = await fetch(`${server.url}${prefix}/logs/stream?limit=3`, { headers: { authorization: `Bearer ${server.token}` } })
  assert.equal(answer.headers.get('content-type'), 'text/event-stream')
  const reader = (answer.body ?? assert.fail()).pipeThrough(new TextDecoderStream()).getReader()
  const until = async (message: string) => {
    let text = ''
    while (!text.includes(`"msg":"${message}"`)) text += (await reader.read()).value ?? ''
    return [...text.matchAll(/"msg":"(\w+)"/g)].map(([, name]) => name)
  }
  assert.deepEqual(await until('m9'), ['m7', 'm8', 'm9'])
  write(server.book, 10, 'm10')
  write(server.book, 11, 'm11')
  assert.deepEqual(await until('m11'), ['m10', 'm11'])
  await reader.cancel()
})

test('a client that does not read is told how much it missed, and costs no more memory', async () => {
  await using server = await startServer()
  const logs = new LogHub(server.book)
  const ending = new AbortController()
  const stream = openLogStream({ filter: { level: 0 }, limit: 1, logs, heartbeatMs: 60_000, signal: ending.signal, onEnd: () => undefined })
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader()
  await reader.read()
  write(server.book, 1, 'first')
  let text = ''
  while (!text.includes('first')) text += (await reader.read()).value ?? ''
  for (let at = 0; at < 10_000; at++) write(server.book, 2 + at, 'more')
  text = ''
  while (!text.includes('event: dropped')) text += (await reader.read()).value ?? ''
  const seen = text.match(/"msg":"more"/g)?.length ?? 0
  const [, missed] = /event: dropped\ndata: \{"lines":(\d+)\}/.exec(text) ?? []
  assert.equal(seen + Number(missed), 10_000)
  assert.ok(seen < 5_000)
  ending.abort()
})

test('a stream that ends lets go of the log', async () => {
  await using server = await startServer()
  const logs = new LogHub(server.book)
  for (const end of ['abort', 'cancel'] as const) {
    const ending = new AbortController()
    let ended = 0
    const stream = openLogStream({
      filter: { level: 0 },
      limit: 1,
      logs,
      heartbeatMs: 60_000,
      signal: ending.signal,
      onEnd: () => void ended++,
    })
    assert.equal(logs.followed().length, 1)
    if (end === 'abort') ending.abort()
    else await stream.cancel()
    assert.deepEqual([logs.followed().length, ended], [0, 1])
  }
})
