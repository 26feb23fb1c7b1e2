// The schemas of this folder are compiled without a check against their draft, for the time it takes; that check is made here.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { test } from 'vitest'
import { keywords } from '../../schema/kind.ts'
import { builtinSchemas } from '../../schema/vocabulary.ts'

const ajv = new Ajv2020()
ajv.addVocabulary(Object.keys(keywords))
const read = (name: string) => JSON.parse(readFileSync(new URL(`../../schema/${name}.json`, import.meta.url), 'utf8'))

test('a schema with a misspelt type is not valid by its draft', () => {
  assert.equal(ajv.validateSchema({ type: 'sting' }), false)
})

for (const schema of [...builtinSchemas(), read('environment'), read('server'), read('test-case')])
  test(`the schema of ${schema.title ?? schema.$id} is valid by its draft`, () => {
    assert(ajv.validateSchema(schema), ajv.errorsText())
  })
