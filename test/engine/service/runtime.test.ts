import assert from 'node:assert/strict'
import { test } from 'vitest'
import { DeadlineError } from '../../../engine/generation/deadline.ts'
import { InvokeError, problemOf, resultJson } from '../../../engine/service/errors.ts'
import { Secret } from '../../../schema/secret.ts'
import { createTestRuntime, echo, unitOf } from './estate.ts'

const path = 'services/echo.ts'

test('run() answers with what the handler returns, whether it waits or not', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({ [path]: echo('return { echoed: request.text }') })
  assert.deepEqual(await service.run(unitOf(), { text: 'hi' }), { echoed: 'hi' })
  const sync = await runtime.load({ [path]: echo('return 1').replace('async ', '') })
  assert.equal(await sync.run(unitOf(), {}), 1)
  service.close()
  sync.close()
})

test('ctx gives what the unit of work knows', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({ [path]: echo('return [ctx.cid, ctx.signal.aborted, ctx.request?.method]') })
  const request = { method: 'PUT', path: '/', headers: {}, params: {}, query: {}, caller: null, remoteAddress: '127.0.0.1' }
  assert.deepEqual(await service.run(unitOf({}, { request }), {}), ['cid-1', false, 'PUT'])
  service.close()
})

test('check() says what does not fit the input model', async () => {
  const runtime = createTestRuntime()
  const input = { type: 'object', properties: { id: { type: 'integer' } }, required: ['id'] }
  const service = await runtime.load({ [path]: echo('return 1') }, { input })
  assert.deepEqual(service.inputTypes, { id: 'integer' })
  assert.deepEqual(service.check({ id: 1 }), [])
  assert.deepEqual(
    service.check({ id: 'x' }).map(({ pointer }) => pointer),
    ['/id'],
  )
  service.close()
})

test('run() logs an unmapped error once, with its place in TypeScript', async () => {
  const runtime = createTestRuntime()
  const inner = await runtime.load({ [path]: echo('\n  if (request) throw new Error("boom")\n') })
  const outer = await runtime.load({ [path]: echo("return ctx.invoke('inner', {})") })
  const error = await outer.run(unitOf({ 'service/inner': inner }), {}).catch(reason => reason)
  assert.equal(problemOf(error).unmapped, true)
  assert.deepEqual([inner.counters.unmapped, outer.counters.unmapped], [1, 1])
  assert.equal(runtime.lines.length, 1)
  assert.match(JSON.stringify(runtime.lines[0]?.fields), /services\/echo\.ts:4:/)
  inner.close()
  outer.close()
})

test('run() logs an error that several units fail with once for each of them', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({
    [path]: echo('return connecting', "const connecting = Promise.reject(new Error('no')).catch(e => e)"),
  })
  const thrower = await runtime.load({ 'services/thrower.ts': echo('throw await ctx.invoke("echo", {})') })
  for (const cid of ['one', 'two']) await assert.rejects(thrower.run(unitOf({ 'service/echo': service }, { cid }), {}))
  assert.deepEqual(
    runtime.lines.map(({ fields }) => fields.cid),
    ['one', 'two'],
  )
  service.close()
  thrower.close()
})

for (const [what, body, type, told] of [
  ['an error of a class of its own', 'throw new Refused("no")', 'Refused', 'no'],
  ['an error with a cause', 'throw new Error("no", { cause: new Refused("inner") })', 'Error', 'no'],
  ['an AggregateError', 'await Promise.any([Promise.reject(new Refused("a"))])', 'AggregateError', 'All promises were rejected'],
  ['a string', 'throw "no"', undefined, 'the string "no", which is no error and tells no place; throw an Error'],
  ['undefined', 'throw undefined', undefined, 'undefined, which is no error and tells no place; throw an Error'],
  ['null', 'throw null', undefined, 'null, which is no error and tells no place; throw an Error'],
  ['a number', 'throw 7', undefined, 'the number 7, which is no error and tells no place; throw an Error'],
  [
    'an object, whose values are not told',
    'throw Object.assign(Object.create(null), { password: "hunter2" })',
    undefined,
    'an object with the field password, which is no error and tells no place; throw an Error',
  ],
  [
    'an object that refuses',
    'throw new Proxy({}, { ownKeys() { throw new Error("no") } })',
    undefined,
    'an object, which is no error and tells no place; throw an Error',
  ],
  [
    'an error of another realm',
    'throw runInNewContext("new TypeError(1)")',
    undefined,
    'an object of class TypeError without fields, which is no error of this process',
  ],
  [
    'process.exit()',
    'process.exit(1)',
    'Error',
    'Cannot call process.exit() as the process serves other services too: throw an error instead',
  ],
] as const)
  test(`run() of a service that fails with ${what} counts and logs it once, by its type`, async () => {
    const runtime = createTestRuntime()
    const service = await runtime.load({
      [path]: echo(`\n${body}`, "import { runInNewContext } from 'node:vm'\nclass Refused extends Error {}"),
    })
    await service.run(unitOf({}, { channel: 'channel_rest/echo' }), {}).then(
      () => assert.fail('it failed'),
      error => assert.equal(problemOf(error).unmapped, true),
    )
    assert.deepEqual(service.counters.first, { calls: 1, unmapped: 1 })
    assert.equal(runtime.lines.length, 1)
    const { level, fields, message } = runtime.lines[0] ?? assert.fail()
    const { service: name, channel, cid, err } = fields as Record<string, string> & { err: Record<string, string> } // as instance.ts writes it
    assert.deepEqual([level, name, channel, cid], ['error', 'test.echo', 'channel_rest/echo', 'cid-1'])
    assert.deepEqual([err.type, err.message, message], [type, told, `Service "test.echo" failed: ${told}`])
    assert.doesNotMatch(JSON.stringify(fields), /hunter2/)
    service.close()
  })

