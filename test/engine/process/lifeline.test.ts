import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'vitest'
import { temporaryDirectory } from '../../directory.ts'
import { until } from '../../until.ts'

/** Runs `body` in a process that holds a lifeline; `blame` is the path of its blame file. */
async function hold(body: string) {
  const home = await temporaryDirectory()
  const blame = join(home.path, 'blame.json')
  const script = `
    import { holdLifeline } from ${JSON.stringify(join(import.meta.dirname, '../../../engine/process/lifeline.ts'))}
    const lifeline = holdLifeline(4, { blamePath: ${JSON.stringify(blame)}, onOrphaned: () => process.exit(7) })
    const loop = ms => { for (const until = Date.now() + ms; Date.now() < until;); }
    setInterval(() => {}, 1000)
    ${body}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit', 'ignore', 'pipe'] })
  const { stdout } = child
  const pipe = child.stdio[4] as Socket // 'pipe' makes it a socket
  assert(stdout)
  const ended = once(child, 'exit') as Promise<[number | null, string | null]> // as the event is documented
  return {
    pipe,
    blame,
    ended,
    said: () => once(stdout, 'data'),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
      await home[Symbol.asyncDispose]()
    },
  }
}

test('a process beats from when it says that it is loaded', async () => {
  await using child = await hold(`process.stdout.write('up'); setTimeout(() => lifeline.beat(), 1500)`)
  await child.said()
  const from = performance.now()
  await once(child.pipe, 'data')
  assert(performance.now() - from > 1_000)
})

test('a process ends as it likes when its supervisor is gone', async () => {
  await using child = await hold(`lifeline.beat()`)
  await once(child.pipe, 'data')
  child.pipe.destroy()
  assert.deepEqual(await child.ended, [7, null])
})

test('a process that is stuck in a loop is killed when its supervisor is gone', async () => {
  await using child = await hold(`lifeline.beat(); setTimeout(() => { process.stdout.write('stuck'); loop(60_000) }, 100)`)
  await child.said()
  child.pipe.destroy()
  assert.deepEqual(await child.ended, [null, 'SIGKILL'])
})

test('a process that is stuck names what it is stuck on, and takes it back when it was only slow', async () => {
  await using child = await hold(
    `lifeline.name(['one', 'two']); lifeline.beat(); setTimeout(() => { lifeline.blame(1); process.stdout.write('stuck'); loop(4_000) }, 300)`,
  )
  await child.said()
  await until(() => existsSync(child.blame), 'A name', 10_000)
  assert.deepEqual(JSON.parse(readFileSync(child.blame, 'utf8')), { name: 'two', reason: 'blocked the event loop' })
  await until(() => !existsSync(child.blame), 'No name', 10_000)
})
