import assert from 'node:assert/strict'
import { test } from 'vitest'
import type { LaterCall } from '../../../engine/service/later.ts'
import { createTestRuntime, echo, unitOf } from './estate.ts'

const input = { type: 'object', properties: { id: { type: 'integer' } }, required: ['id'] }

/** Runs `body` in a service whose neighbour is `target`; gives what it returned, or threw, and what was submitted. */
async function run(body: string): Promise<{ result: unknown; error: Error | null; calls: LaterCall[] }> {
  const calls: LaterCall[] = []
  const runtime = createTestRuntime({ submit: async call => void calls.push(call) })
  const target = await runtime.load({ 'services/target.ts': echo('return 1') }, { input })
  const service = await runtime.load({ 'services/echo.ts': echo(body) })
  try {
    const views = { 'service/target': target, 'service/away': { closed: 'its code does not load' } }
    return { result: await service.run(unitOf(views), {}), error: null, calls }
  } catch (error) {
    return { result: null, error: error as Error, calls } // services throw errors here
  } finally {
    service.close()
    target.close()
  }
}

test('invokeAsync() submits name and payload as JSON, with the cid, and resolves with the id', async () => {
  const { result, calls } = await run("return ctx.invokeAsync('target', { id: 1, at: new Date(0), none: undefined })")
  const [call] = calls
  assert(call)
  const { id, dueAt, ...rest } = call
  assert.deepEqual(result, { id })
  assert.deepEqual(rest, {
    service: 'target',
    payload: { id: 1, at: '1970-01-01T00:00:00.000Z' },
    cid: 'cid-1',
    maxAttempts: 5,
    deadlineMs: 60_000,
  })
  assert(Math.abs(dueAt - Date.now()) < 60_000)
})

for (const [what, body, expected] of [
  [
    'attempts and a deadline',
    "ctx.invokeAsync('target', { id: 1 }, { attempts: 1, deadline: '2h' })",
    { maxAttempts: 1, deadlineMs: 7_200_000 },
  ],
  ['an ISO time', "ctx.schedule.once('target', { id: 1 }, { at: '2030-01-01T00:00:00Z' })", { dueAt: Date.UTC(2030, 0, 1) }],
  ['a Date that has passed', "ctx.schedule.once('target', { id: 1 }, { at: new Date(5) })", { dueAt: 5 }],
] as const)
  test(`a call later takes ${what}`, async () => {
    const { calls, error } = await run(`return ${body}`)
    assert.equal(error, null)
    assert.deepEqual({ ...calls[0], ...expected }, calls[0])
  })

for (const [what, body] of [
  ['delay', "ctx.invokeAsync('target', { id: 1 }, { delay: '1h' })"],
  ['after', "const { once } = ctx.schedule; return once('target', { id: 1 }, { after: '1h' })"],
] as const)
  test(`a call later is due after ${what}`, async () => {
    const { calls } = await run(body.startsWith('const') ? body : `return ${body}`)
    const inMs = (calls[0]?.dueAt ?? 0) - Date.now()
    assert(inMs > 3_500_000 && inMs <= 3_600_000, String(inMs))
  })

for (const [what, body, message] of [
  ['no such service', "ctx.invokeAsync('none', {})", /no such service/],
  ['a service that is closed', "ctx.invokeAsync('away', {})", /its code does not load/],
  ['a payload that does not fit', "ctx.schedule.once('target', { id: 'x' }, { after: '1s' })", /does not fit its input: \/id/],
  ['a payload that is no JSON', "ctx.invokeAsync('target', { id: 1n })", /cannot be written as JSON/],
  ['a payload over 1 MB', "ctx.invokeAsync('target', { id: 1, text: 'x'.repeat(1_000_000) })", /larger than 1000000 bytes/],
  ['no attempt', "ctx.invokeAsync('target', { id: 1 }, { attempts: 0 })", /attempts as it is 0: a whole number from 1 to 100/],
  ['a deadline over a day', "ctx.invokeAsync('target', { id: 1 }, { deadline: '25h' })", /deadline as it is "25h"/],
  ['a time that is none', "ctx.schedule.once('target', { id: 1 }, { at: 'tomorrow' })", /at as it is "tomorrow"/],
  ['a duration that is none', "ctx.schedule.once('target', { id: 1 }, { after: 'soon' as '1s' })", /after as it is "soon"/],
] as const)
  test(`a call later of ${what} is refused, and nothing is submitted`, async () => {
    const { error, calls } = await run(`return ${body}`)
    assert.match(error?.message ?? '', message)
    assert.deepEqual(calls, [])
  })

test('without a queue nothing is accepted', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({ 'services/echo.ts': echo("return ctx.invokeAsync('echo', {})") })
  await assert.rejects(service.run(unitOf({ 'service/echo': service }), {}), /there is no queue here/)
  service.close()
})

test('ctx.delivery is what the unit of work has, in the services that it calls as well', async () => {
  const runtime = createTestRuntime()
  const inner = await runtime.load({ 'services/inner.ts': echo('return ctx.delivery') })
  const outer = await runtime.load({ 'services/outer.ts': echo("return [ctx.delivery, await ctx.invoke('inner', {})]") })
  const delivery = { kind: 'async', id: 'a', attempt: 2, redelivered: true, job: null, nominalAt: null } as const
  assert.deepEqual(await outer.run(unitOf({ 'service/inner': inner }, { delivery }), {}), [delivery, delivery])
  assert.deepEqual(await inner.run(unitOf(), {}), null)
  inner.close()
  outer.close()
})
