// The conformance table of models: which TypeScript gives which JSON Schema. docs/decisions/models.md says why.

import assert from 'node:assert/strict'
import { afterAll, describe, test } from 'vitest'
import { createServiceCompiler } from '../../../../reconcile/compile/services/compiler.ts'
import type { Json, JsonObject } from '../../../../schema/json.ts'
import { compileModel, modelProblem } from '../../../../schema/model.ts'
import { builtinVocabulary } from '../../../../schema/vocabulary.ts'
import { memoryTree } from '../../../tree.ts'

const compiler = createServiceCompiler({ cacheDirectory: null })
const vocabulary = builtinVocabulary()
afterAll(() => compiler[Symbol.asyncDispose]())

/** Compiles one service whose request is the type `R` of these declarations. */
async function inputOf(declarations: string, others: Record<string, string> = {}, type = 'R') {
  const code = `import { service } from 'plumb-server'\n${declarations}\nexport const s = service<${type}, unknown>({ name: 's', handle: () => null })\n`
  const { services, issues } = await compiler.compileServices(memoryTree({ 'services/s.ts': code, ...others }), 'services', vocabulary)
  return { schema: services[0]?.input, issues }
}

const object = (properties: object, required = Object.keys(properties)) => ({
  type: 'object',
  properties,
  ...(required.length > 0 ? { required } : {}),
})

