import assert from 'node:assert/strict'
import { afterAll, test } from 'vitest'
import { DocumentCache } from '../../../reconcile/compile/document-cache.ts'
import { readItems } from '../../../reconcile/compile/items.ts'
import { mergeChain, originsOf, overlayLayers } from '../../../reconcile/compile/overlay.ts'
import { parseYaml } from '../../../reconcile/compile/parse.ts'
import { parseRef } from '../../../schema/ref.ts'
import { createVocabulary } from '../../../schema/vocabulary.ts'
import { compileFiles, devEstate, environmentYaml, placesOf, vocabulary } from './estate.ts'

const documents = new DocumentCache({ directory: null })
afterAll(() => documents[Symbol.asyncDispose]())

/** The layers' items laid over each other; each layer is one file. */
function overlaid(...layers: readonly string[]) {
  return overlayLayers(
    layers.map((text, index) => {
      const parsed = parseYaml(Buffer.from(text))
      if (parsed.kind !== 'document') throw new Error(JSON.stringify(parsed))
      const name = index === 0 ? 'base' : `layer${index}`
      const file = readItems(`environments/${name}/r.yaml`, name, parsed.document, vocabulary)
      assert.deepEqual(file.issues, [])
      return { name, files: [file] }
    }),
  )
}

function merged(ref: string, ...layers: readonly string[]) {
  const chain = overlaid(...layers).chains.get(parseRef(ref))
  return chain && mergeChain(chain)
}

const crm = (fields: string): string => `outgoing_rest:\n  - {name: CRM, ${fields}}\n`

for (const [what, base, overlay, expected] of [
  ['replaces a value', 'host: a, timeout: 1', 'timeout: 2', { host: 'a', timeout: 2 }],
  ['adds a value', 'host: a', 'timeout: 2', { host: 'a', timeout: 2 }],
  ['takes a value back to its default with null', 'host: a, timeout: 1', 'timeout: null', { host: 'a' }],
  ['merges a mapping', 'x: {a: 1, b: 2}', 'x: {b: 3, c: null}', { x: { a: 1, b: 3 } }],
  ['takes an entry out of a mapping with null', 'x: {a: 1, b: 2}', 'x: {a: null}', { x: { b: 2 } }],
  ['replaces a mapping by a value', 'x: {a: 1}', 'x: 1', { x: 1 }],
  ['replaces a list without a merge key', 'x: [1, 2]', 'x: [3]', { x: [3] }],
  [
    'merges a list by its key',
    'request_headers: [{key: a, value: 1}, {key: b, value: 2}]',
    'request_headers: [{key: b, value: 3}, {key: c}]',
    {
      request_headers: [{ key: 'a', value: 1 }, { key: 'b', value: 3 }, { key: 'c' }],
    },
  ],
  [
    'drops an item of such a list',
    'request_headers: [{key: a}, {key: b}]',
    'request_headers: [{key: a, $remove: true}]',
    { request_headers: [{ key: 'b' }] },
  ],
  ['starts anew with $replace', 'host: a, timeout: 1', '$replace: true, host: b', { host: 'b' }],
  ['takes an alias back to its default by the name of the field', 'security_name: x, host: a', 'security: null', { host: 'a' }],
  ['takes a field back to its default by its alias', 'security: x, host: a', 'security_name: null', { host: 'a' }],
  ['takes both spellings of a field back with one', 'security: x, security_name: x', 'security: null', {}],
  ['replaces an alias by the name of the field', 'security_name: x, host: a', 'security: y', { security: 'y', host: 'a' }],
  ['replaces a field by its alias', 'security: x, tls_verify: true', 'security_name: y', { security_name: 'y', tls_verify: true }],
  ['leaves the spelling of what it does not name', 'security_name: x, host: a', 'host: b', { security_name: 'x', host: 'b' }],
  ['starts anew with $replace and an alias', 'security: x, timeout: 1', '$replace: true, security_name: y', { security_name: 'y' }],
] as const)
  test(`an overlay ${what}`, () => assert.deepEqual(merged('outgoing_rest/CRM', crm(base), crm(overlay)), { name: 'CRM', ...expected }))

