import assert from 'node:assert/strict'
import { afterAll, test } from 'vitest'
import { DocumentCache } from '../../../reconcile/compile/document-cache.ts'
import { compileFiles, devEstate, environmentYaml, placesOf, resourceOf } from './estate.ts'

const documents = new DocumentCache({ directory: null })
afterAll(() => documents[Symbol.asyncDispose]())

const channel = (rest: string): string =>
  `channel_rest:\n  - name: orders\n    service: client.get\n    url_path: /orders\n    ${rest}\nsecurity:\n  - {name: crm, type: apikey}\n`
const strict = `${environmentYaml.replace('false', 'true')}vars: {none: ''}\nenv: [NOTHING]\n`

for (const [what, rest, expected] of [
  ['an empty name in a list', "groups: ['']", ['INVALID_VALUE dev/resources.yaml:5:14']],
  ['an empty name beside others', "groups: [team, '']", ['INVALID_VALUE dev/resources.yaml:5:20']],
  ['an expression in a list that gives nothing', "groups: ['${{ vars.none }}']", ['INVALID_VALUE dev/resources.yaml:5:14']],
  ['a process variable in a list that is empty', "groups: ['${{ env.NOTHING }}']", ['INVALID_VALUE dev/resources.yaml:5:14']],
  ['an empty name in a list of an open channel', "{groups: [''], public: true}", ['INVALID_VALUE dev/resources.yaml:5:14']],
  ['an empty text as its one name', "security: ''", ['SECURITY_REQUIRED dev/resources.yaml:2:5']],
  ['an expression that gives nothing as its one name', "security: '${{ vars.none }}'", ['SECURITY_REQUIRED dev/resources.yaml:2:5']],
] as const)
  test(`a channel whose guard is ${what} stays closed, and is told why`, async () => {
    const yaml = `${channel(rest.replace(/^\{(.*), (public: true)\}$/, '$1\n    $2'))}groups:\n  - {name: team, members: [crm]}\n`
    const { issues, desired } = await compileFiles(devEstate(yaml, strict), { documents, env: { NOTHING: '' } })
    const errors = issues.filter(({ severity }) => severity === 'error')
    assert.deepEqual(
      placesOf(errors).filter(place => !place.startsWith('PUBLIC_')),
      expected,
    )
    assert.equal(desired, null)
  })

test('an empty name in a list is told also beside a file that cannot be read', async () => {
  const files = { ...devEstate(channel("groups: ['']")), 'environments/dev/more.yaml': 'security: [' }
  const { issues } = await compileFiles(files, { documents })
  assert.deepEqual(placesOf(issues), ['YAML_SYNTAX dev/more.yaml:1:12', 'INVALID_VALUE dev/resources.yaml:5:14'])
})

for (const [what, declared, named] of [
  ['composed for one that is decomposed', 'e\u0301', '\u00e9'],
  ['decomposed for one that is composed', '\u00e9', 'e\u0301'],
] as const)
  test(`a reference may be ${what}: they are one name`, async () => {
    const yaml = `${channel(`security: ${named}\n    groups: [${named}]`)}  - {name: ${declared}, type: apikey}\ngroups:\n  - {name: ${declared}, members: [${named}]}\n`
    const compiled = await compileFiles(devEstate(yaml), { documents })
    assert.deepEqual(compiled.issues, [])
    const { spec, refs } = resourceOf(compiled, 'channel_rest/orders')
    assert.deepEqual([spec.security, spec.groups], ['\u00e9', ['\u00e9']])
    assert.deepEqual(refs, ['groups/\u00e9', 'security/\u00e9', 'service/client.get'])
  })
