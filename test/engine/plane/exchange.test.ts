import assert from 'node:assert/strict'
import { test } from 'vitest'
import { createPlane } from '../../../engine/plane/listen.ts'
import type { ServiceView } from '../../../engine/service/unit.ts'
import { createLines, createTestRuntime, echo } from '../service/estate.ts'
import { generationOf, routeOf, serviceOf } from './routes.ts'

const path = 'services/echo.ts'

for (const [what, body, type, told] of [
  ['throws', 'throw new Refused("no")', 'Refused', /^no$/],
  ['throws later', 'await null; throw new Refused("no")', 'Refused', /^no$/],
  ['throws undefined', 'throw undefined', undefined, /^undefined, which is no error /],
  ['calls what throws', 'return ctx.invoke("fails", {})', 'Refused', /^inner$/],
  ['calls what throws a string', 'return ctx.invoke("shouts", {})', undefined, /^the string "inner", which is no error /],
  ['returns a BigInt', 'return { n: 1n }', 'TypeError', /it returned an object with the field n, and .* BigInt/],
  ['returns itself', 'const me: any = {}; me.me = me; return me', 'TypeError', /closes the circle/],
  ['returns a function', 'return () => 1', 'TypeError', /it returned a function/],
  ['returns what refuses', 'return { get a() { throw new Refused("no") } }', 'TypeError', /field a, and no$/],
  ['ends the process', 'process.exit(0)', 'Error', /^Cannot call process\.exit\(\)/],
] as const)
  test(`A service that ${what} is answered 500 with a cid, logged in one line and counted`, async () => {
    const runtime = createTestRuntime()
    const top = 'class Refused extends Error {}'
    const service = await runtime.load({ [path]: echo(`\n${body}`, top) })
    const named = (name: string, text: string) => runtime.load({ [path]: text.replace('test.echo', name) }, { name })
    const fails = await named('fails', echo('throw new Refused("inner")', top))
    const shouts = await named('shouts', echo('throw "inner"'))
    const { status, problem, lines } = await askOnce(service, { inner: { 'service/fails': fails, 'service/shouts': shouts } })
    assert.deepEqual([status, problem.detail], [500, 'The service failed; the log has the reason under this cid'])
    assert.deepEqual(service.counters.first, { calls: 1, unmapped: 1 })
    const all = [...runtime.lines, ...lines()]
    assert.equal(all.length, 1, JSON.stringify(all))
    assert(all[0])
    const { channel, cid, err } = all[0].fields as Record<string, unknown> & { err: Record<string, string> } // as instance.ts writes it
    assert.deepEqual([channel, cid, err.type], ['channel_rest/echo', problem.cid, type])
    assert.match(err.message ?? '', told)
    assert.match(all[0].message, /^Service "(test\.echo|fails|shouts)" failed: /)
    for (const instance of [service, fails, shouts]) instance.close()
  })

test('An error that passed no instance of a service is logged with the service, the channel and the cid', async () => {
  class Lost extends Error {}
  const service = serviceOf(() => {
    throw new Lost('no')
  })
  const { status, problem, lines } = await askOnce(service)
  assert.equal(status, 500)
  const [line, ...more] = lines()
  assert.deepEqual(more, [])
  assert(line)
  const { err, ...fields } = line.fields as Record<string, unknown> & { err: Record<string, string> } // as exchange.ts writes it
  assert.deepEqual(fields, { service: 'test.service', channel: 'channel_rest/echo', cid: problem.cid })
  assert.deepEqual([err.type, err.message, line.message], ['Lost', 'no', 'A service failed: no'])
})

test('What a call that a drain ended fails with is logged once, in places of the authors', async () => {
  const runtime = createTestRuntime()
  const draining = new AbortController()
  const service = await runtime.load({
    [path]: echo('\nawait new Promise(r => ctx.signal.addEventListener("abort", r)); throw new Error("cut")'),
  })
  const { status, lines } = await askOnce(service, {
    signal: draining.signal,
    meanwhile: () => draining.abort(),
    errorFields: error => runtime.errorFields(error),
  })
  assert.equal(status, 500)
  assert.equal(service.counters.unmapped, 0)
  const all = [...runtime.lines, ...lines()]
  assert.equal(all.length, 1)
  assert.match(JSON.stringify(all[0]?.fields), /services\/echo\.ts:4:/)
  service.close()
})

interface Given {
  readonly inner?: Readonly<Record<string, ServiceView>>
  readonly signal?: AbortSignal
  readonly errorFields?: NonNullable<Parameters<typeof createPlane>[0]['errorFields']>
  /** Done while the service runs. */
  meanwhile?(): void
}

/** One request to a plane whose only channel is that of `service`. */
async function askOnce(service: ServiceView, { inner = {}, signal, errorFields, meanwhile }: Given = {}) {
  const { lines, log } = createLines()
  const routes = [routeOf({ name: 'echo', pattern: '/echo', service })]
  const generation = await generationOf(1, routes, signal)
  const { resolve } = generation
  const live = { ...generation, resolve: (ref: Parameters<typeof resolve>[0]) => inner[ref] ?? resolve(ref) }
  const plane = createPlane({ select: () => live, log, ...(errorFields && { errorFields }) })
  try {
    const { port } = await plane.listen({ port: 0, host: '127.0.0.1' })
    const answer = fetch(`http://127.0.0.1:${port}/echo`)
    if (meanwhile) setTimeout(meanwhile, 100)
    const { status, json } = await answer.then(async found => ({ status: found.status, json: await found.json() }))
    return { status, problem: json as Record<string, unknown>, lines: () => lines } // RFC 9457
  } finally {
    await plane.close({ graceMs: 0 })
  }
}
