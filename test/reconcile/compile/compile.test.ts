import assert from 'node:assert/strict'
import { afterAll, test } from 'vitest'
import { adapterTable } from '../../../adapters/table.ts'
import { channelRow } from '../../../engine/plane/channel.ts'
import { compile } from '../../../reconcile/compile/compile.ts'
import { DocumentCache } from '../../../reconcile/compile/document-cache.ts'
import { noSecrets } from '../../../reconcile/compile/secrets.ts'
import { hasErrors } from '../../../schema/issue.ts'
import { parseRef } from '../../../schema/ref.ts'
import { createVocabulary } from '../../../schema/vocabulary.ts'
import { memoryTree } from '../../tree.ts'
import { compileFiles, devEstate, environmentYaml, placesOf, resourceOf, vocabulary } from './estate.ts'

const documents = new DocumentCache({ directory: null })
afterAll(() => documents[Symbol.asyncDispose]())

const channel = (rest = ''): string => `channel_rest:\n  - name: orders\n    service: client.get\n    url_path: /orders\n${rest}`

// What one file may have wrong, and where it is said to be.
for (const [what, yaml, expected] of [
  ['YAML that cannot be parsed', 'channel_rest:\n  - name: [', ['YAML_SYNTAX dev/resources.yaml:2:12']],
  ['a list at the top', '- name: x', ['DOCUMENT_SHAPE dev/resources.yaml:1:1']],
  ['a text at the top', 'hello', ['DOCUMENT_SHAPE dev/resources.yaml:1:1']],
  ['an unknown section', `chanel_rest: []\n${channel()}`, ['UNKNOWN_SECTION dev/resources.yaml:1:1']],
  ['a section that is no list', 'channel_rest: orders', ['DOCUMENT_SHAPE dev/resources.yaml:1:15']],
  ['an item that is no mapping', 'channel_rest:\n  - orders', ['DOCUMENT_SHAPE dev/resources.yaml:2:5']],
  ['an item without a name', 'sql:\n  - type: postgresql', ['INVALID_NAME dev/resources.yaml:2:5']],
  ['an empty name', 'sql:\n  - name: ""', ['INVALID_NAME dev/resources.yaml:2:5']],
  ['a name with an expression', 'redis:\n  - name: ${{ vars.x }}\n    host: a', ['INVALID_NAME dev/resources.yaml:2:11']],
  ['an unknown field', channel('    metod: GET\n'), ['UNKNOWN_FIELD dev/resources.yaml:5:5']],
  ['a wrong type', channel('    timeout: soon\n'), ['WRONG_TYPE dev/resources.yaml:5:14']],
  ['a value that is not accepted', channel('    method: FETCH\n'), ['INVALID_VALUE dev/resources.yaml:5:13']],
  ['a missing field', 'channel_rest:\n  - name: orders\n    service: client.get', ['MISSING_FIELD dev/resources.yaml:2:5']],
  [
    'a duplicate name',
    `${channel()}  - name: orders\n    service: client.get\n    url_path: /x\n`,
    ['DUPLICATE_NAME dev/resources.yaml:5:5'],
  ],
  ['a dangling reference', channel('    security: crm\n'), ['UNRESOLVED_REF dev/resources.yaml:5:15']],
  ['a dangling reference in a list', channel('    groups: [a]\n'), ['UNRESOLVED_REF dev/resources.yaml:5:14']],
  ['a missing variable', channel('    content_type: ${{ vars.x }}\n'), ['MISSING_VARIABLE dev/resources.yaml:5:19']],
  ['a missing secret', channel('    content_type: ${{ secrets.x }}\n'), ['MISSING_SECRET dev/resources.yaml:5:19']],
  [
    'a process variable that is not allowed',
    channel('    content_type: ${{ env.UNLISTED }}\n'),
    ['ENV_NOT_ALLOWED dev/resources.yaml:5:19'],
  ],
  ['the same in the spelling of Zato', channel('    content_type: ${UNLISTED}\n'), ['ENV_NOT_ALLOWED dev/resources.yaml:5:19']],
  ['an expression without an end', channel('    content_type: ${{ vars.x\n'), ['TEMPLATE_SYNTAX dev/resources.yaml:5:19']],
  ['an expression that is code', channel('    content_type: ${{ process.exit() }}\n'), ['TEMPLATE_SYNTAX dev/resources.yaml:5:19']],
  ['a number with a leading zero', channel('    timeout: 010\n'), ['LOSSY_NUMBER dev/resources.yaml:5:14']],
  ['a directive that is none', channel('    $delete: true\n'), ['OVERLAY_DIRECTIVE dev/resources.yaml:5:5']],
  ['an include that leads out', `include: [../../../x.yaml]\n${channel()}`, ['INCLUDE_OUTSIDE dev/resources.yaml:1:11']],
  ['an absolute include', `include: [/etc/passwd]\n${channel()}`, ['INCLUDE_OUTSIDE dev/resources.yaml:1:11']],
  ['an include with too many wildcards', `include: ["*/*/*/*/*.yaml"]\n${channel()}`, ['INCLUDE_MISSING dev/resources.yaml:1:11']],
  ['an include of a file that is not there', `include: [x.yaml]\n${channel()}`, ['INCLUDE_MISSING dev/resources.yaml:1:11']],
  ['an include of itself', `include: [resources.yaml]\n${channel()}`, ['INCLUDE_CYCLE dev/resources.yaml:1:11']],
  ['an include of settings', `include: [environment.yaml]\n${channel()}`, ['INCLUDE_RESERVED dev/resources.yaml:1:11']],
  ['a secret where a number belongs', channel('    timeout: ${{ secrets.crm }}\n'), ['SECRET_TYPE dev/resources.yaml:5:14']],
  [
    'an open channel that is guarded',
    channel('    public: true\n    security: crm\n') + crm(),
    ['PUBLIC_WITH_SECURITY dev/resources.yaml:5:13'],
  ],
] as const)
  test(`compile() gives no desired state for ${what}, and says where`, async () => {
    const compiled = await compileFiles(devEstate(yaml), { documents })
    const errors = compiled.issues.filter(issue => issue.severity === 'error')
    assert.deepEqual(
      placesOf(errors).filter(place => !place.startsWith('EMPTY_ENVIRONMENT')),
      expected,
    )
    assert.equal(compiled.desired, null)
    for (const { message } of errors) assert.match(message, /^Cannot /)
  })

