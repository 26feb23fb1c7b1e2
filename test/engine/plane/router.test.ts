import assert from 'node:assert/strict'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { patternProblem, segmentsOf } from '../../../engine/plane/pattern.ts'
import type { Match, Route, Router } from '../../../engine/plane/route.ts'
import { createRouter } from '../../../engine/plane/router.ts'
import { routeOf } from './routes.ts'

test.each([
  ['/api/v1/client', 'GET', '/api/v1/client', 'client', {}],
  ['/orders/{id}', 'GET', '/orders/17', 'order', { id: '17' }],
  ['/orders/{id}/lines/{line}', 'GET', '/orders/17/lines/3', 'line', { id: '17', line: '3' }],
  ['/', 'GET', '/', 'root', {}],
  ['/a/', 'GET', '/a/', 'slash', {}],
])('match() finds %s', async (pattern, method, path, name, params) => {
  const router = await routerOf(routeOf({ name, method, pattern }))
  const match = router.match(method, path)
  assert(match.kind === 'found')
  assert.equal(match.route.ref, `channel_rest/${name}`)
  assert.deepEqual(match.params, params)
})

test.each([
  ['/orders/{id}', '/orders/'],
  ['/orders/{id}', '/orders'],
  ['/orders', '/orders/'],
  ['/orders/', '/orders'],
  ['/orders', '/Orders'],
  ['/orders', ''],
])('match() of %s does not take %s', async (pattern, path) => {
  const router = await routerOf(routeOf({ name: 'a', pattern }))
  assert.equal(router.match('GET', path).kind, 'none')
})

test('match() prefers a literal, and goes back to the parameter where the literal leads nowhere', async () => {
  const router = await routerOf(routeOf({ name: 'literal', pattern: '/a/me/x' }), routeOf({ name: 'parameter', pattern: '/a/{id}/y' }))
  assert.equal(foundName(router.match('GET', '/a/me/x')), 'literal')
  assert.equal(foundName(router.match('GET', '/a/me/y')), 'parameter')
})

test('match() prefers the method itself to any method, on the more literal path first', async () => {
  const router = await routerOf(
    routeOf({ name: 'any', method: '', pattern: '/a/b' }),
    routeOf({ name: 'post', method: 'POST', pattern: '/a/b' }),
    routeOf({ name: 'less', method: 'GET', pattern: '/a/{x}' }),
  )
  assert.equal(foundName(router.match('POST', '/a/b')), 'post')
  assert.equal(foundName(router.match('GET', '/a/b')), 'any')
  assert.equal(foundName(router.match('GET', '/a/c')), 'less')
})

test('match() names every method of every path that matches, HEAD with GET, where none serves the request', async () => {
  const router = await routerOf(
    routeOf({ name: 'a', method: 'POST', pattern: '/a/b' }),
    routeOf({ name: 'b', method: 'GET', pattern: '/a/{x}' }),
  )
  assert.deepEqual(router.match('DELETE', '/a/b'), { kind: 'method', allow: ['GET', 'HEAD', 'POST'] })
  assert.equal(foundName(router.match('GET', '/a/b')), 'b')
})

test('match() answers HEAD by the HEAD route, else by the GET route, and OPTIONS only where it is declared', async () => {
  const get = routeOf({ name: 'get', method: 'GET', pattern: '/a' })
  const router = await routerOf(get)
  assert.equal(foundName(router.match('HEAD', '/a')), 'get')
  assert.equal(router.match('OPTIONS', '/a').kind, 'method')
  const both = await router.replace([], [routeOf({ name: 'head', method: 'HEAD', pattern: '/a' })])
  assert.equal(foundName(both.match('HEAD', '/a')), 'head')
})

test('replace() leaves the router it was called on as it was', async () => {
  const first = routeOf({ name: 'first', pattern: '/a' })
  const before = await routerOf(first)
  const after = await before.replace([first], [routeOf({ name: 'second', pattern: '/b' })])
  assert.equal(foundName(before.match('GET', '/a')), 'first')
  assert.equal(before.match('GET', '/b').kind, 'none')
  assert.equal(after.match('GET', '/a').kind, 'none')
  assert.equal(foundName(after.match('GET', '/b')), 'second')
  assert.deepEqual([before.size, after.size], [1, 1])
})

test('replace() exchanges a route for its next view', async () => {
  const before = routeOf({ name: 'a', pattern: '/a' })
  const after = routeOf({ name: 'a', pattern: '/a' })
  const router = await (await routerOf(before)).replace([before], [after])
  const match = router.match('GET', '/a')
  assert(match.kind === 'found')
  assert.equal(match.route, after)
  assert.equal(router.size, 1)
})

test.each([
  'a',
  '',
  '/a//b',
  '/{a}{b}',
  '/x{a}',
  '/{a}/{a}',
  '/{__proto__}',
  '/a?b',
  '/a#b',
  '/a;b',
  '/%61',
  '/a\\b',
  '/a\u0000',
  '/a.',
  '/..',
  '/.',
])('patternProblem() refuses %j', pattern => {
  assert.notEqual(patternProblem(pattern), null)
  assert.throws(() => segmentsOf(pattern), TypeError)
})

