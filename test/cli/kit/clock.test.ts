import assert from 'node:assert/strict'
import { test } from 'vitest'
import { createTime } from '../../../cli/kit/clock.ts'

test('what is due fires in order as time is advanced, and no sooner', async () => {
  const { test: clock, service, clock: engine } = createTime('2026-03-01T00:00:00Z')
  const { timers } = service
  const fired: string[] = []
  const at = (what: string) => () => void fired.push(`${what} ${new service.Date().toISOString().slice(11, 19)}`)
  timers.setTimeout(at('late'), 3_000)
  timers.setTimeout(at('soon'), 1_000)
  const every = timers.setInterval(at('every'), 2_000)
  const cleared = timers.setTimeout(at('never'), 1_500)
  timers.clearTimeout(cleared)
  void engine.sleep(2_500).then(at('slept'))

  await clock.advance('999ms')
  assert.deepEqual(fired, [])
  await clock.advance('4s')
  timers.clearInterval(every)
  await clock.advance('1h')
  assert.deepEqual(fired, ['soon 00:00:01', 'every 00:00:02', 'slept 00:00:02', 'late 00:00:03', 'every 00:00:04'])
})

test('what a timer starts on its way is due as well', async () => {
  const { test: clock, service } = createTime(0)
  let ticks = 0
  const again = () => {
    ticks++
    service.timers.setTimeout(again, 1_000)
  }
  service.timers.setTimeout(again, 1_000)
  await clock.advance('10s')
  assert.equal(ticks, 10)
})

test('its Date is a Date, whose present stands still', () => {
  const { service } = createTime('2026-03-01T00:00:00Z')
  const Standing = service.Date
  assert.equal(Standing.now(), Date.UTC(2026, 2, 1))
  assert(new Standing() instanceof Date)
  assert(new Date() instanceof Standing)
  assert.equal(new Standing('2020-01-01T00:00:00Z').getTime(), Date.UTC(2020, 0, 1))
  assert.equal(Standing.UTC(2020, 0, 1), Date.UTC(2020, 0, 1))
  class Special extends Standing {}
  assert.equal(new Special().getTime(), Date.UTC(2026, 2, 1))
})

test('a sleep that is aborted rejects, and what cannot be understood is refused', async () => {
  const { clock, test: time } = createTime(0)
  const aborting = new AbortController()
  const sleep = clock.sleep(1_000, aborting.signal)
  aborting.abort(new Error('No longer'))
  await assert.rejects(sleep, /No longer/)
  await assert.rejects(time.advance('soon'), TypeError)
  assert.throws(() => createTime('yesterday'), TypeError)
})