function crm(): string {
  return 'security:\n  - name: crm\n    type: basic_auth\n    username: u\n    password: ${{ secrets.crm }}\n'
}

test('compile() suggests what was probably meant', async () => {
  const { issues } = await compileFiles(
    devEstate(`chanel_rest: []\n${channel()}  - name: more\n    service: client.gte\n    url_path: /x\n    metod: GET\n`),
    {
      documents,
    },
  )
  const messages = issues.map(issue => issue.message).join('\n')
  for (const meant of ['"channel_rest"', '"service/client.get"', '"method"']) assert.match(messages, new RegExp(`did you mean ${meant}\\?`))
})

test('compile() names both places of a duplicate', async () => {
  const files = { ...devEstate(channel()), 'environments/dev/sub/more.yaml': channel() }
  const { issues } = await compileFiles(files, { documents })
  const duplicate = issues.find(issue => issue.code === 'DUPLICATE_NAME')
  assert.deepEqual(
    [duplicate?.at?.path, duplicate?.related?.[0]?.at.path],
    ['environments/dev/sub/more.yaml', 'environments/dev/resources.yaml'],
  )
})

test('compile() refuses an environment that is not there, and suggests the nearest', async () => {
  const { desired, issues } = await compileFiles(devEstate(channel()), { documents, environment: 'dve' })
  assert.equal(desired, null)
  assert.deepEqual(
    issues.map(issue => issue.code),
    ['ENVIRONMENT_MISSING'],
  )
  assert.match(issues[0]?.message ?? '', /did you mean "dev"\?/)
})

