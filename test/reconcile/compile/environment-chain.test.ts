import assert from 'node:assert/strict'
import { afterAll, test } from 'vitest'
import { DocumentCache } from '../../../reconcile/compile/document-cache.ts'
import { compileFiles, devEstate, environmentYaml, placesOf, resourceOf } from './estate.ts'

const documents = new DocumentCache({ directory: null })
afterAll(() => documents[Symbol.asyncDispose]())

const cache = 'redis:\n  - {name: cache, host: "h-${{ vars.x }}"}\n'

for (const [what, line, place] of [
  ['a variable with a leading zero', 'vars: {x: 0123}', '5:11'],
  ['a variable with too many digits', 'vars: {x: 12345678901234567890}', '5:11'],
  ['a budget with leading zeros', 'sync: {maxDeletes: 007}', '5:20'],
] as const)
  test(`loadEnvironment() refuses ${what}, at its place`, async () => {
    const { issues, desired } = await compileFiles(devEstate('redis:\n  - {name: cache, host: h}\n', `${environmentYaml}${line}\n`), {
      documents,
    })
    assert.deepEqual(placesOf(issues), [`LOSSY_NUMBER dev/environment.yaml:${place}`])
    assert.equal(desired, null)
  })

for (const [text, expected] of [
  ['"0123"', 'h-0123'],
  ['1.10', 'h-1.10'],
  ['1.1', 'h-1.1'],
  ['1e3', 'h-1e3'],
  ['True', 'h-True'],
  ['yes', 'h-yes'],
] as const)
  test(`loadEnvironment() gives the variable ${text} to a text as it is written, whatever was compiled before`, async () => {
    const compiled = await compileFiles(devEstate(cache, `${environmentYaml}vars: {x: ${text}}\n`), { documents })
    assert.equal(resourceOf(compiled, 'redis/cache').spec.host, expected)
  })

test('loadEnvironment() gives a variable as the nearest environment writes it', async () => {
  const files = {
    'environments/base/environment.yaml': 'environment: base\nvars: {x: 1.10, y: 2.20}\n',
    'environments/dev/environment.yaml': `${environmentYaml}extends: [../base]\nvars: {x: 3.30}\n`,
    'environments/dev/resources.yaml': 'redis:\n  - {name: cache, host: "h-${{ vars.x }}-${{ vars.y }}"}\n',
  }
  assert.equal(resourceOf(await compileFiles(files, { documents }), 'redis/cache').spec.host, 'h-3.30-2.20')
})