describe('a type and its schema', () => {
  for (const [what, declarations, expected] of [
    [
      'an interface',
      'interface R { a: string; b: number; c: boolean; d: null }',
      object({ a: { type: 'string' }, b: { type: 'number' }, c: { type: 'boolean' }, d: { type: 'null' } }),
    ],
    ['an alias of a literal type', 'type R = { a: string }', object({ a: { type: 'string' } })],
    ['an optional field', 'interface R { a?: string }', object({ a: { type: 'string' } }, [])],
    ['a nullable field', 'interface R { a: string | null }', object({ a: { type: ['string', 'null'] } })],
    [
      'a list',
      'interface R { a: string[]; b: readonly number[]; c: Array<boolean> }',
      object({
        a: { type: 'array', items: { type: 'string' } },
        b: { type: 'array', items: { type: 'number' } },
        c: { type: 'array', items: { type: 'boolean' } },
      }),
    ],
    [
      'a tuple',
      'interface R { a: [string, number] }',
      object({ a: { type: 'array', minItems: 2, maxItems: 2, prefixItems: [{ type: 'string' }, { type: 'number' }] } }),
    ],
    [
      'a tuple with an optional element',
      'interface R { a: [string, number?] }',
      object({ a: { type: 'array', minItems: 1, maxItems: 2, prefixItems: [{ type: 'string' }, { type: 'number' }] } }),
    ],
    [
      'a tuple with a rest, and a field named as its keywords are',
      'interface R { items: [string, ...number[]]; additionalItems: string }',
      object({
        items: { type: 'array', minItems: 1, prefixItems: [{ type: 'string' }], items: { type: 'number' } },
        additionalItems: { type: 'string' },
      }),
    ],
    [
      'a tuple in a tuple, with names',
      'interface R { a: readonly [x: string, y: [boolean, null]] }',
      object({
        a: {
          type: 'array',
          minItems: 2,
          maxItems: 2,
          prefixItems: [
            { type: 'string', title: 'x' },
            { type: 'array', minItems: 2, maxItems: 2, prefixItems: [{ type: 'boolean' }, { type: 'null' }], title: 'y' },
          ],
        },
      }),
    ],
    [
      'a tuple of one type',
      'interface R { a: [string, string?] }',
      object({ a: { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 2 } }),
    ],
    ['an empty tuple', 'interface R { a: [] }', object({ a: { type: 'array', minItems: 0, maxItems: 0 } })],
    [
      'a tuple that contains itself',
      'export type T = [string, T?]\ninterface R { a: T }',
      {
        ...object({ a: { $ref: '#/definitions/T' } }),
        definitions: { T: { type: 'array', minItems: 1, maxItems: 2, prefixItems: [{ type: 'string' }, { $ref: '#/definitions/T' }] } },
      },
    ],
    [
      'literals',
      "interface R { a: 'x' | 'y'; b: 1; c: true }",
      object({ a: { type: 'string', enum: ['x', 'y'] }, b: { type: 'number', const: 1 }, c: { type: 'boolean', const: true } }),
    ],
    ['an enum', "enum E { A = 'a', B = 'b' }\ninterface R { a: E }", object({ a: { type: 'string', enum: ['a', 'b'] } })],
    [
      'values of a constant',
      "const all = ['x', 'y'] as const\ninterface R { a: (typeof all)[number] }",
      object({ a: { type: 'string', enum: ['x', 'y'] } }),
    ],
    [
      'a union of objects',
      "type R = { kind: 'a'; x: number } | { kind: 'b' }",
      {
        anyOf: [object({ kind: { type: 'string', const: 'a' }, x: { type: 'number' } }), object({ kind: { type: 'string', const: 'b' } })],
      },
    ],
    ['a nested private interface', 'interface I { x: number }\ninterface R { a: I }', object({ a: object({ x: { type: 'number' } }) })],
    [
      'a nested exported interface',
      'export interface I { x: number }\ninterface R { a: I }',
      { ...object({ a: { $ref: '#/definitions/I' } }), definitions: { I: object({ x: { type: 'number' } }) } },
    ],
    [
      'an interface that extends',
      'interface I { x: number }\ninterface R extends I { y: string }',
      object({ x: { type: 'number' }, y: { type: 'string' } }),
    ],
    ['an intersection', 'type R = { x: number } & { y: string }', object({ x: { type: 'number' }, y: { type: 'string' } })],
    ['a record', 'interface R { a: Record<string, number> }', object({ a: { type: 'object', additionalProperties: { type: 'number' } } })],
    ['an index signature', 'interface R { [key: string]: number }', { type: 'object', additionalProperties: { type: 'number' } }],
    ['a Date', 'interface R { a: Date }', object({ a: { type: 'string', format: 'date-time' } })],
    ['Partial', 'interface I { x: number; y: number }\ntype R = Partial<I>', object({ x: { type: 'number' }, y: { type: 'number' } }, [])],
    ['Required', 'interface I { x?: number }\ntype R = Required<I>', object({ x: { type: 'number' } })],
    ['Pick', 'interface I { x: number; y: number }\ntype R = Pick<I, "x">', object({ x: { type: 'number' } })],
    ['Omit', 'interface I { x: number; y: number }\ntype R = Omit<I, "x">', object({ y: { type: 'number' } })],
    ['Exclude', "type R = { a: Exclude<'x' | 'y', 'x'> }", object({ a: { type: 'string', const: 'y' } })],
    [
      'a generic',
      'interface Page<T> { items: T[] }\ntype R = Page<{ x: number }>',
      object({ items: { type: 'array', items: object({ x: { type: 'number' } }) } }),
    ],
    ['a template of literals', "interface R { a: `${'x' | 'y'}-id` }", object({ a: { type: 'string', enum: ['x-id', 'y-id'] } })],
    [
      'a list of itself',
      'type Json = string | Json[]\ninterface R { a: Json }',
      {
        ...object({ a: { anyOf: [{ type: 'string' }, { type: 'array', items: { $ref: '#/definitions/Type' } }] } }),
        definitions: { Type: { anyOf: [{ type: 'string' }, { type: 'array', items: { $ref: '#/definitions/Type' } }] } },
      },
    ],
    ['NonNullable', 'interface R { a: NonNullable<string | null> }', object({ a: { type: 'string' } })],
    [
      'ReturnType',
      'interface R { a: ReturnType<typeof f> }\nfunction f() { return { x: 1 } }',
      object({ a: object({ x: { type: 'number' } }) }),
    ],
    ['Awaited', 'interface R { a: Awaited<Promise<string>> }', object({ a: { type: 'string' } })],
    [
      'a generic of a private type',
      'interface I { x: number }\nexport interface Page<T> { items: T[] }\ninterface R { a: Page<I> }',
      {
        ...object({ a: { $ref: '#/definitions/Page_Type' } }),
        definitions: { Page_Type: object({ items: { type: 'array', items: object({ x: { type: 'number' } }) } }) },
      },
    ],
    [
      'a type that contains itself',
      'export interface Node { next?: Node }\ninterface R { a: Node }',
      { ...object({ a: { $ref: '#/definitions/Node' } }), definitions: { Node: object({ next: { $ref: '#/definitions/Node' } }, []) } },
    ],
    ['unknown inside', 'interface R { a: unknown }', object({ a: {} })],
    ['a class without methods', 'class R { a!: string; constructor() {} }', object({ a: { type: 'string' } })],
  ] as const)
    test(`${what}`, async () => {
      const { schema, issues } = await inputOf(declarations)
      assert.deepEqual({ schema, issues }, { schema: expected, issues: [] })
      assert.equal(modelProblem(schema ?? {}), null)
      assert(compileModel(schema ?? {}).check('no object').length > 0)
    })

  for (const [type, fits, fitsNot] of [
    ['string | null', ['a', null], [1]],
    ['[string, number]', [['a', 1]], [['a'], [1, 'a'], ['a', 1, 1]]],
    ['[string, number?]', [['a'], ['a', 1]], [[], ['a', 'b'], ['a', 1, 1]]],
    ['[string, ...number[]]', [['a'], ['a', 1, 2]], [[], ['a', 1, 'b'], ['a', 'b']]],
    ['[string, string?]', [['a'], ['a', 'b']], [[], ['a', 1], ['a', 'b', 'c']]],
    ['[string, [boolean, null]]', [['a', [true, null]]], [['a', [null, true]]]],
    ['[]', [[]], [['a']]],
    ['Parameters<(x: string, y?: number) => void>', [['a'], ['a', 1]], [[], ['a', 'b'], ['a', 1, 1]]],
  ] as [string, Json[], Json[]][])
    test(`of ${type} serves as a model`, async () => {
      const { schema } = await inputOf('', {}, `{ a: ${type} }`)
      const { check } = compileModel(schema as JsonObject) // the type has one
      for (const a of fits) assert.deepEqual({ a, problems: check({ a }) }, { a, problems: [] })
      for (const a of fitsNot) assert.deepEqual({ a, found: check({ a }).length > 0 }, { a, found: true })
    })

  test('an imported type, through a re-export, from a file that is only types', async () => {
    const { schema, issues } = await inputOf("import type { R } from './types/index.js'", {
      'services/types/index.ts': "export type { R } from './r.ts'",
      'services/types/r.ts': 'export interface R { a: string }',
    })
    assert.deepEqual({ schema, issues }, { schema: object({ a: { type: 'string' } }), issues: [] })
  })

  test('two types of one name from two files', async () => {
    const { schema, issues } = await inputOf(
      "import type { A } from './a.ts'\nimport type { A as B } from './b.ts'\ninterface R { a: A; b: B }",
      {
        'services/a.ts': 'export interface A { x: string }',
        'services/b.ts': 'export interface A { y: string }',
      },
    )
    assert.deepEqual(
      { schema, issues },
      { schema: object({ a: object({ x: { type: 'string' } }), b: object({ y: { type: 'string' } }) }), issues: [] },
    )
  })

  test('the same schema, whatever stands above it in the file', async () => {
    const types = 'interface Tree { kids: Tree[] }\nexport interface Page<T> { items: T[] }\ninterface R { a: Tree; b: Page<{ x: Tree }> }'
    assert.deepEqual((await inputOf(types)).schema, (await inputOf(`// A comment.\n\n${types}`)).schema)
  })

  test('a type that stands in the type arguments themselves', async () => {
    assert.deepEqual((await inputOf('', {}, '{ a: string }')).schema, object({ a: { type: 'string' } }))
  })

  test('no model where the type says nothing', async () => {
    assert.deepEqual(await inputOf('', {}, 'unknown'), { schema: null, issues: [] })
  })
})