for (const [what, files] of [
  ['only has settings', { 'environments/dev/environment.yaml': environmentYaml }],
  ['has empty files', devEstate('')],
  ['has empty sections', devEstate('channel_rest:\nsql: []\n')],
  [
    'removes all of its base',
    {
      ...devEstate('redis:\n  - name: a\n    $remove: true\n', `${environmentYaml}extends: [../base]\n`),
      'environments/base/a.yaml': 'redis:\n  - name: a\n    host: h\n',
    },
  ],
] as const)
  test(`compile() refuses an environment that ${what}, as that would delete everything`, async () => {
    const { desired, issues } = await compileFiles(files, { documents })
    assert.equal(desired, null)
    assert.ok(issues.some(issue => issue.code === 'EMPTY_ENVIRONMENT'))
  })

for (const [what, files, expected] of [
  ['a misspelt section', devEstate('chanel_rest:\n  - name: a\n'), ['UNKNOWN_SECTION dev/resources.yaml:1:1']],
  ['an item without a name', devEstate('redis:\n  - host: h\n'), ['INVALID_NAME dev/resources.yaml:2:5']],
  ['a directive that is none', devEstate('redis:\n  - {name: a, $delete: true}\n'), ['OVERLAY_DIRECTIVE dev/resources.yaml:2:15']],
  ['a number that is not finite', devEstate('redis:\n  - {name: a, port: .inf}\n'), ['LOSSY_NUMBER dev/resources.yaml:2:21']],
  [
    'settings that extend by a text',
    { 'environments/dev/environment.yaml': `${environmentYaml}extends: ../base\n`, 'environments/base/a.yaml': 'redis: []' },
    ['WRONG_TYPE dev/environment.yaml:5:10'],
  ],
  [
    'settings with a misspelt field',
    { 'environments/dev/environment.yaml': `${environmentYaml}extend: [../base]\n`, 'environments/base/a.yaml': 'redis: []' },
    ['UNKNOWN_FIELD dev/environment.yaml:5:1'],
  ],
] as const)
  test(`compile() tells of ${what} instead of the emptiness that it leaves`, async () => {
    const { issues, desired } = await compileFiles(files, { documents })
    assert.deepEqual(placesOf(issues), expected)
    assert.equal(desired, null)
  })

for (const [what, yaml, expected] of [
  [
    'resources in plain text',
    'redis:\n  - {name: a, host: h}\nsops:\n  mac: x\n',
    ['EMPTY_ENVIRONMENT dev/environment.yaml:1:1', 'DOCUMENT_SHAPE dev/resources.yaml:3:1'],
  ],
  [
    'resources with encrypted passwords',
    'redis:\n  - {name: a, password: "ENC[x]"}\nsops:\n  mac: x\n',
    ['EMPTY_ENVIRONMENT dev/environment.yaml:1:1', 'DOCUMENT_SHAPE dev/resources.yaml:3:1'],
  ],
  [
    'files to include',
    'include: [a.yaml]\nsops:\n  mac: x\n',
    ['EMPTY_ENVIRONMENT dev/environment.yaml:1:1', 'DOCUMENT_SHAPE dev/resources.yaml:2:1'],
  ],
  [
    'nothing but what is encrypted',
    'redis:\n  - {name: "ENC[x]"}\ncrm: ENC[y]\nsops:\n  mac: x\n',
    ['EMPTY_ENVIRONMENT dev/environment.yaml:1:1'],
  ],
] as const)
  test(`compile() ${expected.length > 1 ? 'warns of' : 'passes over'} an encrypted file that holds ${what}`, async () => {
    const { issues } = await compileFiles(devEstate(yaml), { documents })
    assert.deepEqual(placesOf(issues), expected)
    assert.deepEqual(
      issues.map(({ severity }) => severity),
      ['error', 'warning'].slice(0, expected.length),
    )
  })

test('compile() judges nothing by a rule whose value is refused', async () => {
  const wrong = environmentYaml.replace('requireSecurity: false', 'requireSecurity: sure')
  const own = await compileFiles(devEstate(channel(), wrong), { documents })
  assert.deepEqual(placesOf(own.issues), ['WRONG_TYPE dev/environment.yaml:2:18'])
  const { desired } = await compileFiles(devEstate(channel()), { documents })
  assert.ok(desired)
  const policy = { ...desired.settings, requireSecurity: true }
  const judged = await compileFiles(devEstate(channel(), wrong), { documents, policy })
  assert.deepEqual(placesOf(judged.issues), ['WRONG_TYPE dev/environment.yaml:2:18', 'SECURITY_REQUIRED dev/resources.yaml:2:5'])
})

