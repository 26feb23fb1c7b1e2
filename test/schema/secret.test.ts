import assert from 'node:assert/strict'
import { format, inspect } from 'node:util'
import { test } from 'vitest'
import { Secret } from '../../schema/secret.ts'

const secret = new Secret('hunter2')

for (const [way, print] of [
  ['String()', () => String(secret)],
  ['a template', () => `Bearer ${secret}`],
  ['concatenation', () => 'Bearer '.concat(secret as unknown as string)], // the mistake the type system would catch
  ['its primitive value', () => String(Object(secret).valueOf())],
  ['a list joined', () => [secret].join()],
  ['JSON', () => JSON.stringify({ secret, list: [secret] })],
  ['inspect', () => inspect({ secret }, { showHidden: true, depth: 9, getters: true })],
  ['format', () => format('%s %o %j %O', secret, secret, secret, secret)],
  ['an error and its cause', () => inspect(new Error(`with ${secret}`, { cause: { secret } }))],
  ['an error with fields', () => inspect(Object.assign(new Error('x'), { secret }))],
  ['a structured clone', () => inspect(structuredClone({ secret }))],
  ['its entries', () => inspect([Object.entries(secret), Reflect.ownKeys(secret), { ...secret }])],
] as const)
  test(`a Secret does not print through ${way}`, () => assert(!print().includes('hunter2')))

test('reveal() hands out the value', () => assert.equal(secret.reveal(), 'hunter2'))