describe('constraints in JSDoc', () => {
  for (const [tag, type, expected] of [
    ['@minimum 1', 'number', { type: 'number', minimum: 1 }],
    ['@exclusiveMaximum 9', 'number', { type: 'number', exclusiveMaximum: 9 }],
    ['@multipleOf 5', 'number', { type: 'number', multipleOf: 5 }],
    ['@asType integer', 'number', { type: 'integer' }],
    ['@minLength 2', 'string', { type: 'string', minLength: 2 }],
    ['@maxLength 3', 'string', { type: 'string', maxLength: 3 }],
    ['@pattern ^[a-z]+$', 'string', { type: 'string', pattern: '^[a-z]+$' }],
    ['@format email', 'string', { type: 'string', format: 'email' }],
    ['@minItems 1', 'string[]', { type: 'array', items: { type: 'string' }, minItems: 1 }],
    ['@uniqueItems true', 'string[]', { type: 'array', items: { type: 'string' }, uniqueItems: true }],
    ['@default 5', 'number', { type: 'number', default: 5 }],
    ['What it is', 'string', { type: 'string', description: 'What it is' }],
    ['@deprecated', 'string', { type: 'string', deprecated: true }],
    ['@deprecated use b', 'string', { type: 'string', deprecated: true }],
    ['@examples ["a"]', 'string', { type: 'string', examples: ['a'] }],
    ['@examples a', 'string', { type: 'string', examples: ['a'] }],
  ] as const)
    test(`${tag}`, async () => {
      const { schema, issues } = await inputOf(`interface R {\n  /** ${tag} */\n  a: ${type}\n}`)
      assert.deepEqual({ schema, issues }, { schema: object({ a: expected }), issues: [] })
      assert.equal(modelProblem(schema ?? {}), null)
    })

  for (const [tag, type, why] of [
    ['@multipleOf 0', 'number', /the tags of "a" make no JSON Schema that can serve: .*multipleOf must be > 0; correct them/],
    ['@minimum abc', 'number', /minimum must be number/],
    ['@minLength -1', 'string', /minLength must be >= 0/],
    ['@pattern [', 'string', /Invalid regular expression/],
    ['@asType strng', 'string', /type must be equal to one of the allowed values/],
  ] as const)
    test(`${tag} is an issue at its field, the first time and from the cache`, async () => {
      for (let turn = 0; turn < 2; turn++) {
        const { schema, issues } = await inputOf(`interface R {\n  b: string\n  /** ${tag} */\n  a: ${type}\n}`)
        assert.equal(schema, null)
        assert.deepEqual(
          issues.map(({ code, severity, at }) => [code, severity, at?.path, at?.line, at?.column]),
          [['MODEL_TYPE', 'error', 'services/s.ts', 5, 3]],
        )
        assert.match(issues[0]?.message ?? '', why)
      }
    })

  test('a wrong tag of a named type is an issue there, once', async () => {
    const { issues } = await inputOf("import type { N } from './n.ts'\ninterface R { a: N; b: N[] }", {
      'services/n.ts': '/** @minimum x */\nexport type N = number',
    })
    assert.deepEqual(
      issues.map(({ code, at }) => [code, at?.path, at?.line]),
      [['MODEL_TYPE', 'services/n.ts', 2]],
    )
  })
})

