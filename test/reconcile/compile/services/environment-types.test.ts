import assert from 'node:assert/strict'
import { afterAll, describe, test } from 'vitest'
import { createServiceCompiler } from '../../../../reconcile/compile/services/compiler.ts'
import { environmentTypes } from '../../../../reconcile/compile/services/environment-types.ts'
import { typeOfSchema } from '../../../../reconcile/compile/services/schema-type.ts'
import { builtinVocabulary } from '../../../../schema/vocabulary.ts'
import { memoryTree } from '../../../tree.ts'

const compiler = createServiceCompiler({ cacheDirectory: null })
const vocabulary = builtinVocabulary()
afterAll(() => compiler[Symbol.asyncDispose]())

const shared = `import { service } from 'plumb-server'
export interface Tree { name: string; kids: Tree[]; kind?: 'a' | 'b' }
export interface GetRequest { client_id: number }
/** Returns the client. */
export const get = service<GetRequest, Tree>({ name: 'client.get', handle: (r, ctx) => ctx.invoke('client.get', r) as Promise<Tree> })
`
const spot = `import { service } from 'plumb-server'
export const at = service<{ at: [number, number, string?] }, [string, ...number[]]>({ name: 'spot.at', handle: () => ['a', 1] })
`
const connections = [
  { method: 'sql', name: 'Ledger' },
  { method: 'sql', name: 'Billing' },
  { method: 'rest', name: 'CRM "x"' },
]

async function check(body: string, environment: 'declared' | 'none' = 'declared') {
  const tree = memoryTree({
    'services/get.ts': shared,
    'services/spot.ts': spot,
    'services/s.ts': `import { service } from 'plumb-server'\n${body}`,
  })
  const { services } = await compiler.compileServices(tree, 'services', vocabulary)
  const text = environmentTypes({ connections, services, methods: ['sql', 'rest', 'redis'] })
  const found = await compiler.checkTypes(tree, 'services', {
    environmentTypes: environment === 'none' ? null : text,
    librariesFolder: null,
  })
  return found.map(({ code, message, at }) => `${code} ${at?.path}:${at?.line}:${at?.column} ${/TS\d+/.exec(message)?.[0]}`)
}
const inHandle = (code: string) => `export const s = service({ name: 's', async handle(request, ctx) {\n${code}\n} })`

describe('a type check against an environment', () => {
  for (const [what, code, expected] of [
    [
      'takes declared connections with the client behind them',
      "const rows = await ctx.sql('Billing').query('select 1'); const answer = await ctx.rest('CRM \"x\"').get('/'); return [rows.rows, answer.status]",
      [],
    ],
    ['refuses a misspelt connection', "ctx.sql('Bilings')", ['TYPE_ERROR services/s.ts:3:9 TS2345']],
    ['refuses a connection of a method that has none', "ctx.redis('default')", ['TYPE_ERROR services/s.ts:3:11 TS2345']],
    [
      'takes a payload that fits and knows the answer',
      "const tree = await ctx.invoke('client.get', { client_id: 1 }); const kind: 'a' | 'b' | undefined = tree.kids[0]?.kids[0]?.kind; return kind",
      [],
    ],
    ['refuses a wrong payload', "await ctx.invoke('client.get', { id: 1 })", ['TYPE_ERROR services/s.ts:3:34 TS2353']],
    [
      'takes a tuple that fits and knows its elements',
      "const answer = await ctx.invoke('spot.at', { at: [1, 2] }); const first: string = answer[0]; return first + answer[1]?.toFixed()",
      [],
    ],
    ['refuses a tuple that does not', "await ctx.invoke('spot.at', { at: [1, 'x', 'y'] })", ['TYPE_ERROR services/s.ts:3:39 TS2322']],
    ['refuses a service that nobody declares', "await ctx.invoke('client.gte', {})", ['TYPE_ERROR services/s.ts:3:18 TS2345']],
    ['takes what node gives', "return Buffer.from('x').toString('hex') + process.version + (await fetch('http://x')).status", []],
    ['refuses a name that is not declared', 'return nothing', ['TYPE_ERROR services/s.ts:3:8 TS2304']],
  ] as const)
    test(what, async () => assert.deepEqual(await check(inHandle(code)), expected))

  test('takes any name where no environment is given', async () => {
    assert.deepEqual(await check(inHandle("ctx.sql('Bilings'); await ctx.invoke('client.gte', {})"), 'none'), [])
  })

  test('tells a syntax error as it is', async () => {
    assert.deepEqual(await check('export const = 1'), ['TYPE_ERROR services/s.ts:2:14 TS1134', 'TYPE_ERROR services/s.ts:2:16 TS1134'])
  })
})

test('environmentTypes() gives the same text for the same names in another order', async () => {
  const service = { name: 'b', description: null, input: null, output: null }
  const other = { ...service, name: 'a' }
  assert.equal(
    environmentTypes({ connections, services: [service, other] }),
    environmentTypes({ connections: [...connections].reverse(), services: [other, service] }),
  )
})

describe('typeOfSchema()', () => {
  for (const [schema, expected] of [
    [{}, 'unknown'],
    [{ type: 'integer' }, 'number'],
    [{ type: ['string', 'null'] }, 'string | null'],
    [{ enum: ['a', 1, null] }, '"a" | 1 | null'],
    [{ const: 'a' }, '"a"'],
    [{ type: 'array', items: { type: ['string', 'number'] } }, '(string | number)[]'],
    [
      { type: 'array', items: [{ type: 'string' }, { type: 'number' }], minItems: 1, additionalItems: { type: 'boolean' } },
      '[string, number?, ...boolean[]]',
    ],
    [
      { type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }], minItems: 1, items: { type: 'boolean' } },
      '[string, number?, ...boolean[]]',
    ],
    [{ type: 'array', prefixItems: [{ type: 'string' }, {}], minItems: 2, maxItems: 2 }, '[string, unknown]'],
    [{ type: 'object' }, 'Record<string, unknown>'],
    [{ type: 'object', additionalProperties: { type: 'number' } }, 'Record<string, number>'],
    [{ type: 'object', properties: { a: { type: 'string' }, 'b-c': {} }, required: ['a'] }, '{ "a": string; "b-c"?: unknown }'],
    [{ properties: { a: { type: 'string', description: 'It is */ closed' } } }, '{ /** It is * / closed */ "a"?: string }'],
    [{ anyOf: [{ type: 'string' }, { $ref: '#/definitions/A' }] }, 'string | T_A'],
    [{ allOf: [{ $ref: '#/definitions/A' }, { $ref: '#/$defs/B' }] }, 'T_A & T_B'],
    [{ not: {} }, 'never'],
  ] as const)
    test(`gives ${expected} for ${JSON.stringify(schema)}`, () =>
      assert.equal(
        typeOfSchema(schema, name => `T_${name}`),
        expected,
      ))
})