for (const [what, name, expected] of [
  ['another one', 'test', ['ENVIRONMENT_MISMATCH dev/environment.yaml:1:14']],
  ['a number', '1', ['WRONG_TYPE dev/environment.yaml:1:14']],
  ['nothing', "''", ['INVALID_VALUE dev/environment.yaml:1:14']],
] as const)
  test(`compile() refuses an environment.yaml that names ${what} as its environment, with one issue`, async () => {
    const { issues } = await compileFiles(devEstate(channel(), environmentYaml.replace('environment: dev', `environment: ${name}`)), {
      documents,
    })
    assert.deepEqual(placesOf(issues), expected)
  })

test('compile() collects what is wrong in all files at once', async () => {
  const files = {
    'environments/dev/environment.yaml': `${environmentYaml}sync: { windows: [] }\n`,
    'environments/dev/a.yaml': 'redis:\n  - host: h\n',
    'environments/dev/b.yaml': 'sqll: []\n',
    'environments/dev/c.yaml': channel('    security: nobody\n'),
  }
  const { issues } = await compileFiles(files, { documents })
  assert.deepEqual(
    new Set(placesOf(issues)),
    new Set([
      'NOT_ENFORCED dev/environment.yaml:5:9',
      'INVALID_NAME dev/a.yaml:2:5',
      'UNKNOWN_SECTION dev/b.yaml:1:1',
      'UNRESOLVED_REF dev/c.yaml:5:15',
    ]),
  )
})

test('compile() does not call missing what a file declares that could not be read', async () => {
  const files = {
    ...devEstate(channel('    security: crm\n')),
    'environments/dev/security.yaml': 'security:\n  - name: [crm\n',
  }
  const { issues, desired } = await compileFiles(files, { documents, services: ['client.gte'] })
  assert.deepEqual(placesOf(issues), ['UNRESOLVED_REF dev/resources.yaml:3:14', 'YAML_SYNTAX dev/security.yaml:3:1'])
  assert.equal(desired, null)
})

test('compile() does not print the name of a resource that comes from a process variable', async () => {
  const { issues } = await compileFiles(devEstate(channel('    security: ${REGION}\n'), `${environmentYaml}env: [REGION]\n`), { documents })
  assert.deepEqual(placesOf(issues), ['UNRESOLVED_REF dev/resources.yaml:5:15'])
  assert.doesNotMatch(JSON.stringify(issues), /region-eu/)
})

test('compile() does not read encrypted files, nor those of other environments, as resources', async () => {
  const files = {
    ...devEstate(channel()),
    'environments/dev/vault.yaml': 'anything: ENC[AES256]\nsops:\n  mac: x\n',
    'environments/dev/.sops.yaml': 'creation_rules: []\n',
    'environments/dev/eu/environment.yaml': 'environment: eu\n',
    'environments/dev/eu/other.yaml': 'not: [valid]\n',
  }
  const compiled = await compileFiles(files, { documents })
  assert.deepEqual(compiled.issues, [])
})

test('compile() refuses a file above the limit of bytes without reading it', async () => {
  const files = { ...devEstate(channel()), 'environments/dev/big.yaml': `# ${'x'.repeat(1024 * 1024)}\n` }
  const { issues } = await compileFiles(files, { documents })
  assert.deepEqual(placesOf(issues), ['YAML_LIMIT dev/big.yaml:1:1'])
})

test('compile() judges no name of a service while a file of service code cannot be read', async () => {
  const unread = { severity: 'error', code: 'TYPESCRIPT_SYNTAX', message: 'Cannot read it' } as const
  const options = { vocabulary, policy: null, secrets: noSecrets, env: {}, keys: null, documents }
  const compileWith = (isPartial: boolean) =>
    compile(memoryTree(devEstate(channel())), 'dev', {
      ...options,
      services: async () => ({ services: [], modules: new Map(), issues: isPartial ? [unread] : [], lockfile: null, isPartial }),
    })
  assert.deepEqual((await compileWith(true)).issues, [unread])
  assert.deepEqual(
    (await compileWith(false)).issues.map(({ code }) => code),
    ['UNRESOLVED_REF'],
  )
})

