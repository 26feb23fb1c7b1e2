import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { filledSpec } from '../../../engine/generation/filled-spec.ts'
import { atPointer, type Json, type JsonObject, pointerOf } from '../../../schema/json.ts'
import { Secret } from '../../../schema/secret.ts'

const secretsAt = (places: Record<string, string>) =>
  new Map(Object.entries(places).map(([pointer, value]) => [pointer, new Secret(value)]))

test('filledSpec() puts each secret where its expression stands, and shares the rest', () => {
  const spec = { host: 'h', username: '${{ secrets.user }}', headers: [{ key: 'a', value: 'x ${{ secrets.a }}' }], ssl: { verify: true } }
  const filled = filledSpec(spec, secretsAt({ '/username': 'partner', '/headers/0/value': 'x y' }))
  assert.deepEqual(filled, { host: 'h', username: 'partner', headers: [{ key: 'a', value: 'x y' }], ssl: { verify: true } })
  assert.strictEqual(filled.ssl, spec.ssl)
  assert.equal(spec.username, '${{ secrets.user }}')
})

test('filledSpec() leaves out a place that the spec does not have', () => {
  const spec = { host: 'h' }
  assert.deepEqual(filledSpec(spec, secretsAt({ '/password': 'x', '/host/deep': 'x', '/__proto__/polluted': 'x' })), spec)
})

test('filledSpec() changes the places it is given and no other', () => {
  const spec = fc.dictionary(fc.constantFrom('a', 'b/c', 'd~'), fc.jsonValue({ maxDepth: 3 }))
  fc.assert(
    fc.property(spec, fc.string(), (drawn, value) => {
      const before = JSON.parse(JSON.stringify(drawn)) as JsonObject // -0 does not survive JSON
      for (const [pointer, leaf] of leavesOf(before)) {
        const after = filledSpec(before, secretsAt({ [pointer]: value }))
        assert.equal(atPointer(after, pointer), value)
        assert.deepEqual(filledSpec(after, new Map()), after)
        if (typeof leaf === 'string') assert.deepEqual(filledSpec(after, secretsAt({ [pointer]: leaf })), before)
      }
    }),
  )
})

function leavesOf(value: Json, path: readonly (string | number)[] = []): [pointer: string, leaf: Json][] {
  if (typeof value !== 'object' || value === null) return [[pointerOf(path), value]]
  return Object.entries(value).flatMap(([step, item]) => leavesOf(item, [...path, step]))
}