test('a list is merged by its key, and by an alias of itself too', () => {
  const aliased = createVocabulary([
    {
      title: 'relay',
      type: 'object',
      properties: {
        name: { type: 'string' },
        hops: { type: 'array', 'x-alias': ['stops'], 'x-merge-key': 'at', items: { type: 'object' } },
        limits: { type: 'object', 'x-alias': ['bounds'] },
      },
    },
  ])
  const chain = overlayLayers(
    ['hops: [{at: a, n: 1}, {at: b, n: 1}], limits: {x: 1, y: 1}', 'stops: [{at: a, n: 2}, {at: b, $remove: true}], bounds: {y: 2}'].map(
      (fields, index) => {
        const parsed = parseYaml(Buffer.from(`relay:\n  - {name: r, ${fields}}\n`))
        assert.ok(parsed.kind === 'document')
        return { name: `l${index}`, files: [readItems(`environments/l${index}/r.yaml`, `l${index}`, parsed.document, aliased)] }
      },
    ),
  ).chains.get(parseRef('relay/r'))
  assert.ok(chain)
  assert.deepEqual(mergeChain(chain), { name: 'r', stops: [{ at: 'a', n: 2 }], bounds: { x: 1, y: 2 } })
  const origins = [...originsOf(chain)].map(([pointer, { item, pointer: own }]) => `${pointer} ${item.layer}${own}`)
  assert.deepEqual(origins, [
    '/name l1/name',
    '/stops/0/at l1/stops/0/at',
    '/stops/0/n l1/stops/0/n',
    '/bounds/x l0/limits/x',
    '/bounds/y l1/bounds/y',
  ])
})

for (const [what, base, overlay, expected] of [
  ['the alias of the overlay', 'security: crm', 'security_name: erp', ['erp', 'dev', 5, 20]],
  ['the alias of the base', 'security_name: crm', 'timeout: 5', ['crm', 'base', 6, 20]],
  ['the field over its alias', 'security_name: crm', 'security: erp', ['erp', 'dev', 5, 15]],
] as const)
  test(`explain() of a field in two spellings leads to ${what}`, async () => {
    const files = {
      ...devEstate(
        `channel_rest:\n  - name: orders\n    # here\n    url_path: /orders\n    ${overlay}\n`,
        `${environmentYaml}extends: [../base]\n`,
      ),
      'environments/base/r.yaml': `channel_rest:\n  - name: orders\n    service: client.get\n    url_path: /\n    timeout: 1\n    ${base}\n`,
      'environments/base/security.yaml': 'security:\n  - {name: crm, type: apikey}\n  - {name: erp, type: apikey}\n',
    }
    const { explain, issues } = await compileFiles(files, { documents })
    assert.deepEqual(issues, [])
    const leaf = explain(parseRef('channel_rest/orders'))?.find(({ pointer }) => pointer === '/security')
    assert.deepEqual(leaf?.from.kind === 'file' && [leaf.value, leaf.from.layer, leaf.from.at.line, leaf.from.at.column], expected)
  })

for (const [what, base, overlay, place] of [
  ['by its alias over the field', 'security: crm', 'security_name: 1.5', 'dev/resources.yaml:3:20'],
  ['by its own name over the alias', 'security_name: crm', 'security: nobody', 'dev/resources.yaml:3:15'],
  ['by its alias, with nothing over it', 'security_name: nobody', 'timeout: 5', 'base/r.yaml:5:20'],
] as const)
  test(`a mistake in a field that is declared ${what} is told in the spelling and at the line that were written`, async () => {
    const files = {
      ...devEstate(`channel_rest:\n  - name: orders\n    ${overlay}\n`, `${environmentYaml}extends: [../base]\n`),
      'environments/base/r.yaml': `channel_rest:\n  - name: orders\n    service: client.get\n    url_path: /\n    ${base}\n`,
      'environments/base/security.yaml': 'security:\n  - {name: crm, type: apikey}\n',
    }
    const { issues } = await compileFiles(files, { documents })
    assert.deepEqual(placesOf(issues), [`UNRESOLVED_REF ${place}`])
  })

