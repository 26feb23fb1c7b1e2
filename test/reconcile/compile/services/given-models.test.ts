import assert from 'node:assert/strict'
import { afterAll, test } from 'vitest'
import { createServiceCompiler } from '../../../../reconcile/compile/services/compiler.ts'
import type { ServiceFact } from '../../../../reconcile/compile/services/facts.ts'
import { judgeGivenModels } from '../../../../reconcile/compile/services/given-models.ts'
import { ResultCache } from '../../../../reconcile/compile/services/result-cache.ts'
import { TypeScript } from '../../../../reconcile/compile/services/typescript.ts'
import { builtinVocabulary } from '../../../../schema/vocabulary.ts'
import { memoryTree } from '../../../tree.ts'

const compiler = createServiceCompiler({ cacheDirectory: null })
const vocabulary = builtinVocabulary()
afterAll(() => compiler[Symbol.asyncDispose]())

async function compile(input: string, output = '{}') {
  const code = `import { service } from 'plumb-server'
export const s = service({
  name: 's',
  input: ${input},
  output: ${output},
  handle: () => 1,
})`
  const { issues } = await compiler.compileServices(memoryTree({ 'services/s.ts': code }), 'services', vocabulary)
  return issues.map(({ code, at, message }) => ({ found: `${code}:${at?.line}`, message }))
}

for (const [what, input, output, expected] of [
  ['schemas that are none', "{ type: 'object', required: 'a' }", "{ type: 'strng' }", ['MODEL_INVALID:4', 'MODEL_INVALID:5']],
  ['a schema that turns the check off', "{ $async: true, type: 'string' }", '{}', ['MODEL_INVALID:4']],
  ['schemas that contain themselves', "{ properties: { a: { $ref: '#' } } }", "{ items: { $ref: '#' } }", []],
  ['a schema that leads nowhere but to itself', '{}', "{ $ref: '#' }", ['MODEL_INVALID:5']],
] as const)
  test(`of ${what} it finds ${expected.join(', ') || 'nothing'}, the first time and from the cache`, async () => {
    for (let turn = 0; turn < 2; turn++)
      assert.deepEqual(
        (await compile(input, output)).map(({ found }) => found),
        expected,
      )
  })

test('the message says which model it is and what is wrong with it', async () => {
  const [issue] = await compile("{ type: 'object', required: 'a' }")
  assert.match(
    issue?.message ?? '',
    /^Cannot take the schema of "s" as its input model as it is not valid: the schema\/required must be array; /,
  )
})

test('a schema that takes longer than the deadline is an issue at its place, and is asked for again', async () => {
  await using cache = new ResultCache(null, 'test')
  await using slow = new TypeScript(1)
  await using fast = new TypeScript(30_000)
  const schema = { type: 'string' }
  const fact = {
    name: 's',
    exportName: 's',
    description: null,
    line: 1,
    column: 1,
    input: { kind: 'schema', schema, line: 3, column: 5 },
  } as const
  const services: { path: string; fact: ServiceFact }[] = [{ path: 'services/s.ts', fact: { ...fact, output: { kind: 'none' } } }]
  const readTexts = async () => ({})
  const flaws = await judgeGivenModels(services, { cache, typescript: slow, readTexts })
  assert.deepEqual(
    flaws.map(({ code, path, line, column }) => [code, path, line, column]),
    [['MODEL_INVALID', 'services/s.ts', 3, 5]],
  )
  assert.match(flaws[0]?.message ?? '', /as it takes too long to compile; /)
  assert.deepEqual(await judgeGivenModels(services, { cache, typescript: fast, readTexts }), [])
})
