import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { canary, leaksIn } from './leaks.ts'

const secrets = [canary('one'), canary('two')]
const [one] = secrets
assert.ok(one)

for (const [what, encode] of [
  ['plain', text => text],
  ['JSON', text => JSON.stringify({ text })],
  ['JSON in JSON', text => JSON.stringify(JSON.stringify(text))],
  ['a URL', text => encodeURIComponent(text)],
  ['a query', text => new URLSearchParams({ text }).toString()],
  ['hex', text => Buffer.from(text).toString('hex')],
  ['HTML', text => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;')],
] as const satisfies readonly (readonly [string, (text: string) => string])[])
  test(`leaksIn() finds a secret as ${what}`, () => {
    assert.match(leaksIn(encode(`x${one.value}y`), secrets).join(), /^one \(/)
  })

test('leaksIn() finds a secret in base64 wherever it begins', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 10 }), fc.uint8Array({ maxLength: 10 }), (before, after) => {
      const bytes = Buffer.concat([before, Buffer.from(one.value), after])
      for (const encoding of ['base64', 'base64url'] as const)
        assert.deepEqual(leaksIn(bytes.toString(encoding), secrets), ['one (base64)'])
    }),
  )
})

test('leaksIn() finds nothing where there is none', () => {
  assert.deepEqual(leaksIn(JSON.stringify({ password: '***', digest: '#a1b2c3d4' }), secrets), [])
})