test('run() of a service whose result its unit does not accept fails as if it had thrown', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({ [path]: echo('return request') })
  const accept = (result: unknown, name: string) => void resultJson(name, result)
  for (const payload of [1, 1n, 2, 2n]) await service.run(unitOf({}, { accept }), payload).catch(() => null)
  const { latency: _, ...counted } = service.counters
  assert.deepEqual(counted, { calls: 4, mapped: 0, unmapped: 2, first: { calls: 4, unmapped: 2 } })
  assert.deepEqual(
    runtime.lines.map(({ fields }) => fields.service),
    ['test.echo', 'test.echo'],
  )
  // What services give each other need not be JSON.
  const outer = await runtime.load({ 'services/outer.ts': echo("return (await ctx.invoke('inner', 7n)) === 7n") })
  assert.equal(await outer.run(unitOf({ 'service/inner': service }, { accept }), {}), true)
  service.close()
  outer.close()
})

test('console prints lines of the log that name the file and its service', async () => {
  const runtime = createTestRuntime()
  const files = {
    [path]: echo(
      "console.log('a %s', 'b', { c: 1 }); console.warn('w\\n'); console.error('e'); console.table([1]); nodeConsole.info('n'); deep()",
      "import { deep } from './deep.ts'\nimport nodeConsole from 'node:console'",
    ),
    'services/deep.ts': 'export function deep() { console.debug("deep") }',
  }
  const service = await runtime.load(files)
  await service.run(unitOf(), {})
  const own = { service: 'test.echo', path }
  assert.deepEqual(
    runtime.lines.map(({ level, fields, message }) => [level, fields, message.split('\n')[0]]),
    [
      ['info', own, 'a b { c: 1 }'],
      ['warn', own, 'w'],
      ['error', own, 'e'],
      ['info', own, '┌─────────┬────────┐'],
      ['info', own, 'n'],
      ['info', { path: 'services/deep.ts' }, 'deep'],
    ],
  )
  service.close()
})

test('strayFields() names the service whose code an error came through, the nearest file where none declares one', async () => {
  const runtime = createTestRuntime()
  const fails = "export function fail() { return new Error('lost') }"
  const service = await runtime.load({
    [path]: echo('return fail()', "import { fail } from './fail.ts'"),
    'services/fail.ts': fails,
  })
  const error = await service.run(unitOf(), {})
  const { err, ...place } = runtime.strayFields(error)
  assert.deepEqual(place, { service: 'test.echo', path })
  assert.deepEqual([err.type, err.message], ['Error', 'lost'])
  assert.match(err.stack ?? '', /services\/fail\.ts:1:/)
  assert.deepEqual(Object.keys(runtime.strayFields('lost')), ['err'])
  await runtime.adapter.close(service)
  assert.equal(runtime.strayFields(error).service, undefined)
})

test('counters judge a service by its first five calls', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({
    [path]: echo(
      "if (request === 404) throw new NotFound(); if (request === 500) throw new Error('x'); return 1",
      "import { NotFound } from 'plumb-server'",
    ),
  })
  for (const payload of [200, 404, 500, 500, 200, 500]) await service.run(unitOf(), payload).catch(() => null)
  const { latency: _, ...counted } = service.counters
  assert.deepEqual(counted, { calls: 6, mapped: 1, unmapped: 3, first: { calls: 5, unmapped: 2 } })
  service.close()
})

for (const [what, body, code] of [
  ['does not exist', "return ctx.invoke('nobody', {})", 'NO_SERVICE'],
  ['does not take the payload', "return ctx.invoke('typed', { id: 'x' })", 'INVALID_PAYLOAD'],
  ['calls itself without end', "return ctx.invoke('self', {})", 'INVOKE_DEPTH'],
] as const)
  test(`invoke() of a service that ${what} fails as the caller's own fault`, async () => {
    const runtime = createTestRuntime()
    const input = { type: 'object', properties: { id: { type: 'integer' } } }
    const typed = await runtime.load({ [path]: echo('return request.id') }, { input })
    const service = await runtime.load({ 'services/caller.ts': echo(body) })
    const views = { 'service/typed': typed, 'service/self': service }
    const error = await service.run(unitOf(views), {}).catch((reason: InvokeError) => reason)
    assert.ok(error instanceof InvokeError)
    assert.deepEqual([error.code, problemOf(error).status, problemOf(error).unmapped], [code, 500, true])
    typed.close()
    service.close()
  })

