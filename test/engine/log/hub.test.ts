import assert from 'node:assert/strict'
import { test, vi } from 'vitest'
import { LogBook } from '../../../engine/log/book.ts'
import type { Line } from '../../../engine/log/filter.ts'
import { Forwarder, type LineBatch, type Way } from '../../../engine/log/forward.ts'
import { LogHub } from '../../../engine/log/hub.ts'

const all = { level: 0 }
const output = { write: () => undefined, end: () => undefined, dropped: 0 }
const bookOf = (process: string, life = process) => new LogBook({ process, life, output, human: false, access: 'memory' })

function write(
  book: LogBook,
  time: number,
  message: string,
  { level = 30, ...fields }: Record<string, unknown> & { level?: number } = {},
): void {
  book.write(level, `${JSON.stringify({ level, time, process: book.process, ...fields, msg: message })}\n`)
}

/** A worker that is linked to `hub`, as the two are over the socket. */
function workerOf(book: LogBook, hub: LogHub) {
  const forwarder = new Forwarder(book)
  const way = { waitingBytes: 0, sent: [] as LineBatch[] }
  const linked: Way = {
    send(batch) {
      way.sent.push(batch)
      hub.take(batch)
    },
    get waitingBytes() {
      return way.waitingBytes
    },
  }
  forwarder.follow(hub.followed())
  forwarder.to(linked)
  return { book, forwarder, way }
}

type TestWorker = ReturnType<typeof workerOf>

function attach(hub: LogHub, workers: readonly (TestWorker | null)[]): void {
  hub.attach({
    logs: async (filter, limit) => workers.map((worker, at) => ({ worker: at + 1, lines: worker?.book.newest(filter, limit) ?? null })),
    follow: filters => {
      for (const worker of workers) worker?.forwarder.follow(filters)
    },
  })
}

const messages = (lines: readonly Line[]) => lines.map(({ text }) => JSON.parse(text).msg)

test('the hub merges the lines of all processes by time, and names who did not answer', async () => {
  const hub = new LogHub(bookOf('control'))
  const [one, two] = [workerOf(bookOf('worker 1'), hub), workerOf(bookOf('worker 2'), hub)]
  attach(hub, [one, two, null])
  write(one.book, 1, 'a')
  write(two.book, 2, 'b')
  write(one.book, 3, 'c')
  assert.deepEqual(messages((await hub.query(all, 10)).lines), ['a', 'b', 'c'])
  assert.deepEqual(messages((await hub.query(all, 2)).lines), ['b', 'c'])
  assert.deepEqual((await hub.query(all, 2)).missing, ['worker 3'])
})

test('the warnings of a worker that is gone are still there, and those of one that is not are there once', async () => {
  const hub = new LogHub(bookOf('control'))
  const worker = workerOf(bookOf('worker 1'), hub)
  attach(hub, [worker])
  write(worker.book, 1, 'information')
  write(worker.book, 2, 'warning', { level: 40 })
  worker.forwarder.flush()
  assert.deepEqual(messages((await hub.query(all, 10)).lines), ['information', 'warning'])
  attach(hub, [])
  assert.deepEqual(messages((await hub.query(all, 10)).lines), ['warning'])
})

test('a follower hears what matches, and only while it follows; nothing else leaves a worker', () => {
  const hub = new LogHub(bookOf('control'))
  const worker = workerOf(bookOf('worker 1'), hub)
  attach(hub, [worker])
  const heard: string[] = []
  write(worker.book, 1, 'before', { service: 'a' })
  const end = hub.subscribe({ level: 20, service: 'a' }, lines => heard.push(...messages(lines)))
  write(worker.book, 2, 'mine', { service: 'a' })
  write(worker.book, 3, 'not mine', { service: 'b' })
  worker.forwarder.flush()
  end()
  write(worker.book, 4, 'after', { service: 'a' })
  worker.forwarder.flush()
  assert.deepEqual(heard, ['mine'])
  assert.deepEqual(messages(worker.way.sent.flatMap(({ lines }) => lines)), ['mine'])
})

test('a follower hears control itself', () => {
  const book = bookOf('control')
  const hub = new LogHub(book)
  const heard: string[] = []
  const end = hub.subscribe(all, lines => heard.push(...messages(lines)))
  write(book, 1, 'mine')
  end()
  write(book, 1, 'after')
  assert.deepEqual(heard, ['mine'])
})

test('requests are heard by who follows, with the rest in their order', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const book = bookOf('control')
    const hub = new LogHub(book)
    const heard: string[] = []
    hub.subscribe({ level: 0, cid: 'x' }, lines => heard.push(...messages(lines)))
    book.writeAccess({
      method: 'GET',
      target: '/',
      status: 200,
      elapsedMs: 1,
      bytesIn: 0,
      bytesOut: 0,
      channel: null,
      service: null,
      caller: null,
      remoteAddress: '',
      cid: 'x',
    })
    vi.advanceTimersByTime(200)
    assert.deepEqual(heard, ['Answered'])
  } finally {
    vi.useRealTimers()
  }
})

test('what is too much for the way to control is counted, and told', () => {
  const hub = new LogHub(bookOf('control'))
  const worker = workerOf(bookOf('worker 1'), hub)
  attach(hub, [worker])
  let missed = 0
  hub.subscribe(all, (_lines, dropped) => {
    missed += dropped
  })
  for (let at = 0; at < 5_000; at++) write(worker.book, at, 'x')
  worker.way.waitingBytes = 100_000_000
  worker.forwarder.flush()
  assert.deepEqual(worker.way.sent, [])
  worker.way.waitingBytes = 0
  worker.forwarder.flush()
  assert.equal(missed, 5_000)
})
