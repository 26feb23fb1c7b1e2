import assert from 'node:assert/strict'
import { test } from 'vitest'
import { didYouMean, nearest } from '../../schema/nearest.ts'

for (const [word, candidates, expected] of [
  ['pool_sise', ['pool_size', 'port'], 'pool_size'],
  ['bilings', ['billing', 'orders'], 'billing'],
  ['nmae', ['name', 'mode'], 'name'],
  ['GET', ['get', 'put'], 'get'],
  ['host', ['ghost', 'hosts', 'host_'], 'ghost'],
  ['orders', ['customers'], undefined],
  ['', ['a'], undefined],
  ['x'.repeat(101), ['x'.repeat(101)], undefined],
] as const)
  test(`nearest() of "${word.slice(0, 12)}" is ${expected}`, () => assert.equal(nearest(word, candidates), expected))

test('didYouMean() lists what is accepted where nothing is near', () => {
  assert.equal(didYouMean('zzz', ['one', 'two']), ': accepted are "one", "two"')
  assert(
    didYouMean(
      'zzz',
      Array.from({ length: 40 }, (_, index) => `field-${index}`),
    ).endsWith('and 10 more'),
  )
})