test('compile() tells what adapters find wrong between resources, whatever was compiled before', async () => {
  await using own = new DocumentCache({ directory: null })
  const files = (path: string) => ({
    ...devEstate(''),
    'environments/dev/a.yaml': channel('    public: true\n'),
    'environments/dev/b.yaml': `channel_rest:\n  - {name: other, service: client.get, public: true, url_path: ${path}}\n`,
    'environments/dev/c.yaml': 'redis:\n  - {name: cache, host: h}\n',
  })
  for (const [path, expected] of [
    ['/orders', ['ROUTE_CONFLICT dev/b.yaml:2:64']],
    ['/other', []],
    ['/orders', ['ROUTE_CONFLICT dev/b.yaml:2:64']],
    ['/others', []],
  ] as const) {
    const { issues } = await compileFiles(files(path), { documents: own, rows: adapterTable([channelRow]).values() })
    assert.deepEqual(placesOf(issues.filter(({ severity }) => severity === 'error')), expected)
  }
})

test('compile() reads nothing again that it has read before', async () => {
  const tree = memoryTree(devEstate(channel()))
  await using own = new DocumentCache({ directory: null })
  const options = {
    vocabulary,
    policy: null,
    secrets: noSecrets,
    env: {},
    keys: null,
    documents: own,
    services: async () => ({ services: [], modules: new Map(), issues: [], lockfile: null }),
  }
  await compile(tree, 'dev', options)
  assert.equal(tree.reads.length, 2)
  await compile(tree, 'dev', options)
  assert.equal(tree.reads.length, 2)
})

for (const [text, expected] of [
  ['yes', true],
  ['off', false],
  ['True', true],
  ['n', false],
] as const)
  test(`compile() takes ${text} for ${expected} where the schema wants a boolean`, async () => {
    const compiled = await compileFiles(devEstate(channel(`    is_active: ${text}\n`)), { documents })
    assert.equal(resourceOf(compiled, 'channel_rest/orders').spec.is_active, expected)
  })

test('compile() keeps the text of a scalar where the schema wants text', async () => {
  const yaml = 'redis:\n  - name: 0123\n    host: 1.10\n    username: no\n'
  const { spec } = resourceOf(await compileFiles(devEstate(yaml), { documents }), 'redis/0123')
  assert.deepEqual([spec.name, spec.host, spec.username], ['0123', '1.10', 'no'])
})

test('compile() does not take a quoted "yes" for a boolean', async () => {
  const { issues } = await compileFiles(devEstate(channel('    is_active: "yes"\n')), { documents })
  assert.deepEqual(placesOf(issues), ['WRONG_TYPE dev/resources.yaml:5:16'])
})

test('compile() keeps an inactive resource, closed', async () => {
  const compiled = await compileFiles(devEstate(channel('    is_active: false\n')), { documents })
  assert.equal(resourceOf(compiled, 'channel_rest/orders').closed, 'inactive')
})

test('compile() keeps a resource closed whose guard is not served', async () => {
  const compiled = await compileFiles(devEstate(channel('    rate_limiting: [{rate: 1}]\n')), { documents })
  assert.match(resourceOf(compiled, 'channel_rest/orders').closed ?? '', /rate_limiting/)
  assert.deepEqual(placesOf(compiled.issues), ['FIELD_NOT_SERVED dev/resources.yaml:5:5'])
})

for (const [what, rest, codes] of [
  ['names no guard', '', ['SECURITY_REQUIRED']],
  ['has no group', '    groups: []\n', ['SECURITY_REQUIRED']],
  ['says it is public', '    public: true\n', []],
  ['names a security definition', '    security: crm\n', []],
] as const)
  test(`compile() ${codes.length > 0 ? 'refuses' : 'accepts'} a channel that ${what} where security is required`, async () => {
    const strict = environmentYaml.replace('requireSecurity: false', 'requireSecurity: true')
    const compiled = await compileFiles(devEstate(channel(rest) + crm(), strict), { documents })
    assert.deepEqual(
      compiled.issues.map(issue => issue.code),
      codes,
    )
  })

