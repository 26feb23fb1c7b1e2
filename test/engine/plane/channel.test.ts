import assert from 'node:assert/strict'
import { test } from 'vitest'
import { closedCredential } from '../../../adapters/credential.ts'
import type { Declared } from '../../../adapters/port.ts'
import { admissionTo } from '../../../engine/plane/admission.ts'
import { serviceOf as boundService } from '../../../engine/plane/bound-service.ts'
import { channelAdapter } from '../../../engine/plane/channel.ts'
import { digestOf } from '../../../schema/digest.ts'
import type { JsonObject } from '../../../schema/json.ts'
import { kindName, refOf } from '../../../schema/ref.ts'
import { keyOf, serviceOf } from './routes.ts'

const service = serviceOf(() => 1)
const views: Record<string, unknown> = {
  'service/client.get': service,
  'service/broken': { closed: 'its load check failed' },
  'security/key': keyOf('k'),
  'security/unserved': closedCredential('security "unserved" has no password'),
  'security/closed': { closed: 'a field that guards is not served' },
  'groups/partners': keyOf('p'),
}

test('A channel becomes a route with its fields and its defaults', () => {
  assert.deepEqual(routeFor({ security: 'key', groups: ['partners'] }), {
    ref: 'channel_rest/orders',
    pattern: '/orders/{id}',
    method: '',
    credentials: [views['security/key'], views['groups/partners']],
    open: false,
    service: 'service/client.get',
    timeoutMs: 10_000,
    contentType: 'application/json',
    merging: { parameters: true, first: 'query', over: 'body' },
    closed: null,
  })
  const route = routeFor({
    method: 'PUT',
    timeout: 3,
    content_type: 'text/csv',
    merge_url_params_req: false,
    url_params_pri: 'path-over-qs',
    params_pri: 'msg-over-channel-params',
  })
  assert.deepEqual(
    [route?.method, route?.timeoutMs, route?.contentType, route?.merging],
    ['PUT', 3_000, 'text/csv', { parameters: false, first: 'path', over: 'nothing' }],
  )
})

for (const [what, spec, headers, expected] of [
  ['named public', { public: true }, {}, 'admitted'],
  ['without security', {}, {}, 'admitted'],
  ['named public that names a key as well', { public: true, security: 'key' }, {}, 401],
  ['with a key, given it', { security: 'key' }, { 'x-key': 'k' }, 'admitted'],
  ['with a key, given none', { security: 'key' }, {}, 401],
  ['with a key and a group, given the group member', { security: 'key', groups: ['partners'] }, { 'x-key': 'p' }, 'admitted'],
  ['whose security has no secret', { security: 'unserved' }, { 'x-key': 'k' }, 503],
  ['whose security is closed', { security: 'closed' }, {}, 503],
  ['whose security is not there', { security: 'gone' }, {}, 503],
  ['whose group is not there', { groups: ['gone'] }, {}, 503],
  ['with one security that works and one that does not', { security: 'gone', groups: ['partners'] }, { 'x-key': 'p' }, 'admitted'],
  ['that is not active', { is_active: false }, {}, 503],
  ['whose service is not there', { service: 'gone' }, {}, 503],
  ['whose service is closed', { service: 'broken' }, {}, 503],
] as const)
  test(`A channel ${what} gives ${expected}`, () => {
    const route = routeFor(spec)
    assert(route)
    const admission = admissionTo(route, { headers })
    const bound = boundService(route.service, { resolve: ref => views[ref] })
    const given = bound.kind === 'closed' ? 503 : admission.kind === 'admitted' ? 'admitted' : admission.status
    assert.equal(given, expected)
  })

test('A closed channel keeps its path and its credentials, and says why', () => {
  const route = channelAdapter.closed?.(declaredAs({ security: 'key' }), 'rate_limiting is not served', ref => views[ref])
  assert(typeof route === 'object' && route !== null && 'closed' in route && 'pattern' in route)
  assert.deepEqual([route.pattern, route.closed], ['/orders/{id}', 'rate_limiting is not served'])
})

test('A path that cannot be routed is refused at prepare, and closed it has no route', () => {
  const declared = declaredAs({ url_path: '/a//b' })
  const surroundings = {
    workers: 1,
    clock: { now: () => 0, sleep: async () => undefined },
    log: { info: noLine, warn: noLine, error: noLine },
  }
  assert.throws(() => channelAdapter.prepare(declared, surroundings), /empty segment/)
  assert.equal(
    channelAdapter.closed?.(declared, 'closed', () => undefined),
    undefined,
  )
})

function routeFor(spec: JsonObject) {
  return channelAdapter.view?.(null, declaredAs(spec), ref => views[ref])
}

function declaredAs(spec: JsonObject): Declared {
  const kind = kindName('channel_rest')
  const whole = { name: 'orders', service: 'client.get', url_path: '/orders/{id}', ...spec }
  const digest = digestOf(whole)
  return {
    resource: {
      ref: refOf(kind, 'orders'),
      kind,
      name: 'orders',
      spec: whole,
      tainted: [],
      refs: [],
      specDigest: digest,
      secretDigest: null,
      effectiveDigest: digest,
      instanceKey: digest,
      closed: null,
    },
    secrets: new Map(),
  }
}

function noLine(): void {
  return undefined
}
