import assert from 'node:assert/strict'
import { test } from 'vitest'
import { type Deadlined, Deadlines } from '../../../engine/plane/deadlines.ts'

test('Deadlines expire in time, never early, each once, and not at all once removed', async () => {
  const deadlines = new Deadlines()
  const startedAt = performance.now()
  const late: number[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const times = [0, 1, 20, 40, 40, 100, 150]
  const item = (ms: number, expire: () => void): Deadlined => ({
    deadlineAt: startedAt + ms,
    before: null,
    after: null,
    slot: -1,
    dueAt: 0,
    expire,
  })
  for (const ms of times) {
    deadlines.add(
      item(ms, () => {
        late.push(performance.now() - startedAt - ms)
        if (late.length === times.length) resolve()
      }),
    )
  }
  const never = item(50, () => assert.fail('it was removed'))
  deadlines.add(never)
  deadlines.remove(never)
  deadlines.remove(never)
  // Beyond one turn of the wheel: looked at, and left.
  const far = item(40_000, () => assert.fail('it is not due'))
  deadlines.add(far)
  await promise
  deadlines.remove(far)
  deadlines.close()
  assert(late.every(ms => ms >= 0))
})

test('Deadlines move on by as long as a debugger held the process, and do not all fall at once', async () => {
  let pausedMs = 0
  const deadlines = new Deadlines(() => pausedMs)
  const startedAt = performance.now()
  const { promise, resolve } = Promise.withResolvers<number>()
  const expire = () => resolve(performance.now() - startedAt)
  deadlines.add({ deadlineAt: startedAt + 80, before: null, after: null, slot: -1, dueAt: 0, expire })
  pausedMs = 150
  assert((await promise) >= 229)
  deadlines.close()
})
