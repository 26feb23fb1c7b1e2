import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { type Access, createAccessLines } from '../../../engine/log/access.ts'

const line = createAccessLines('worker 1')

const request: Access = {
  method: 'POST',
  target: '/api/v1/client?token=abc',
  status: 200,
  elapsedMs: 0.4249,
  bytesIn: 17,
  bytesOut: 62,
  channel: 'channel_rest/client',
  service: 'client.get',
  caller: null,
  remoteAddress: '127.0.0.1',
  cid: 'abc-1',
}

test('a request is one line, with its path and without its query', () => {
  assert.equal(
    line(request, 1_700_000_000_000),
    '{"level":30,"time":1700000000000,"process":"worker 1","type":"access","method":"POST","path":"/api/v1/client","status":200,"elapsedMs":0.42,' +
      '"bytesIn":17,"bytesOut":62,"channel":"channel_rest/client","service":"client.get","remoteAddress":"127.0.0.1","cid":"abc-1","msg":"Answered"}\n',
  )
})

for (const [target, path] of [
  ['/a/b', '/a/b'],
  ['/a?password=x', '/a'],
  ['/a#password=x', '/a'],
  ['http://user:password@host:1/a?b', '/a'],
  ['http://user:password@host', ''],
  ['*', '*'],
  ['', ''],
  [`/${'a'.repeat(2_000)}`, `/${'a'.repeat(1_023)}…`],
] as const)
  test(`the path of ${target.slice(0, 40)} is ${path.slice(0, 40)}`, () =>
    assert.equal(JSON.parse(line({ ...request, target }, 0)).path, path))

test('every line is one line of JSON that says what happened, whatever the request holds', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('"', '\\', '\n', '\r', '\u001b', '\u2028', '\ud800', '}', ',') }),
  )
  fc.assert(
    fc.property(
      text,
      text,
      text,
      fc.option(text),
      fc.double({ min: 0, max: 1e9, noNaN: true }),
      (method, target, cid, caller, elapsedMs) => {
        const written = line({ ...request, method, target: `/${target}`, cid, caller, elapsedMs }, 5)
        assert.equal(written.indexOf('\n'), written.length - 1)
        const read = JSON.parse(written)
        // What is no text as Unicode knows it comes back as it went in, since JSON escapes it.
        assert.deepEqual([read.method, read.cid, read.caller ?? null, read.type, read.time], [method, cid, caller, 'access', 5])
        assert.equal(`${read.path}`.includes('?'), false)
      },
    ),
  )
})
