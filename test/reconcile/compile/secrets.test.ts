import assert from 'node:assert/strict'
import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, test } from 'vitest'
import { DocumentCache } from '../../../reconcile/compile/document-cache.ts'
import { createSecrets } from '../../../reconcile/compile/secrets.ts'
import { parseRef } from '../../../schema/ref.ts'
import { temporaryDirectory } from '../../directory.ts'
import { compileFiles, devEstate, environmentYaml, placesOf, processEnv, resourceOf } from './estate.ts'

const documents = new DocumentCache({ directory: null })
afterAll(() => documents[Symbol.asyncDispose]())

test('createSecrets() asks the sources in order', async () => {
  const open = createSecrets(
    { P_CRM_KEY: 'from-env' },
    async () =>
      new Map([
        ['crm-key', 'from-file\n'],
        ['db', 'two\nlines\n'],
      ]),
  )
  const { source } = await open([
    { from: 'files', directory: '/run/secrets' },
    { from: 'env', prefix: 'P_' },
  ])
  assert.equal(source.get('crm-key')?.reveal(), 'from-file')
  assert.equal(source.get('db')?.reveal(), 'two\nlines')
  assert.equal(source.get('crm.key')?.reveal(), 'from-env')
  assert.equal(source.get('none'), undefined)
  assert.deepEqual(source.describe('crm-key'), ['the file /run/secrets/crm-key', 'the process variable P_CRM_KEY'])
})

test('createSecrets() reads the files of a directory, links of mounted secrets too, and nothing hidden', async () => {
  await using directory = await temporaryDirectory()
  await writeFile(join(directory.path, '..data'), 'hidden')
  await writeFile(join(directory.path, 'crm'), 'value\r\n')
  await symlink(join(directory.path, 'crm'), join(directory.path, 'linked'))
  const { source, issues } = await createSecrets({})([{ from: 'files', directory: directory.path }])
  assert.deepEqual([source.get('crm')?.reveal(), source.get('linked')?.reveal()], ['value', 'value'])
  assert.equal(source.get('..data'), undefined)
  assert.equal(source.get('../crm'), undefined)
  assert.deepEqual(issues, [])
})

test('createSecrets() misses only the secret whose file cannot be read, and says why', async () => {
  await using directory = await temporaryDirectory()
  const at = (name: string) => join(directory.path, name)
  await mkdir(at('folder'))
  await symlink(at('folder'), at('linked'))
  await symlink(at('nowhere'), at('broken'))
  await writeFile(at('large'), '')
  await truncate(at('large'), 1024 * 1024 + 1)
  await writeFile(at('crm'), 'value')
  const { source, issues } = await createSecrets({})([{ from: 'files', directory: directory.path }])
  assert.equal(source.get('crm')?.reveal(), 'value')
  for (const [name, reason] of [
    ['folder', 'it is a directory'],
    ['linked', 'it is a directory'],
    ['broken', 'the system answers ENOENT'],
    ['large', 'it has more than 1 MB'],
  ] as const) {
    assert.equal(source.get(name), undefined)
    assert.deepEqual(source.describe(name), [`the file ${at(name)}, which cannot be read as ${reason}`])
  }
  assert.deepEqual(
    issues.map(({ code, severity, pointer, message }) => [
      code,
      severity,
      pointer,
      message.includes(at('broken')) || message.includes(at('large')),
    ]),
    [
      ['SECRET_SOURCE', 'warning', '/secrets/0/files', true],
      ['SECRET_SOURCE', 'warning', '/secrets/0/files', true],
    ],
  )
})

test('createSecrets() warns of a directory that cannot be read, and asks the others', async () => {
  const { source, issues } = await createSecrets({ P_A: 'a' })([
    { from: 'files', directory: '/nowhere' },
    { from: 'env', prefix: 'P_' },
  ])
  assert.deepEqual(
    issues.map(({ code, severity }) => [code, severity]),
    [['SECRET_SOURCE', 'warning']],
  )
  assert.equal(source.get('a')?.reveal(), 'a')
})

const crm = (password: string): string => `security:\n  - name: crm\n    type: basic_auth\n    username: u\n${password}`

test('a secret leaves a reference in the spec, and its value in no output', async () => {
  const yaml = `${crm('    password: ${{ secrets.crm }}\n')}outgoing_rest:\n  - {name: CRM, host: "http://a", url_path: "/${'${{ secrets.db }}'}"}\n`
  const compiled = await compileFiles(devEstate(yaml), { documents })
  assert.equal(resourceOf(compiled, 'security/crm').spec.password, '${{ secrets.crm }}')
  assert.equal(resourceOf(compiled, 'security/crm').secrets.get('/password')?.reveal(), 'hunter2-crm')
  assert.equal(resourceOf(compiled, 'outgoing_rest/CRM').secrets.get('/url_path')?.reveal(), '/hunter2-db')
  const shown = [inspect(compiled, { depth: 20 }), JSON.stringify([...(compiled.desired?.resources ?? [])])]
  for (const ref of ['security/crm', 'outgoing_rest/CRM']) shown.push(JSON.stringify(compiled.explain(parseRef(ref))))
  assert.doesNotMatch(shown.join('\n'), /hunter2/)
})

