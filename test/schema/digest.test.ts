import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { canonicalJson, digestOf, keyedDigestOf, shortDigest } from '../../schema/digest.ts'
import { isObject, type Json } from '../../schema/json.ts'

function reversed(value: Json): Json {
  if (Array.isArray(value)) return value.map(reversed)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reversed(item)]),
  )
}

// fast-check's JSON values are ours
const json = fc.jsonValue() as fc.Arbitrary<Json>

test('digestOf() does not depend on the order of keys', () => {
  fc.assert(fc.property(json, value => assert.equal(digestOf(reversed(value)), digestOf(value))))
})

test('canonicalJson() is JSON of the same value', () => {
  fc.assert(fc.property(json, value => assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)))))
})

test('canonicalJson() tells different values apart', () => {
  fc.assert(
    fc.property(json, json, (one, other) => {
      assert.equal(canonicalJson(one) === canonicalJson(other), digestOf(one) === digestOf(other))
    }),
  )
  assert.notEqual(canonicalJson(['1']), canonicalJson([1]))
})

test('keyedDigestOf() differs by key', () => {
  const [one, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
  assert.notEqual(keyedDigestOf(one, 'x'), keyedDigestOf(other, 'x'))
  assert.equal(keyedDigestOf(one, { a: 1, b: 2 }), keyedDigestOf(one, { b: 2, a: 1 }))
  assert.match(shortDigest(digestOf(null)), /^#[0-9a-f]{8}$/)
})
