import assert from 'node:assert/strict'
import { test } from 'vitest'
import { fitsRequest } from '../../../cli/kit/rest-fit.ts'
import type { RestReply } from '../../../cli/kit/test-api.ts'

const call = {
  connection: 'CRM',
  method: 'GET',
  path: '/api/clients/a%20b',
  query: { page: '2', tag: ['a', 'b'] },
  headers: {},
  body: null,
}

for (const [reply, expected] of [
  [{}, true],
  [{ method: 'get' }, true],
  [{ method: 'POST' }, false],
  [{ path: '/api/clients/{id}' }, true],
  [{ path: '/clients/{id}' }, true],
  [{ path: 'clients/a b' }, true],
  [{ path: '/clients' }, false],
  [{ path: '/clients/{id}/orders' }, false],
  [{ path: /clients/ }, true],
  [{ path: '/clients/{id}?page=2' }, true],
  [{ path: '/clients/{id}?page=3' }, false],
  [{ query: { page: 2 } }, true],
  [{ query: { page: 2, tag: ['a', 'b'] } }, true],
  [{ query: { tag: ['a'] } }, false],
  [{ body: {} }, false],
] satisfies [RestReply, boolean][])
  test(`a reply for ${Object.values(reply).map(String).join(' ') || 'anything'} ${JSON.stringify(reply)} ${expected ? 'is' : 'is not'} for ${call.method} ${call.path}`, () =>
    assert.equal(fitsRequest(call, reply, '/api'), expected))