describe('what has no JSON form', () => {
  for (const [what, declarations, line] of [
    ['a function', 'interface R {\n  a: () => void\n}', 3],
    ['a method', 'interface R {\n  a(): void\n}', 3],
    ['a class with methods', 'class R {\n  a = 1\n  b() {}\n}', 4],
    ['a symbol', 'interface R {\n  a: symbol\n}', 3],
    ['a bigint', 'interface R {\n  a: bigint\n}', 3],
    ['a Map', 'interface R {\n  a: Map<string, string>\n}', 3],
    ['a name that is not declared', 'interface R {\n  a: Missing\n}', 3],
    ['a tuple with more behind its rest', 'interface R {\n  a: [string, ...number[], boolean]\n}', 3],
    ['a tuple that spreads another', 'type P = [string, number]\ninterface R {\n  a: [boolean, ...P]\n}', 4],
    ['a type of a library', "import type { Pool } from 'pg'\ninterface R {\n  a: Pool\n}", 4],
  ] as const)
    test(`${what} is an issue at its place`, async () => {
      const { schema, issues } = await inputOf(declarations)
      assert.equal(schema, null)
      assert.deepEqual(
        issues.map(({ code, severity, at }) => [code, severity, at?.path, at?.line]),
        [['MODEL_TYPE', 'error', 'services/s.ts', line]],
      )
    })

  test('any is a warning and accepts everything', async () => {
    const { schema, issues } = await inputOf('interface R {\n  a: any\n}')
    assert.deepEqual(schema, object({ a: {} }))
    assert.deepEqual(
      issues.map(({ code, severity, at }) => [code, severity, at?.line, at?.column]),
      [['MODEL_TYPE', 'warning', 3, 6]],
    )
  })

  test('a comment that TypeScript does not see is a warning', async () => {
    const { issues } = await inputOf('interface R { /** @minimum 1 */ a: number }')
    assert.deepEqual(
      issues.map(({ code, severity, at }) => [code, severity, at?.line]),
      [['MODEL_TYPE', 'warning', 2]],
    )
  })

  test('a fault in a shared type is told once, where it is', async () => {
    const { issues } = await inputOf("import type { R } from './r.ts'\nexport const t = service<R, R>({ name: 't', handle: r => r })", {
      'services/r.ts': 'export interface R {\n  a: symbol\n}',
    })
    assert.deepEqual(
      issues.map(({ code, at }) => [code, at?.path, at?.line]),
      [['MODEL_TYPE', 'services/r.ts', 2]],
    )
  })
})

