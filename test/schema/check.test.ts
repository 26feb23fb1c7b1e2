import assert from 'node:assert/strict'
import { test } from 'vitest'
import { compileCheck } from '../../schema/check.ts'
import type { Json, JsonObject } from '../../schema/json.ts'

const messageOf = (field: JsonObject, value: Json, top: JsonObject = {}): string | undefined =>
  compileCheck({ type: 'object', properties: { f: field }, ...top }, 'gopher')({ f: value })[0]?.message

for (const [field, value, expected] of [
  [{ type: 'integer', minimum: 1 }, 0, 'is too small: accepted is at least 1'],
  [{ type: 'integer', maximum: 9 }, 10, 'is too large: accepted is at most 9'],
  [{ type: 'integer', minimum: 1, maximum: 86400, 'x-unit': 's' }, 0, 'is too small: accepted is 1 to 86400 s'],
  [{ type: 'number', exclusiveMinimum: 1 }, 1, 'is too small: accepted is more than 1'],
  [{ type: 'number', exclusiveMaximum: 1 }, 1, 'is too large: accepted is less than 1'],
  [{ type: 'integer', multipleOf: 5 }, 6, 'is none of the steps that are accepted: accepted are multiples of 5'],
  [{ type: 'string', minLength: 1 }, '', 'is too short: accepted are at least 1 characters'],
  [{ type: 'string', minLength: 1, maxLength: 2 }, 'abc', 'is too long: accepted are 1 to 2 characters'],
  [{ type: 'string', pattern: '^/', examples: ['/a'] }, 'a', 'does not have the form that is accepted: such as "/a"'],
  [{ type: 'string', pattern: '^/' }, 'a', 'does not have the form that is accepted: what fits ^/'],
  [{ type: 'array', minItems: 1 }, [], 'has too few items: accepted are at least 1'],
  [{ type: 'array', maxItems: 1 }, [1, 2], 'has too many items: accepted are at most 1'],
  [{ type: 'array', uniqueItems: true }, [1, 1], 'holds an item twice: accepted are different items; keep one of them'],
  [{ type: 'object', minProperties: 1 }, {}, 'has too few entries: accepted is at least 1'],
  [
    { type: 'object', minProperties: 1, maxProperties: 1, properties: { env: {}, files: {} } },
    { env: 1, files: 2 },
    'has too many entries: accepted is exactly 1 of "env", "files"',
  ],
  [{ type: 'string', not: { const: 'a' } }, 'a', 'does not have a form that is accepted; see the schema of the field'],
] as const)
  test(`compileCheck() says that ${JSON.stringify(value)} ${expected}`, () => {
    assert.equal(messageOf(field, value), `Cannot use the value of "f" as it ${expected}`)
  })

test('compileCheck() names the owner where the whole document does not fit', () => {
  assert.equal(messageOf({}, 1, { minProperties: 2 }), 'Cannot use gopher as it has too few entries: accepted is at least 2 of "f"')
})
