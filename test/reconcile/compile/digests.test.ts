import assert from 'node:assert/strict'
import { afterAll, test } from 'vitest'
import { DocumentCache } from '../../../reconcile/compile/document-cache.ts'
import { createSecrets } from '../../../reconcile/compile/secrets.ts'
import { digestOfBytes } from '../../../schema/digest.ts'
import { compileFiles, devEstate, type EstateOptions, environmentYaml, processEnv, resourceOf } from './estate.ts'

const documents = new DocumentCache({ directory: null })
afterAll(() => documents[Symbol.asyncDispose]())

const outgoing = (fields: string): string => `outgoing_rest:\n  - {name: CRM, host: "http://a", url_path: /, ${fields}}\n`
const environment = `${environmentYaml}env: [REGION]\nvars: { v: one }\n`

async function digests(yaml: string, options: Partial<EstateOptions> = {}, settings = environment) {
  const compiled = await compileFiles(devEstate(yaml, settings), { documents, ...options })
  const { specDigest, secretDigest, effectiveDigest, instanceKey } = resourceOf(compiled, 'outgoing_rest/CRM')
  return { spec: specDigest, secret: secretDigest, effective: effectiveDigest, instance: instanceKey, all: compiled.desired?.digest }
}

type Digests = Awaited<ReturnType<typeof digests>>

function changed(before: Digests, after: Digests): string[] {
  return (['spec', 'secret', 'effective', 'instance', 'all'] as const).filter(name => before[name] !== after[name])
}

const rotated = { secrets: createSecrets({ ...processEnv, PLUMB_SECRET_CRM: 'hunter3' }, async () => new Map()) }

for (const [what, before, after, options, expected] of [
  ['nothing', 'timeout: 1', 'timeout: 1', {}, []],
  ['the order of fields', 'timeout: 1, pool_size: 2', 'pool_size: 2, timeout: 1', {}, []],
  ['a default written out', 'timeout: 1', 'timeout: 1, pool_size: 20', {}, []],
  ['an alias', 'validate_tls: false', 'tls_verify: false', {}, []],
  ['a field that may change in place', 'timeout: 1', 'timeout: 2', {}, ['spec', 'effective', 'all']],
  ['a field that needs a new connection', 'pool_size: 1', 'pool_size: 2', {}, ['spec', 'effective', 'instance', 'all']],
  [
    'a secret in a field that may change in place',
    'content_type: "${{ secrets.crm }}"',
    'content_type: "${{ secrets.crm }}"',
    rotated,
    ['secret', 'effective', 'all'],
  ],
  [
    'a process variable',
    'content_type: "${{ env.REGION }}"',
    'content_type: "${{ env.REGION }}"',
    { env: { REGION: 'us' } },
    ['spec', 'effective', 'all'],
  ],
  ['a process variable that is not used', 'timeout: 1', 'timeout: 1', { env: { REGION: 'us' } }, []],
  ['a secret that is not used', 'timeout: 1', 'timeout: 1', rotated, []],
] as const)
  test(`a change of ${what} changes ${expected.length === 0 ? 'no digest' : expected.join(', ')}`, async () => {
    assert.deepEqual(changed(await digests(outgoing(before)), await digests(outgoing(after), options)), expected)
  })

test('a change of a secret of a connection reconnects it', async () => {
  const yaml = 'redis:\n  - {name: cache, host: h, password: "${{ secrets.crm }}"}\n'
  const keyOf = async (options: Partial<EstateOptions>) =>
    resourceOf(await compileFiles(devEstate(yaml), { documents, ...options }), 'redis/cache').instanceKey
  assert.notEqual(await keyOf({}), await keyOf(rotated))
})

test('a variable that gives what stood there before changes nothing', async () => {
  assert.deepEqual(changed(await digests(outgoing('content_type: one')), await digests(outgoing('content_type: "${{ vars.v }}"'))), [])
})

test('without a key the secret digest is null, and the others do not depend on the secret', async () => {
  const yaml = outgoing('content_type: "${{ secrets.crm }}"')
  const before = await digests(yaml, { keys: null })
  assert.equal(before.secret, null)
  assert.deepEqual(changed(before, await digests(yaml, { keys: null, ...rotated })), [])
})

test('the same under another key gives another secret digest and the same spec digest', async () => {
  const yaml = outgoing('content_type: "${{ secrets.crm }}"')
  const other = await digests(yaml, { keys: { digestKey: Buffer.alloc(32, 9) } })
  assert.deepEqual(changed(await digests(yaml), other), ['secret', 'effective', 'all'])
})

test('what is moved to another file, or comes from the base, has the same digest', async () => {
  const before = await digests(outgoing('timeout: 3'))
  const files = {
    'environments/dev/environment.yaml': `${environment}extends: [../base]\n`,
    'environments/base/other.yaml': `# moved\n${outgoing('timeout: 4')}`,
    'environments/dev/deep/er.yaml': 'outgoing_rest:\n  - name: CRM # an overlay\n    timeout: 3\n',
  }
  const compiled = await compileFiles(files, { documents })
  assert.equal(compiled.desired?.digest, before.all)
})

test('of a service the digest depends on its code and on the lockfile', async () => {
  const digestOf = async (code: string, lockfile: string) => {
    const modules = { 'services/code.ts': digestOfBytes(code) }
    const compiled = await compileFiles(devEstate(outgoing('timeout: 1')), { documents, lockfile, services: [{ name: 's', modules }] })
    return resourceOf(compiled, 'service/s').effectiveDigest
  }
  assert.equal(await digestOf('code', 'lock'), await digestOf('code', 'lock'))
  assert.notEqual(await digestOf('code', 'lock'), await digestOf('other', 'lock'))
  assert.notEqual(await digestOf('code', 'lock'), await digestOf('code', 'other'))
})