test('invoke() passes cid and signal on, and what the other threw comes back', async () => {
  const runtime = createTestRuntime()
  const inner = await runtime.load({
    [path]: echo(
      'if (ctx.signal !== request.signal || ctx.cid !== "cid-1") return "other"; throw new NotFound("no such client")',
      "import { NotFound } from 'plumb-server'",
    ),
  })
  const outer = await runtime.load({
    [path]: echo("try { return await ctx.invoke('inner', { signal: ctx.signal }) } catch (error: any) { return error.detail }"),
  })
  assert.equal(await outer.run(unitOf({ 'service/inner': inner }), {}), 'no such client')
  inner.close()
  outer.close()
})

test('invoke() of a closed service is 503', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({ [path]: echo("return ctx.invoke('other', {})") })
  const error = await service.run(unitOf({ 'service/other': { closed: 'it is quarantined' } }), {}).catch(reason => reason)
  assert.deepEqual([problemOf(error).status, problemOf(error).problem.detail], [503, 'Cannot invoke "other" as it is quarantined'])
  service.close()
})

test('a service with a deadline of its own is not waited for longer, and its signal is aborted', async () => {
  const runtime = createTestRuntime()
  const text = echo('ctx.signal.addEventListener("abort", () => request.aborted.push(ctx.signal.reason)); return new Promise(() => null)')
  const service = await runtime.load({ [path]: text.replace("name: 'test.echo',", "name: 'test.echo', deadline: '20ms',") })
  assert.equal(service.deadlineMs, 20)
  const aborted: unknown[] = []
  const error = await service.run(unitOf(), { aborted }).catch(reason => reason)
  assert.ok(error instanceof DeadlineError)
  assert.deepEqual(aborted, [error])
  assert.equal(problemOf(error).status, 504)
  service.close()
})

test("an error after the unit's end is not counted against the service", async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({ [path]: echo('throw new Error("cancelled")') })
  await assert.rejects(service.run(unitOf({}, { signal: AbortSignal.abort() }), {}))
  assert.equal(service.counters.unmapped, 0)
  service.close()
})

test('drain() waits for the calls that run', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({ [path]: echo('return request.until') })
  const until = Promise.withResolvers<string>()
  const running = service.run(unitOf(), { until: until.promise })
  let isDrained = false
  const drained = runtime.adapter.drain?.(service, 1_000).then(() => {
    isDrained = true
  })
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(isDrained, false)
  until.resolve('done')
  assert.equal(await running, 'done')
  await drained
  assert.equal(isDrained, true)
  service.close()
})

test('run() of a service whose generation ended is refused', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({ [path]: echo('return 1') })
  service.close()
  await assert.rejects(service.run(unitOf(), {}), /its generation has ended/)
})

test('ctx.log writes service and cid with every line, prints no secret, and never throws', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({
    [path]: echo(`
      ctx.log.info({ token: request.secret, cid: 'mine' }, 'with fields')
      ctx.log.warn('alone')
      ctx.log.error(new Error('as error'))
      ctx.log.info({ get bad() { throw new Error('getter') } }, 'odd')`),
  })
  await service.run(unitOf(), { secret: new Secret('hunter22') })
  const lines = runtime.lines.map(({ level, fields, message }) => [level, fields.service, fields.cid, message])
  assert.deepEqual(lines, [
    ['info', 'test.echo', 'cid-1', 'with fields'],
    ['warn', 'test.echo', 'cid-1', 'alone'],
    ['error', 'test.echo', 'cid-1', ''],
    ['warn', 'test.echo', 'cid-1', 'Cannot write fields to the log: odd'],
  ])
  assert.match(JSON.stringify(runtime.lines[2]?.fields), /services\/echo\.ts:6:/)
  assert.doesNotMatch(JSON.stringify(runtime.lines), /hunter22/)
  service.close()
})

for (const [what, exported, code] of [
  ['is no service', 'export const echo = {}', 'SERVICE_EXPORT_WRONG'],
  [
    'bears another name',
    "import { service } from 'plumb-server'\nexport const echo = service({ name: 'b', handle: () => 1 })",
    'SERVICE_NAME_DIFFERS',
  ],
] as const)
  test(`prepare refuses an export that ${what}`, async () => {
    const runtime = createTestRuntime()
    await assert.rejects(runtime.load({ [path]: exported }), { code })
    assert.equal(runtime.moduleCount, 0)
  })
