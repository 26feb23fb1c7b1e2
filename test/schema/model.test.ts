import assert from 'node:assert/strict'
import { test } from 'vitest'
import type { JsonObject } from '../../schema/json.ts'
import { compileModel, ModelError, modelProblem, topLevelTypes } from '../../schema/model.ts'

const order: JsonObject = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  $ref: '#/definitions/Order',
  definitions: {
    Order: {
      type: 'object',
      additionalProperties: false,
      required: ['id'],
      properties: {
        id: { type: 'integer', minimum: 1 },
        note: { anyOf: [{ type: 'string' }, { type: 'null' }] },
        state: { enum: ['open', 'closed'] },
        at: { type: 'string', format: 'date-time' },
        pair: { type: 'array', items: [{ type: 'string' }, { type: 'integer' }], minItems: 2 },
        parent: { anyOf: [{ $ref: '#/definitions/Order' }, { type: 'null' }] },
      },
    },
  },
}
const model = compileModel(order)

test('check() of payloads that fit is one shared empty array', () => {
  assert.deepEqual(model.check({ id: 1 }), [])
  assert.equal(model.check({ id: 1 }), model.check({ id: 2, note: null, state: 'open', pair: ['a', 1] }))
})

for (const [what, value, expected] of [
  ['a missing field', {}, [['/id', 'Is required']]],
  ['another type', { id: '1' }, [['/id', 'Must be an integer']]],
  ['a number that is too small', { id: 0 }, [['/id', 'Must be at least 1']]],
  ['an unknown field', { id: 1, a: 1 }, [['/a', 'Is not a known field']]],
  ['a value that is not in the list', { id: 1, state: 'x' }, [['/state', 'Must be one of "open", "closed"']]],
  ['neither of two types', { id: 1, note: 1 }, [['/note', 'Must be a string or null']]],
  ['a fault in the one branch that was meant', { id: 1, parent: { id: 0 } }, [['/parent/id', 'Must be at least 1']]],
  ['a bad date', { id: 1, at: 'x' }, [['/at', 'Must be a valid date-time']]],
  ['a fault in a tuple of draft-07', { id: 1, pair: ['a', 'b'] }, [['/pair/1', 'Must be an integer']]],
  ['no object at all', 'text', [['', 'Must be an object']]],
  [
    'two faults',
    { id: 0, state: 1 },
    [
      ['/id', 'Must be at least 1'],
      ['/state', 'Must be one of "open", "closed"'],
    ],
  ],
] as const)
  test(`check() of ${what}`, () => {
    assert.deepEqual(
      model.check(value).map(({ pointer, message }) => [pointer, message]),
      expected,
    )
  })

test('check() converts nothing, fills in nothing, and repeats no value', () => {
  const payload = Object.freeze({ id: 'hunter2', state: 'hunter2', at: 'hunter2' })
  assert(!JSON.stringify(model.check(payload)).includes('hunter2'))
  const defaults = compileModel({ type: 'object', properties: { a: { type: 'integer', default: 1 } } })
  const value = {}
  defaults.check(value)
  assert.deepEqual(value, {})
})

test('check() tells at most 20 problems, one of a huge payload, and survives one nested without end', () => {
  const list = compileModel({ type: 'array', items: { type: 'string' } })
  assert.equal(list.check(Array(100).fill(1)).length, 20)
  assert.equal(list.check(Array(100_000).fill(1)).length, 1)
  let nested: object = { id: 1 }
  for (let level = 0; level < 100_000; level++) nested = { id: 1, parent: nested }
  assert.equal(model.check(nested).length, 1)
  assert.deepEqual(model.check({ id: 1 }), [])
})

for (const [what, schema] of [
  ['a reference to another place', { $ref: 'https://schemas.example.com/a.json' }],
  ['a reference to nothing', { $ref: '#/definitions/Missing' }],
  ['an unknown type', { type: 'strin' }],
  ['a pattern that is none', { type: 'string', pattern: '(' }],
  ['a check that answers with a promise', { $async: true, type: 'string' }],
  ['the same within', { type: 'object', properties: { a: { $async: true, type: 'string' } } }],
  ['the same in a definition', { $ref: '#/$defs/A', $defs: { A: { $async: true, type: 'string' } } }],
  ['too many parts', { enum: Array(60_000).fill(1) }],
] as [string, JsonObject][])
  test(`compileModel() refuses ${what}, and modelProblem() says so before`, () => {
    assert.throws(() => compileModel(schema), ModelError)
    assert.equal(typeof modelProblem(schema), 'string')
  })