for (const [requireSecurity, severity] of [
  [true, 'error'],
  [false, 'warning'],
] as const)
  test(`a secret in plain text is ${severity === 'error' ? 'an error' : 'a warning'} where requireSecurity is ${requireSecurity}`, async () => {
    const environment = environmentYaml.replace('requireSecurity: false', `requireSecurity: ${requireSecurity}`)
    const compiled = await compileFiles(devEstate(crm('    password: hunter2\n'), environment), { documents })
    assert.deepEqual(placesOf(compiled.issues), ['PLAINTEXT_SECRET dev/resources.yaml:5:15'])
    assert.equal(compiled.issues[0]?.severity, severity)
    assert.equal(compiled.desired === null, requireSecurity)
    assert.doesNotMatch(inspect(compiled, { depth: 20 }), /hunter2"|'hunter2'/)
  })

for (const [what, password, isRefused] of [
  ['a text as default', "${{ secrets.none || 'hunter2' }}", true],
  ['a text as default that is not needed', "${{ secrets.crm || 'hunter2' }}", true],
  ['a text as default of a process variable', "${{ env.REGION || 'hunter2' }}", true],
  ['a text as default of an unset process variable', "${{ env.UNSET || 'hunter2' }}", true],
  ['a text as default of an empty process variable', "${{ env.EMPTY || 'hunter2' }}", true],
  ['a text beside a secret that may be empty', "hunter2${{ secrets.none || '' }}", true],
  ['a variable as default', '${{ secrets.none || vars.p }}', true],
  ['another secret as default', '${{ secrets.none || secrets.crm }}', false],
  ['a process variable as default', '${{ secrets.none || env.REGION }}', false],
  ['an empty text as default', "${{ secrets.none || '' }}", false],
] as const)
  test(`a secret with ${what} is ${isRefused ? 'plain text' : 'none in plain text'}`, async () => {
    const environment = `${environmentYaml.replace('requireSecurity: false', 'requireSecurity: true')}env: [REGION, UNSET, EMPTY]\nvars: {p: hunter2}\n`
    const env = { ...processEnv, EMPTY: '' }
    const compiled = await compileFiles(devEstate(crm(`    password: ${password}\n`), environment), { documents, env })
    assert.deepEqual(placesOf(compiled.issues), isRefused ? ['PLAINTEXT_SECRET dev/resources.yaml:5:15'] : [])
    assert.doesNotMatch(`${inspect(compiled, { depth: 20 })}${JSON.stringify(compiled.issues)}`, /hunter2"|hunter2\$/)
  })

test('a source of secrets that cannot be read is told where environment.yaml lists it', async () => {
  const yaml = 'environment: dev\nrequireSecurity: false\nsecrets:\n  - env: P_\n  - files: /nowhere\n'
  const options = { documents, secrets: createSecrets({}) }
  const compiled = await compileFiles(devEstate('redis:\n  - {name: cache, host: h}\n', yaml), options)
  assert.deepEqual(placesOf(compiled.issues), ['SECRET_SOURCE dev/environment.yaml:5:12'])
})

test('why the file of a secret cannot be read is told anew, whatever was compiled before', async () => {
  const yaml = 'environment: dev\nsecrets:\n  - files: /run/secrets\n'
  for (const reason of ['it has more than 1 MB', 'the system answers EACCES']) {
    const secrets = createSecrets({}, async () => new Map([['crm', { reason, isFile: true }]]))
    const { issues } = await compileFiles(devEstate(crm('    password: ${{ secrets.crm }}\n'), yaml), { documents, secrets })
    assert.deepEqual(placesOf(issues), ['SECRET_SOURCE dev/environment.yaml:3:12', 'MISSING_SECRET dev/resources.yaml:5:15'])
    for (const { message } of issues) assert.ok(message.includes('/run/secrets/crm') && message.includes(reason), message)
  }
})

test('a secret in plain text stands as a literal in the spec, also under an alias and through a variable', async () => {
  const yaml =
    'security:\n  - name: t\n    type: bearer_token\n    static_token: hunter2\n  - name: v\n    type: basic_auth\n    username: u\n    password: ${{ vars.p }}\n'
  const compiled = await compileFiles(devEstate(yaml, `${environmentYaml}vars: { p: hunter2 }\n`), { documents })
  for (const ref of ['security/t', 'security/v']) {
    const { spec, secrets } = resourceOf(compiled, ref)
    assert.equal([...secrets.values()][0]?.reveal(), 'hunter2')
    assert.doesNotMatch(JSON.stringify(spec), /hunter2/)
    assert.match(JSON.stringify(spec), /\$\{\{ literal \}\}/)
  }
  assert.deepEqual(placesOf(compiled.issues), ['PLAINTEXT_SECRET dev/resources.yaml:4:19', 'PLAINTEXT_SECRET dev/resources.yaml:8:15'])
})

test('a secret from a process variable is no plain text, and stays a reference', async () => {
  const compiled = await compileFiles(devEstate(crm('    password: ${REGION}\n'), `${environmentYaml}env: [REGION]\n`), { documents })
  assert.deepEqual(compiled.issues, [])
  const { spec, secrets, tainted } = resourceOf(compiled, 'security/crm')
  assert.equal(spec.password, '${{ env.REGION }}')
  assert.equal(secrets.get('/password')?.reveal(), 'region-eu')
  assert.deepEqual(tainted, [])
})

test('an absent password is neither generated nor asked for', async () => {
  const compiled = await compileFiles(devEstate(crm('')), { documents })
  const { spec, secrets } = resourceOf(compiled, 'security/crm')
  assert.equal('password' in spec, false)
  assert.equal(secrets.size, 0)
})

test('what a process variable gives is marked, and hidden where it is explained', async () => {
  const yaml = 'redis:\n  - {name: cache, host: "x-${{ env.REGION }}"}\n'
  const compiled = await compileFiles(devEstate(yaml, `${environmentYaml}env: [REGION]\n`), { documents })
  assert.deepEqual(resourceOf(compiled, 'redis/cache').tainted, ['/host'])
  assert.equal(resourceOf(compiled, 'redis/cache').spec.host, 'x-region-eu')
  const host = compiled.explain(parseRef('redis/cache'))?.find(leaf => leaf.pointer === '/host')
  assert.equal(host?.value, '***')
})