test('an overlay that opens a guarded channel is told the spelling of the guard', async () => {
  const files = {
    ...devEstate('channel_rest:\n  - {name: orders, public: true}\n', `${environmentYaml}extends: [../base]\n`),
    'environments/base/r.yaml': 'channel_rest:\n  - {name: orders, service: client.get, url_path: /, security_name: crm}\n',
    'environments/base/security.yaml': 'security:\n  - {name: crm, type: apikey}\n',
  }
  const { issues } = await compileFiles(files, { documents })
  assert.deepEqual(placesOf(issues), ['PUBLIC_WITH_SECURITY dev/resources.yaml:2:28'])
  assert.match(issues[0]?.message ?? '', /also names "security_name"/)
})

test('an overlay opens a channel whose base names its guard by an alias', async () => {
  const files = {
    ...devEstate(
      'channel_rest:\n  - {name: orders, public: true, security: null}\n',
      `${environmentYaml.replace('false', 'true')}extends: [../base]\n`,
    ),
    'environments/base/r.yaml': 'channel_rest:\n  - {name: orders, service: client.get, url_path: /, security_name: crm}\n',
    'environments/base/security.yaml': 'security:\n  - {name: crm, type: apikey}\n',
  }
  assert.deepEqual((await compileFiles(files, { documents })).issues, [])
})

test('an overlay removes a base resource, and the next one may declare it again', () => {
  assert.equal(merged('outgoing_rest/CRM', crm('host: a'), crm('$remove: true')), undefined)
  assert.deepEqual(merged('outgoing_rest/CRM', crm('host: a'), crm('$remove: true'), crm('timeout: 2')), { name: 'CRM', timeout: 2 })
})

test('a base item has neither directives nor nulls left', () => {
  assert.deepEqual(merged('outgoing_rest/CRM', crm('host: a, timeout: null, x: {a: null, b: 1}, $replace: true')), {
    name: 'CRM',
    host: 'a',
    x: { b: 1 },
  })
})

for (const [what, overlay, codes] of [
  ['flags a name that is nearly one of the base', 'outgoing_rest:\n  - {name: CMR, host: a}', ['OVERLAY_WITHOUT_BASE']],
  ['does not flag a name that is another', 'outgoing_rest:\n  - {name: Billing, host: a}', []],
  ['flags the removal of what is not there', 'outgoing_rest:\n  - {name: Billing, $remove: true}', ['OVERLAY_WITHOUT_BASE']],
] as const)
  test(`overlayLayers() ${what}, as a warning`, () => {
    const { issues } = overlaid(crm('host: a'), overlay)
    assert.deepEqual(
      issues.map(issue => issue.code),
      codes,
    )
    assert.ok(issues.every(issue => issue.severity === 'warning'))
  })

test('overlayLayers() does not take a series for a slip', () => {
  const { issues } = overlaid('redis:\n  - {name: cache-1, host: a}', 'redis:\n  - {name: cache-2, host: a}')
  assert.deepEqual(issues, [])
})

test('a list whose items share their key is refused, and both are named', async () => {
  const yaml = 'outgoing_rest:\n  - name: CRM\n    host: http://a\n    url_path: /\n    request_headers: [{key: a}, {key: b}, {key: a}]\n'
  const { issues } = await compileFiles(devEstate(yaml), { documents })
  const found = issues.find(issue => issue.code === 'DUPLICATE_LIST_KEY')
  assert.match(found?.message ?? '', /items 1 and 3/)
})

test('an item of a merged list is explained by the layer it came from', async () => {
  const files = {
    ...devEstate('outgoing_rest:\n  - name: CRM\n    request_headers: [{key: b, value: y}]\n', `${environmentYaml}extends: [../base]\n`),
    'environments/base/r.yaml':
      'outgoing_rest:\n  - name: CRM\n    host: http://a\n    url_path: /\n    request_headers: [{key: a, value: x}]\n',
  }
  const { explain } = await compileFiles(files, { documents })
  const from = (pointer: string) => {
    const leaf = explain(parseRef('outgoing_rest/CRM'))?.find(found => found.pointer === pointer)
    return leaf?.from.kind === 'file' ? `${leaf.from.layer}:${leaf.from.at.line}:${leaf.from.at.column}` : leaf?.from.kind
  }
  assert.equal(from('/request_headers/0/value'), 'base:5:39')
  assert.equal(from('/request_headers/1/value'), 'dev:3:39')
})