test('compile() is judged by the policy that is passed in, not by the revision', async () => {
  const own = await compileFiles(devEstate(channel()), { documents })
  assert.ok(own.desired)
  const policy = { ...own.desired.settings, requireSecurity: true }
  const judged = await compileFiles(devEstate(channel()), { documents, policy })
  assert.deepEqual(placesOf(judged.issues), ['SECURITY_REQUIRED dev/resources.yaml:2:5'])
  assert.equal(own.desired.settings.requireSecurity, false)
})

test('compile() prints the way round where resources refer to each other', async () => {
  const node = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'node',
    type: 'object',
    additionalProperties: false,
    required: ['name'],
    properties: { name: { type: 'string' }, next: { type: 'string', 'x-ref': 'node' } },
  }
  const yaml = 'node:\n  - {name: a, next: b}\n  - {name: b, next: c}\n  - {name: c, next: a}\n  - {name: d, next: a}\n'
  const { issues } = await compileFiles(devEstate(yaml), { documents, vocabulary: createVocabulary([node]), services: [] })
  assert.deepEqual(placesOf(issues), ['REF_CYCLE dev/resources.yaml:2:5'])
  assert.match(issues[0]?.message ?? '', /node\/a → node\/b → node\/c → node\/a/)
})

test('compile() finds connections and services that code names and nobody declares', async () => {
  const at = (line: number) => ({ path: 'services/code.ts', line, column: 9 })
  const uses = [
    { method: 'redis', name: 'cahce', at: at(3) },
    { method: 'redis', name: 'cache', at: at(4) },
    { method: 'invoke', name: 'client.gte', at: at(5) },
    { method: 'invoke', name: 'client.get', at: at(6) },
    { method: 'invokeAsync', name: 'client.gte', at: at(7) },
    { method: 'schedule.once', name: 'client.gte', at: at(8) },
    { method: 'schedule.once', name: 'client.put', at: at(9) },
  ]
  const yaml = 'redis:\n  - name: cache\n    host: h\n'
  const { issues } = await compileFiles(devEstate(yaml), { documents, services: ['client.get', { name: 'client.put', uses }] })
  assert.deepEqual(placesOf(issues), [
    'UNKNOWN_CONNECTION services/code.ts:3:9',
    'UNKNOWN_SERVICE services/code.ts:5:9',
    'UNKNOWN_SERVICE services/code.ts:7:9',
    'UNKNOWN_SERVICE services/code.ts:8:9',
  ])
  assert.match(issues[0]?.message ?? '', /did you mean "redis\/cache"\?/)
})

test('compile() makes a resource of a service, which refers to what its code names', async () => {
  const at = { path: 'services/code.ts', line: 3, column: 9 }
  const uses = [{ method: 'redis', name: 'cache', at }]
  const compiled = await compileFiles(devEstate('redis:\n  - name: cache\n    host: h\n'), {
    documents,
    services: [{ name: 'client.put', uses }],
  })
  const service = resourceOf(compiled, 'service/client.put')
  assert.deepEqual(service.refs, ['redis/cache'])
  assert.equal(service.spec.module, 'services/code.ts')
})

test('compile() has a mistake in an overlay point to the overlay and to its base', async () => {
  const files = {
    ...devEstate('channel_rest:\n  - name: orders\n    timeout: soon\n', `${environmentYaml}extends: [../base]\n`),
    'environments/base/channels.yaml': channel(),
  }
  const { issues } = await compileFiles(files, { documents })
  assert.deepEqual(placesOf(issues), ['WRONG_TYPE dev/resources.yaml:3:14'])
  assert.deepEqual(issues[0]?.related, [{ message: 'overlay of', at: { path: 'environments/base/channels.yaml', line: 2, column: 5 } }])
})

