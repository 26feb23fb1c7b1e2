import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { matcherOf, mergeLines } from '../../../engine/log/filter.ts'
import { LogRing } from '../../../engine/log/ring.ts'

const all = () => true

test('a ring has the newest lines, with a key of their own each', () => {
  const ring = new LogRing({ prefix: 'p.', maxLines: 3, maxLength: 1_000 })
  for (const name of ['a', 'b', 'c', 'd']) ring.push(`${name}\n`, 1)
  assert.deepEqual(ring.newest(all, 10), [
    { key: 'p.1', text: 'b' },
    { key: 'p.2', text: 'c' },
    { key: 'p.3', text: 'd' },
  ])
  assert.deepEqual(
    ring.newest(all, 2).map(({ text }) => text),
    ['c', 'd'],
  )
  assert.deepEqual(
    ring.newest(text => text < 'd', 1).map(({ text }) => text),
    ['c'],
  )
})

test('a ring is within its bounds, and what it has is the newest of what it was given, in order', () => {
  const chunks = fc.array(fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '"'), maxLength: 20 }), { minLength: 1, maxLength: 5 }), {
    maxLength: 40,
  })
  fc.assert(
    fc.property(chunks, given => {
      const ring = new LogRing({ prefix: '', maxLines: 12, maxLength: 120 })
      for (const lines of given) ring.push(lines.map(line => `${line}\n`).join(''), lines.length)
      const flat = given.flat()
      const found = ring.newest(all, 1_000)
      assert.deepEqual(
        found.map(({ text }) => text),
        flat.slice(flat.length - found.length),
      )
      assert.deepEqual(
        found.map(({ key }) => Number(key)),
        found.map((_, at) => flat.length - found.length + at),
      )
      const newest = given.at(-1)?.length ?? 0
      assert.ok(found.length <= Math.max(12, newest))
      assert.ok(found.length >= newest)
    }),
  )
})

const line = (fields: object) => JSON.stringify({ level: 30, time: 1_000, process: 'worker 1', ...fields, msg: 'm' })

for (const [what, filter, fields, expected] of [
  ['a level below', { level: 40 }, {}, false],
  ['the level', { level: 30 }, {}, true],
  ['an earlier time', { level: 0, since: 1_001 }, {}, false],
  ['the time', { level: 0, since: 1_000 }, {}, true],
  ['the service', { level: 0, service: 'a"b' }, { service: 'a"b' }, true],
  ['the service in another field', { level: 0, service: 'a' }, { other: 'a', service: 'b' }, false],
  ['the service in a field within', { level: 0, service: 'a' }, { within: { service: 'a' }, service: 'b' }, false],
  ['the ref of the channel', { level: 0, channel: 'k/c' }, { channel: 'k/c' }, true],
  ['the name of the channel', { level: 0, channel: 'c/d' }, { channel: 'k/c/d' }, true],
  ['the end of the name of the channel', { level: 0, channel: 'd' }, { channel: 'k/c/d' }, false],
  ['the correlation id', { level: 0, cid: 'x' }, { cid: 'x' }, true],
  ['another correlation id', { level: 0, cid: 'x' }, { cid: 'xx' }, false],
  ['the process', { level: 0, process: 'worker 1' }, {}, true],
  ['one of two', { level: 0, cid: 'x', service: 'a' }, { cid: 'x', service: 'b' }, false],
] as const)
  test(`a filter ${expected ? 'lets through' : 'keeps back'} a line with ${what}`, () =>
    assert.equal(matcherOf(filter)(line(fields)), expected))

test('mergeLines() orders by time, and leaves the lines of one process in their order', () => {
  const at = (time: number, key: string) => ({ key, text: `{"level":30,"time":${time},"msg":"${key}"}` })
  const merged = mergeLines([
    [at(1, 'a1'), at(3, 'a2'), at(3, 'a3')],
    [at(2, 'b1'), at(3, 'b2')],
  ])
  assert.deepEqual(
    merged.map(({ key }) => key),
    ['a1', 'b1', 'a2', 'a3', 'b2'],
  )
})
