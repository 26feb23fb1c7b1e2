import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'vitest'
import { LockError, lockData } from '../../../engine/process/lock.ts'
import { temporaryDirectory } from '../../directory.ts'

test('lockData() is held by one at a time, by whatever path, until it is closed', async () => {
  await using directory = await temporaryDirectory()
  const other = `${directory.path}-other`
  await symlink(directory.path, other)
  {
    using _lock = await lockData(directory.path, 'serve', 0)
    await assert.rejects(lockData(other, 'serve', 0), (error: Error) => {
      assert(error instanceof LockError)
      assert.match(
        error.message,
        /^Cannot use the data directory ".*" as another plumb server uses it; stop that one or choose another --data$/,
      )
      return true
    })
    using _role = await lockData(directory.path, 'control', 0)
  }
  using _again = await lockData(other, 'serve', 0)
})

test('lockData() waits for the holder before to end, and is freed by kill -9', async () => {
  await using directory = await temporaryDirectory()
  const script = `import(${JSON.stringify(join(import.meta.dirname, '../../../engine/process/lock.ts'))})
    .then(({ lockData }) => lockData(${JSON.stringify(directory.path)}, 'serve', 0)).then(() => { console.log('held'); setInterval(() => {}, 1000) })`
  const holder = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(holder.stdout, 'data')
  await assert.rejects(lockData(directory.path, 'serve', 0), LockError)
  const waiting = lockData(directory.path, 'serve', 10_000)
  holder.kill('SIGKILL')
  using _lock = await waiting
})