for (const [what, files, expected] of [
  ['a directory that is not there', { extends: '[../bse]' }, 'EXTENDS_MISSING dev/environment.yaml:5:11'],
  ['a directory outside', { extends: '[../../services]' }, 'EXTENDS_OUTSIDE dev/environment.yaml:5:11'],
  ['itself', { extends: '[../dev]' }, 'EXTENDS_CYCLE dev/environment.yaml:5:11'],
  ['what extends it', { extends: '[../base]', base: 'environment: base\nextends: [../dev]\n' }, 'EXTENDS_CYCLE base/environment.yaml:2:11'],
] as const)
  test(`compile() refuses an environment that extends ${what}`, async () => {
    const base: Record<string, string> = 'base' in files ? { 'environments/base/environment.yaml': files.base } : {}
    const estate = {
      ...devEstate(channel(), `${environmentYaml}extends: ${files.extends}\n`),
      ...base,
      'environments/base/a.yaml': 'sql: []\n',
      'services/a.ts': '',
    }
    const { issues, desired } = await compileFiles(estate, { documents })
    assert.deepEqual(placesOf(issues), [expected])
    assert.equal(desired, null)
  })

test('compile() refuses services outside of the estate', async () => {
  const { issues } = await compileFiles(devEstate(channel(), `${environmentYaml}services: ../../../other\n`), { documents })
  assert.deepEqual(placesOf(issues), ['INCLUDE_OUTSIDE dev/environment.yaml:5:11'])
})

test('compile() lays the layers of a chain of environments over each other, and their variables too', async () => {
  const files = {
    'environments/dev/environment.yaml': `${environmentYaml}extends: [../eu]\nvars: { host: dev }\n`,
    'environments/dev/r.yaml': 'redis:\n  - name: cache\n    db: 3\n',
    'environments/eu/environment.yaml': 'environment: eu\nextends: [../base]\nvars: { host: eu, user: u }\nrequireSecurity: true\n',
    'environments/eu/r.yaml': 'redis:\n  - name: cache\n    username: ${{ vars.user }}\n    db: 2\n',
    'environments/base/r.yaml': 'redis:\n  - name: cache\n    host: ${{ vars.host }}\n    port: 1\n    db: 1\n',
  }
  const compiled = await compileFiles(files, { documents })
  const { spec } = resourceOf(compiled, 'redis/cache')
  assert.deepEqual([spec.host, spec.username, spec.port, spec.db], ['dev', 'u', 1, 3])
  assert.equal(hasErrors(compiled.issues), false)
})

test('compile() reads what is included, by list and pattern, each file once', async () => {
  const files = {
    ...devEstate('include:\n  - ../../shared/*.yaml\n  - ../../shared/one.yaml\n'),
    'shared/one.yaml': 'include: [two.yaml]\nredis:\n  - name: one\n    host: h\n',
    'shared/two.yaml': 'redis:\n  - name: two\n    host: h\n',
  }
  const { desired, issues } = await compileFiles(files, { documents })
  assert.deepEqual(issues, [])
  assert.deepEqual([...(desired?.resources.keys() ?? [])].sort(), ['redis/one', 'redis/two', 'service/client.get'])
})

test('explain() tells file, line, layer and variables of every value, and which are defaults', async () => {
  const files = {
    ...devEstate(
      'redis:\n  - name: cache\n    host: ${{ vars.h }}\n    password: ${{ secrets.crm }}\n',
      `${environmentYaml}extends: [../base]\nvars: {h: x}\n`,
    ),
    'environments/base/r.yaml': 'redis:\n  - name: cache\n    port: 1\n',
  }
  const { explain } = await compileFiles(files, { documents })
  const leaves = new Map(explain(parseRef('redis/cache'))?.map(leaf => [leaf.pointer, leaf]))
  assert.deepEqual(leaves.get('/host'), {
    pointer: '/host',
    value: 'x',
    from: { kind: 'file', at: { path: 'environments/dev/resources.yaml', line: 3, column: 11 }, layer: 'dev', variables: ['vars.h'] },
  })
  assert.deepEqual(leaves.get('/port')?.from, {
    kind: 'file',
    at: { path: 'environments/base/r.yaml', line: 3, column: 11 },
    layer: 'base',
    variables: [],
  })
  assert.equal(leaves.get('/password')?.value, '***')
  assert.deepEqual(leaves.get('/db'), { pointer: '/db', value: 0, from: { kind: 'default' } })
  assert.equal(explain(parseRef('redis/none')), undefined)
})
