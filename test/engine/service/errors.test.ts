import assert from 'node:assert/strict'
import { test } from 'vitest'
import { ConnectionError } from '../../../adapters/connection-error.ts'
import { DeadlineError } from '../../../engine/generation/deadline.ts'
import { problemOf, resultJson } from '../../../engine/service/errors.ts'
import * as sdk from '../../../engine/service/sdk.ts'
import { parseRef } from '../../../schema/ref.ts'

const crm = parseRef('rest/CRM')
const withCode = (code: string, message = code) => Object.assign(new Error(message), { code })

for (const [what, error, status, unmapped] of [
  ['BadRequest', new sdk.BadRequest(), 400, false],
  ['Unauthorized', new sdk.Unauthorized(), 401, false],
  ['Forbidden', new sdk.Forbidden(), 403, false],
  ['NotFound', new sdk.NotFound(), 404, false],
  ['Conflict', new sdk.Conflict(), 409, false],
  ['TooManyRequests', new sdk.TooManyRequests(), 429, false],
  ['ServiceUnavailable', new sdk.ServiceUnavailable(), 503, false],
  ['a status of its own', new sdk.ServiceError(422, 'unfit'), 422, false],
  ['a status that is none', new sdk.ServiceError(1000, 'odd'), 500, true],
  ['the deadline', new DeadlineError('late'), 504, false],
  [
    'an abort by the deadline',
    Object.assign(new Error('aborted', { cause: new DeadlineError('late') }), { name: 'AbortError' }),
    504,
    false,
  ],
  ['a refused connection', withCode('ECONNREFUSED'), 503, false],
  ['a name that is not found, as a cause', new TypeError('fetch failed', { cause: withCode('ENOTFOUND') }), 503, false],
  ['refusals on every address', new AggregateError([withCode('ECONNREFUSED'), withCode('ECONNREFUSED')]), 503, false],
  ['a lost PostgreSQL connection', withCode('08006'), 503, false],
  ['a pool that waited too long', new Error('timeout exceeded when trying to connect'), 503, false],
  ['a closed ioredis', new Error('Connection is closed.'), 503, false],
  ['ioredis giving up', Object.assign(new Error('Reached the max retries'), { name: 'MaxRetriesPerRequestError' }), 503, false],
  ['a connection that timed out', new ConnectionError(crm, 'TIMEOUT', 'it took long'), 504, false],
  ['a connection that is busy', new ConnectionError(crm, 'BUSY', 'too many wait'), 503, false],
  ['an answer that cannot be used', new ConnectionError(crm, 'ANSWER', 'it is no JSON'), 502, false],
  ['a unique violation', withCode('23505'), 500, true],
  ['an error', new Error('secret detail'), 500, true],
  ['a string', 'secret detail', 500, true],
  ['undefined', undefined, 500, true],
  ['an object without prototype', Object.create(null), 500, true],
] as const)
  test(`problemOf() of ${what} is ${status}${unmapped ? ', unmapped' : ''}`, () => {
    const answer = problemOf(error)
    assert.deepEqual([answer.status, answer.unmapped, answer.problem.status], [status, unmapped, status])
    assert.doesNotMatch(JSON.stringify(answer), /secret detail/)
  })

test('problemOf() carries detail, extensions and Retry-After', () => {
  const error = new sdk.TooManyRequests('Slow down', { retryAfter: 1.2, extensions: { limit: 5, status: 999 } })
  assert.deepEqual(problemOf(error), {
    status: 429,
    problem: { limit: 5, type: 'about:blank', title: 'Too Many Requests', status: 429, detail: 'Slow down' },
    unmapped: false,
    headers: { 'retry-after': '2' },
  })
})

test('problemOf() leaves out extensions that are no JSON', () => {
  const loop: Record<string, unknown> = {}
  loop.self = loop
  assert.deepEqual(Object.keys(problemOf(new sdk.NotFound('gone', { extensions: loop })).problem), ['type', 'title', 'status', 'detail'])
})

test('an error class bears its name, and keeps the cause', () => {
  const cause = new Error('why')
  const error = new sdk.Conflict('taken', { cause })
  assert.deepEqual([error.name, error.message, error.detail, error.cause], ['Conflict', 'taken', 'taken', cause])
  assert.ok(error instanceof sdk.ServiceError)
})

test('resultJson() names the service and the reason where a result is no JSON', () => {
  const loop: Record<string, unknown> = {}
  loop.self = loop
  for (const [result, told] of [
    [{ n: 1n }, /it returned an object with the field n, and Do not know how to serialize a BigInt$/],
    [loop, /an object with the .*, and Converting circular structure to JSON.* property '\w+' closes the circle$/],
    [() => 1, /it returned a function, and it has no form there$/],
    [Symbol('x'), /it returned a symbol, and /],
    [[1, 2n], /it returned an array of 2, and .*BigInt/],
    [{ toJSON: () => undefined }, /it returned an object with the field toJSON, and it has no form there$/],
    [
      {
        toJSON() {
          throw new Error('not ready')
        },
      },
      /it returned an object with the field toJSON, and not ready$/,
    ],
  ] as const)
    assert.throws(
      () => resultJson('client.get', result),
      error => {
        assert.ok(error instanceof TypeError)
        assert.match(error.message, /^Cannot answer with the result of service "client\.get" as it cannot be written as JSON: /)
        assert.match(error.message, told)
        return true
      },
    )
  assert.equal(resultJson('client.get', undefined), undefined)
  assert.equal(resultJson('client.get', { a: 1 }), '{"a":1}')
})
