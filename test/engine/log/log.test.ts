import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test, vi } from 'vitest'
import { Flood } from '../../../engine/log/flood.ts'
import { createLog, type LogOptions, type ProcessLog } from '../../../engine/log/log.ts'
import { temporaryDirectory } from '../../directory.ts'

const everything = { level: 0 }

test('a line is JSON with level, time, process, the fields and the message', async () => {
  const lines = await written({}, log => log.warn({ cid: 'x', password: 'hunter2' }, 'Something'))
  assert.equal(lines.length, 1)
  const { time, ...line } = JSON.parse(lines[0] ?? '')
  assert.ok(Math.abs(Date.now() - time) < 60_000)
  assert.deepEqual(line, { level: 40, process: 'test', cid: 'x', password: '***', msg: 'Something' })
})

for (const [what, err, type] of [
  ['an error', new RangeError('broken'), 'RangeError'],
  ['an error as data', { type: 'Custom', message: 'broken' }, 'Custom'],
] as const)
  test(`the type of ${what} is its own`, async () => {
    const [line] = await written({}, log => log.error({ err }, 'Failed'))
    assert.deepEqual([JSON.parse(line ?? '').err.type, JSON.parse(line ?? '').err.message], [type, 'broken'])
  })

test('what is below the level is neither written nor kept', async () => {
  const lines = await written({ level: 'warn' }, log => {
    log.info({}, 'no')
    log.error({}, 'yes')
    assert.equal(log.book.newest(everything, 10).length, 1)
  })
  assert.deepEqual(messagesOf(lines), ['yes'])
})

test('a message cannot begin a line of its own, nor command a terminal', async () => {
  const message = 'one\n{"level":60,"msg":"forged"}\u001b[31m\u0007'
  for (const human of [false, true]) {
    const lines = await written({ human }, log => log.info({ field: message }, message))
    assert.equal(lines.length, 1)
    assert.doesNotMatch(lines[0] ?? '', /[\u0000-\u001f]/)
  }
})

test('plain lines are for people', async () => {
  const [line] = await written({ human: true }, log => log.warn({ ref: 'a/b' }, 'Something'))
  assert.match(line ?? '', /^\d\d:\d\d:\d\d\.\d{3} warn test: Something \{"ref":"a\/b"\}$/)
})

for (const [where, options, inOutput, inMemory] of [
  ['in the output where that is wanted', { access: true }, 1, 1],
  ['nowhere where it is not', { access: false }, 0, 0],
  ['in memory alone under dev', { access: false, human: true }, 0, 1],
] as const)
  test(`the line of a request is ${where}`, async () => {
    const lines = await written(options, log => {
      log.book.writeAccess({
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
        cid: 'c',
      })
      assert.equal(log.book.newest(everything, 10).length, inMemory)
    })
    assert.equal(lines.length, inOutput)
  })

test('a service that floods the log is held to its share, told so, and costs others nothing', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] })
  try {
    const lines = await written({}, log => {
      const message = 'x'.repeat(10_000)
      for (let at = 0; at < 2_000; at++) log.info({ service: 'flood' }, message)
      log.info({ service: 'other' }, 'still heard')
      log.info({}, 'the server as well')
      vi.advanceTimersByTime(1_000)
      log.info({ service: 'flood' }, 'heard again')
      assert.ok(log.lost().flood > 1_500)
    })
    const messages = messagesOf(lines)
    assert.ok(lines.join('').length < 6_000_000)
    for (const message of ['still heard', 'the server as well', 'heard again']) assert.ok(messages.includes(message), message)
    assert.equal(messages.filter(message => /^\d+ lines of "flood" were left out/.test(message)).length, 1)
  } finally {
    vi.useRealTimers()
  }
})

test('a bucket fills again with time, and never above its burst', () => {
  let now = 0
  const flood = new Flood({ bytesPerSecond: 1_000, burstBytes: 2_000, now: () => now, onLeftOut: () => undefined })
  flood.spend('a', 3_000)
  assert.equal(flood.admits('a'), false)
  now = 2_000
  assert.equal(flood.admits('a'), true)
  now = 1_000_000
  flood.spend('a', 2_000)
  assert.equal(flood.admits('a'), false)
})

test('a reader that does not read costs lines, and neither time nor memory', async () => {
  // A pipe that nobody reads: cat is stopped.
  const reader = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'] })
  const fd = (reader.stdin as unknown as { readonly _handle: { readonly fd: number } })._handle.fd // as bind.ts does
  reader.kill('SIGSTOP')
  try {
    const log = createLog({ process: 'test', human: false, fd })
    const startedAt = performance.now()
    for (let at = 0; at < 10_000; at++) log.info({ at }, 'x'.repeat(1_000))
    assert.ok(performance.now() - startedAt < 5_000)
    assert.ok(log.lost().output > 3_000, String(log.lost().output))
    reader.kill('SIGCONT')
    reader.stdout.resume()
    await vi.waitFor(() => assert.match(log.book.newest(everything, 1)[0]?.text ?? '', /lines of this log were dropped/), 10_000)
  } finally {
    reader.kill('SIGKILL')
    await once(reader, 'exit')
  }
})

test('a reader that is gone ends nothing', async () => {
  const code = `import { createLog } from ${JSON.stringify(join(import.meta.dirname, '../../../engine/log/log.ts'))}
    const log = createLog({ process: 'test', human: false })
    let at = 0
    const timer = setInterval(() => {
      log.error({ at }, 'x')
      if (at++ < 20) return
      clearInterval(timer)
      log.end()
      process.stderr.write(JSON.stringify(log.lost()))
    }, 10)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  const [said, [status]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  assert.equal(status, 0, said)
  assert.ok(JSON.parse(said).output > 0)
})

/** The lines that a log wrote to a file. */
async function written(options: Partial<LogOptions>, act: (log: ProcessLog) => void): Promise<string[]> {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'log')
  await using file = await open(path, 'w')
  const log = createLog({ process: 'test', human: false, fd: file.fd, ...options })
  act(log)
  log.end()
  return (await readFile(path, 'utf8')).split('\n').filter(Boolean)
}

function messagesOf(lines: readonly string[]): string[] {
  return lines.map(line => JSON.parse(line).msg)
}