describe('where a model comes from', () => {
  const compile = async (code: string) => {
    const { services, issues } = await compiler.compileServices(
      memoryTree({ 'services/s.ts': `import { service } from 'plumb-server'\n${code}` }),
      'services',
      vocabulary,
    )
    return { input: services[0]?.input, output: services[0]?.output, codes: issues.map(({ code, at }) => `${code}:${at?.line}`) }
  }
  const a = object({ a: { type: 'string' } })

  for (const [what, code] of [
    ['a method', 'handle(request: { a: string }, ctx): { a: string } { return request }'],
    ['an async arrow function', 'handle: async (request: { a: string }): Promise<{ a: string }> => request'],
    ['a function of the file', 'handle'],
  ] as const)
    test(`without type arguments, the annotations of ${what}`, async () => {
      const helper = 'async function handle(request: { a: string }): Promise<{ a: string }> { return request }\n'
      assert.deepEqual(await compile(`${helper}export const s = service({ name: 's', ${code} })`), { input: a, output: a, codes: [] })
    })

  test('a literal JSON Schema comes before the type', async () => {
    const code =
      "const id = { type: 'integer', minimum: -1 } as const\nexport const s = service<{ a: string }, void>({ name: 's', input: { type: 'object', properties: { id } }, handle() {} })"
    assert.deepEqual(await compile(code), {
      input: { type: 'object', properties: { id: { type: 'integer', minimum: -1 } } },
      output: null,
      codes: [],
    })
  })

  test('a schema of a library is refused', async () => {
    assert.deepEqual(
      (await compile("declare const z: any\nexport const s = service({ name: 's', input: z.object({}), handle: () => 1 })")).codes,
      ['MODEL_NOT_SERVED:3'],
    )
  })
})
