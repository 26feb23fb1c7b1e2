import assert from 'node:assert/strict'
import { afterAll, test } from 'vitest'
import { DocumentCache } from '../../../reconcile/compile/document-cache.ts'
import { compileFiles, devEstate, environmentYaml, placesOf, resourceOf } from './estate.ts'

const documents = new DocumentCache({ directory: null })
afterAll(() => documents[Symbol.asyncDispose]())

const security = (fields: string): string => `security:\n  - {name: crm, ${fields}}\n`
const basic = 'type: basic_auth, username: u, realm: r, password: "${{ secrets.crm }}"'

for (const [what, base, overlay, expected] of [
  ['the type of its base', basic, 'type: apikey', ['OVERLAY_DIRECTIVE dev/resources.yaml:2:23']],
  ['the type by an expression', basic, 'type: "${{ vars.key }}"', ['OVERLAY_DIRECTIVE dev/resources.yaml:2:23']],
  ['the type with $replace', basic, '$replace: true, type: apikey, password: "${{ secrets.db }}"', []],
  ['other fields, and repeats the type', basic, 'type: basic_auth, username: v', []],
  ['the type by a process variable that is not known here', basic, 'type: "${{ env.TYPE }}"', []],
  ['the type in words only', 'type: "${{ vars.key }}"', 'type: apikey', []],
  ['a type that its base lacks', 'username: u', 'type: apikey', []],
] as const)
  test(`an overlay that declares ${what} is ${expected.length > 0 ? 'refused where it does' : 'accepted'}`, async () => {
    const files = {
      ...devEstate(security(overlay), `${environmentYaml}extends: [../base]\nenv: [TYPE]\nvars: {key: apikey}\n`),
      'environments/base/r.yaml': security(base),
    }
    const compiled = await compileFiles(files, { documents, unsetEnv: 'unknown' })
    assert.deepEqual(placesOf(compiled.issues), expected)
    if (expected.length === 0) assert.ok(resourceOf(compiled, 'security/crm'))
    for (const { message, related } of compiled.issues)
      assert.deepEqual([/"\$replace: true"/.test(message), related?.[0]?.at.path], [true, 'environments/base/r.yaml'])
  })

test('an overlay may change a field on which no other depends', async () => {
  const files = {
    ...devEstate('sql:\n  - {name: db, type: mysql}\n', `${environmentYaml}extends: [../base]\n`),
    'environments/base/r.yaml': 'sql:\n  - {name: db, type: postgresql, host: h, port: 1, db_name: d, username: u}\n',
  }
  assert.deepEqual(placesOf((await compileFiles(files, { documents })).issues), ['FIELD_NOT_SERVED dev/resources.yaml:2:16'])
})
