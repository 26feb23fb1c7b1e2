import assert from 'node:assert/strict'
import { test } from 'vitest'
import { LinkError } from '../../../engine/process/link.ts'
import type { LaterCall } from '../../../engine/service/later.ts'
import { ServiceUnavailable } from '../../../engine/service/sdk.ts'
import type { Acceptance } from '../../../engine/work/queue.ts'
import { createSubmit } from '../../../engine/work/submit.ts'

const call: LaterCall = { id: 'a', service: 'client.get', payload: {}, cid: 'cid', dueAt: 0, maxAttempts: 5, deadlineMs: 1_000 }
const away = () => new LinkError('Cannot ask control as it is away')
const broke = () => new LinkError('Cannot go on as the link to the other process closed', { mayHaveArrived: true })
const full: Acceptance = { kind: 'refused', code: 'QUEUE_FULL', reason: '10 tasks are ready' }
const never = new AbortController().signal

/** Asks that end as told, one after another; the last one again and again. */
function asking(...ends: readonly (Acceptance | (() => Error))[]) {
  const repeated: boolean[] = []
  const submit = createSubmit({
    async ask({ isRepeated }) {
      const end = ends[Math.min(repeated.push(isRepeated), ends.length) - 1]
      if (typeof end === 'function') throw end()
      return end ?? { kind: 'accepted' }
    },
    awayMs: 60,
  })
  return { submit, repeated }
}

for (const [what, ends, expected] of [
  ['that is there is asked once', [], [false]],
  ['that is back in time is asked again; nothing had reached it', [away, away, { kind: 'accepted' }], [false, false, false]],
  ['that went away over it is told that it may have it already', [broke, away, { kind: 'accepted' }], [false, true, true]],
] as const)
  test(`control ${what}`, async () => {
    const { submit, repeated } = asking(...ends)
    await submit(call, never)
    assert.deepEqual(repeated, expected)
  })

for (const [what, ends, code, message] of [
  ['control stays away', [away], 'CONTROL_AWAY', /Cannot accept the call as the control process is away$/],
  ['control went away over it and stays away', [broke, away], 'CONTROL_AWAY', /it may have been accepted$/],
  ['the queue is full', [full], 'QUEUE_FULL', /as 10 tasks are ready$/],
  ['it cannot be written', [() => new Error('the disk is full')], 'QUEUE_FAILED', /the disk is full$/],
] as const)
  test(`a call is not accepted, and its service told so as ${code}, where ${what}`, async () => {
    await assert.rejects(asking(...ends).submit(call, never), (error: unknown) => {
      assert(error instanceof ServiceUnavailable && error.status === 503)
      assert.equal(error.extensions?.code, code)
      assert.match(error.message, message)
      return true
    })
  })

test('a call whose caller is gone is not waited for', async () => {
  const gone = AbortSignal.abort(new Error('it went away'))
  await assert.rejects(asking(away).submit(call, gone), /it went away/)
})