const segment = fc.constantFrom('a', 'b', 'c', '{x}', '{y}', 'long-segment')
const pattern = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .map(parts => `/${parts.join('/')}`)
  .filter(text => patternProblem(text) === null)
const routes = fc
  .uniqueArray(fc.record({ pattern, method: fc.constantFrom('', 'GET', 'POST', 'HEAD') }), { maxLength: 25 })
  .map(specs => specs.map((spec, at) => routeOf({ name: `r${at}`, ...spec })))
const path = fc.array(fc.constantFrom('a', 'b', 'c', 'd', ''), { minLength: 1, maxLength: 4 }).map(parts => `/${parts.join('/')}`)
const method = fc.constantFrom('GET', 'POST', 'HEAD', 'DELETE')

test('match() answers what a naive oracle answers, whatever order the routes came in', async () => {
  await fc.assert(
    fc.asyncProperty(
      routes,
      fc.infiniteStream(fc.nat()),
      fc.array(fc.tuple(method, path), { minLength: 1, maxLength: 20 }),
      async (all, keys, requests) => {
        const shuffled = all
          .map(route => ({ route, key: keys.next().value ?? 0 }))
          .sort((a, b) => a.key - b.key)
          .map(({ route }) => route)
        const router = await routerOf(...shuffled)
        for (const [verb, where] of requests) assert.deepEqual(router.match(verb, where), oracle(all, verb, where))
      },
    ),
  )
})

test('replace() in any steps gives the router that is built at once', async () => {
  await fc.assert(
    fc.asyncProperty(routes, routes, fc.array(fc.tuple(method, path), { minLength: 1, maxLength: 20 }), async (first, second, requests) => {
      const gone = first.filter((_, at) => at % 2 === 0)
      const came = second.map(route => routeOf({ name: `s${route.ref.slice(13)}`, method: route.method, pattern: route.pattern }))
      const stepwise = await (await routerOf(...first)).replace(gone, came)
      const kept = [...first.filter(route => !gone.includes(route)), ...came]
      assert.equal(stepwise.size, kept.length)
      for (const [verb, where] of requests) assert.deepEqual(stepwise.match(verb, where), oracle(kept, verb, where))
    }),
  )
})

test('replace() of 50,000 routes lets the event loop turn', { timeout: 60_000 }, async () => {
  const many = Array.from({ length: 50_000 }, (_, at) =>
    routeOf({ name: `r${at}`, pattern: at % 2 === 0 ? `/api/r${at}` : `/api/s${at % 97}/{id}/t${at}` }),
  )
  let turns = 0
  const counting = setInterval(() => turns++, 1)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const router = await routerOf(...many)
  delay.disable()
  clearInterval(counting)
  assert.equal(router.size, 50_000)
  expect(turns).toBeGreaterThan(5)
  for (const at of [0, 1, 777, 49_998, 49_999]) {
    const where = at % 2 === 0 ? `/api/r${at}` : `/api/s${at % 97}/7/t${at}`
    assert.equal(foundName(router.match('GET', where)), `r${at}`)
  }
  const one = many[777]
  assert(one)
  const startedAt = performance.now()
  const smaller = await router.replace([one], [])
  expect(performance.now() - startedAt).toBeLessThan(25)
  assert.equal(smaller.size, 49_999)
})

async function routerOf(...all: Route[]): Promise<Router> {
  return createRouter().replace([], all)
}

function foundName(match: Match): string {
  assert(match.kind === 'found')
  return match.route.ref.slice('channel_rest/'.length)
}

/** The rules of router.ts, one by one, over a plain list. */
function oracle(all: readonly Route[], verb: string, where: string): Match {
  const asked = where.slice(1).split('/')
  const fitting = all
    .map(route => ({ route, segments: segmentsOf(route.pattern) }))
    .filter(
      ({ segments }) =>
        segments.length === asked.length &&
        segments.every((part, at) => (part.kind === 'literal' ? part.text === asked[at] : asked[at] !== '')),
    )
  const rank = (route: Route) => (route.method === verb ? 0 : verb === 'HEAD' && route.method === 'GET' ? 1 : route.method === '' ? 2 : 9)
  const [best] = fitting
    .filter(({ route }) => rank(route) < 9)
    .map(({ route, segments }) => ({
      route,
      segments,
      key: `${segments.map(part => (part.kind === 'literal' ? 0 : 1)).join('')} ${rank(route)} ${route.ref}`,
    }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
  if (best !== undefined) {
    const params: Record<string, string> = {}
    for (const [at, part] of best.segments.entries()) if (part.kind === 'parameter') params[part.name] = asked[at] ?? ''
    return { kind: 'found', route: best.route, params }
  }
  if (fitting.length === 0) return { kind: 'none' }
  const allow = new Set(fitting.flatMap(({ route }) => (route.method === 'GET' ? ['GET', 'HEAD'] : [route.method])))
  return { kind: 'method', allow: [...allow].sort() }
}