for (const [what, schema, problem] of [
  ['a keyword of the wrong type', { type: 'object', required: 'id' }, /not valid: the schema\/required must be array/],
  [
    'the same in draft-07',
    { $schema: 'http://json-schema.org/draft-07/schema#', minimum: '1' },
    /not valid: the schema\/minimum must be number/,
  ],
  ['a reference that leads to itself', { $ref: '#' }, /refers to itself without end/],
  [
    'references that lead to each other',
    { type: 'object', allOf: [{ $ref: '#/$defs/A' }], $defs: { A: { $ref: '#/$defs/B' }, B: { anyOf: [{ $ref: '#/$defs/A' }] } } },
    /refers to itself without end/,
  ],
  ['what only draft-07 allows', { items: [{ type: 'string' }] }, /not valid: the schema\/items/],
] as [string, JsonObject, RegExp][])
  test(`modelProblem() finds ${what}`, () => assert.match(modelProblem(schema) ?? 'nothing', problem))

test('modelProblem() finds nothing in schemas that are valid, of either draft', () => {
  assert.equal(modelProblem({ type: 'array', prefixItems: [{ type: 'string' }] }), null)
  assert.equal(modelProblem({ $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'string', format: 'date' }] }), null)
})

for (const [what, schema] of [
  ['the root', { type: 'object', properties: { id: { type: 'integer' }, parent: { $ref: '#' } } }],
  [
    'the root, from a definition',
    {
      type: 'object',
      properties: { id: { type: 'integer' }, parent: { $ref: '#/$defs/Parent' } },
      $defs: { Parent: { anyOf: [{ type: 'null' }, { $ref: '#' }] } },
    },
  ],
  [
    'the root by its own address',
    {
      $id: 'https://a.example/order',
      type: 'object',
      properties: { id: { type: 'integer' }, parent: { $ref: 'https://a.example/order' } },
    },
  ],
  [
    'an anchor',
    {
      $ref: '#order',
      $defs: { Order: { $anchor: 'order', type: 'object', properties: { id: { type: 'integer' }, parent: { $ref: '#order' } } } },
    },
  ],
  [
    'the root of draft-07',
    {
      $schema: 'http://json-schema.org/draft-07/schema#',
      type: 'object',
      properties: { id: { type: 'integer' }, parent: { $ref: '#' } },
    },
  ],
] as [string, JsonObject][])
  test(`compileModel() follows a reference to ${what}`, () => {
    assert.equal(modelProblem(schema), null)
    const { check } = compileModel(schema)
    assert.deepEqual(check({ id: 1, parent: { id: 2, parent: { id: 3 } } }), [])
    assert.deepEqual(check({ id: 1, parent: { id: 2, parent: { id: 'x' } } }), [
      { pointer: '/parent/parent/id', message: 'Must be an integer' },
    ])
  })

test('compileModel() makes no more code than the schema has parts, however often it refers to one of them', () => {
  const many = (count: number, schemaOf: (index: number) => JsonObject) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, schemaOf(index)]))
  const schema: JsonObject = {
    type: 'object',
    properties: many(300, () => ({ $ref: '#/$defs/Large' })),
    $defs: { Large: { type: 'object', properties: many(300, index => ({ enum: [`a${index}`, `b${index}`] })) } },
  }
  const before = process.memoryUsage().heapUsed
  const model = compileModel(schema)
  assert(process.memoryUsage().heapUsed - before < 100 * 1024 ** 2)
  assert.equal(model.check({ p7: { p3: 'b3' } }).length, 0)
  assert.equal(model.check({ p7: { p3: 'b4' } }).length, 1)
})

test('compileModel() takes draft 2020-12 where nothing else is said, and the same $id twice', () => {
  const tuple = { $id: 'https://json-schema.org/draft/2020-12/schema', type: 'array', prefixItems: [{ type: 'string' }] }
  assert.equal(compileModel(tuple).check([1]).length, 1)
  assert.equal(compileModel({ ...tuple }).check(['a']).length, 0)
})

test('compileModel() does not read $data, which would let a payload choose its own rules', () => {
  const schema = { type: 'object', properties: { a: { type: 'integer' }, b: { const: { $data: '1/a' } } } }
  assert.equal(compileModel(schema).check({ a: 1, b: 1 }).length, 1)
})

test('topLevelTypes() names the types of fields, through references and unions with null', () => {
  assert.deepEqual(topLevelTypes(order), { id: 'integer', note: 'string', state: 'string', at: 'string', pair: 'array', parent: 'object' })
  assert.deepEqual(
    topLevelTypes({ allOf: [{ properties: { a: { type: ['null', 'boolean'] } } }], properties: { b: { const: 1 }, c: {} } }),
    {
      a: 'boolean',
      b: 'number',
    },
  )
  assert.deepEqual(topLevelTypes({ $ref: '#' }), {})
  const endless = { anyOf: [{ $ref: '#/$defs/A' }, { $ref: '#/$defs/A' }] }
  assert.deepEqual(topLevelTypes({ properties: { a: { $ref: '#/$defs/A' } }, $defs: { A: endless } }), {})
})
