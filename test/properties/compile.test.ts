// Laws of compilation: what must hold for every input, not only for the examples.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { afterAll, test } from 'vitest'
import { stringify } from 'yaml'
import { adapterTable } from '../../adapters/table.ts'
import { channelRow } from '../../engine/plane/channel.ts'
import type { Desired } from '../../reconcile/compile/desired.ts'
import { marksIn } from '../../reconcile/compile/document.ts'
import { DocumentCache } from '../../reconcile/compile/document-cache.ts'
import { readItems } from '../../reconcile/compile/items.ts'
import { mergeChain, originsOf, overlayLayers } from '../../reconcile/compile/overlay.ts'
import { parseYaml } from '../../reconcile/compile/parse.ts'
import { createSecrets } from '../../reconcile/compile/secrets.ts'
import { fillTemplates } from '../../reconcile/compile/template.ts'
import { atPointer, isObject, type Json, type JsonObject } from '../../schema/json.ts'
import { parseRef } from '../../schema/ref.ts'
import { compileFiles, devEstate, vocabulary } from '../reconcile/compile/estate.ts'

const documents = new DocumentCache({ directory: null })
afterAll(() => documents[Symbol.asyncDispose]())

const key = fc.constantFrom('a', 'b', 'c', 'timeout', 'x', 'security')
const leaf = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }),
  fc.boolean(),
  fc.constantFrom('text', 'yes', '0123', ' x ', '#', 'a: b', '- x', '${{ vars.x }}'),
  fc.constant(null),
)
const value: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>(tie => ({
  value: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value
const item = fc.dictionary(key, value, { maxKeys: 5, noNullPrototype: true })

function chainOf(layers: readonly JsonObject[]) {
  const { chains } = overlayLayers(
    layers.map((fields, index) => {
      const parsed = parseYaml(Buffer.from(stringify({ outgoing_rest: [{ name: 'r', ...fields }] })))
      assert.ok(parsed.kind === 'document')
      return { name: `l${index}`, files: [readItems(`environments/l${index}/r.yaml`, `l${index}`, parsed.document, vocabulary)] }
    }),
  )
  return chains.get(parseRef('outgoing_rest/r')) ?? []
}

/** JSON merge patch as RFC 7396 writes it. */
function mergePatch(target: Json, patch: Json): Json {
  if (!isObject(patch)) return patch
  const result: Record<string, Json> = isObject(target) ? { ...target } : {}
  for (const [name, entry] of Object.entries(patch)) {
    if (entry === null) delete result[name]
    else result[name] = mergePatch(result[name] ?? null, entry)
  }
  return result
}

test('a document has the value that was written, and a mark for each node', () => {
  fc.assert(
    fc.property(item, written => {
      const parsed = parseYaml(Buffer.from(stringify(written)))
      assert.ok(parsed.kind === 'document')
      assert.deepEqual(parsed.document.value, written)
      assert.equal(parsed.document.marks.length, marksIn(written))
    }),
  )
})

test('overlays are RFC 7396, layer by layer', () => {
  fc.assert(
    fc.property(fc.array(item, { minLength: 1, maxLength: 4 }), layers => {
      const expected = layers.reduce<Json>((merged, layer) => mergePatch(merged, { name: 'r', ...layer }), {})
      assert.deepEqual(mergeChain(chainOf(layers)), expected)
    }),
  )
})

test('an overlay of nothing changes nothing, and the same overlay twice is the same as once', () => {
  fc.assert(
    fc.property(item, item, (base, overlay) => {
      assert.deepEqual(mergeChain(chainOf([base, {}])), mergeChain(chainOf([base])))
      assert.deepEqual(mergeChain(chainOf([base, overlay, overlay])), mergeChain(chainOf([base, overlay])))
    }),
  )
})

test('every leaf of a merged value has an origin that holds it', () => {
  fc.assert(
    fc.property(fc.array(item, { minLength: 1, maxLength: 3 }), layers => {
      const chain = chainOf(layers)
      const merged = mergeChain(chain)
      for (const [pointer, origin] of originsOf(chain)) {
        assert.deepEqual(atPointer(merged, pointer), origin.value)
        assert.deepEqual(atPointer(origin.item.value, origin.pointer), origin.value)
      }
    }),
  )
})

test('an overlay means the same in each spelling of a field', () => {
  const spelling = fc.constantFrom('security', 'security_name')
  const layer = fc.tuple(spelling, fc.constantFrom('a', 'b', null, undefined))
  const fieldsOf = (name: string, of: string | null | undefined): JsonObject => (of === undefined ? {} : { [name]: of })
  const canonical = (layers: readonly JsonObject[]) => {
    const kind = vocabulary.kindOfSection('outgoing_rest')
    assert.ok(kind)
    return vocabulary.normalise(kind, mergeChain(chainOf(layers))).spec
  }
  fc.assert(
    fc.property(fc.array(layer, { minLength: 1, maxLength: 4 }), layers => {
      const spelled = canonical(layers.map(([name, of]) => fieldsOf(name, of)))
      assert.deepEqual(spelled, canonical(layers.map(([, of]) => fieldsOf('security', of))))
    }),
  )
})

test('an expression is filled in once: what it gives is never read as an expression', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (before, x, after) => {
      fc.pre(!`${before}${after}`.includes('${') && !before.endsWith('$') && !before.startsWith('Zato_'))
      const inputs = { vars: { x }, secret: () => undefined, describeSecret: () => [], env: {}, allowedEnv: new Set<string>() }
      const { value: filled, problems } = fillTemplates(`${before}\${{ vars.x }}${after}`, inputs, () => 'string')
      assert.deepEqual(problems, [])
      assert.equal(filled, before + x + after)
    }),
  )
})

test('what is escaped comes out as it was meant', () => {
  fc.assert(
    fc.property(fc.string(), text => {
      fc.pre(!/\$$/.test(text) && !text.includes('$') && !text.startsWith('Zato_'))
      const inputs = { vars: {}, secret: () => undefined, describeSecret: () => [], env: {}, allowedEnv: new Set<string>() }
      assert.equal(fillTemplates(`${text}$\${{ vars.x }}`, inputs, () => 'string').value, `${text}\${{ vars.x }}`)
    }),
  )
})

const resources: JsonObject = {
  security: [{ name: 'crm', type: 'basic_auth', username: 'u', password: '${{ secrets.crm }}' }],
  channel_rest: [
    { name: 'orders', service: 'client.get', url_path: '/orders', security: 'crm', timeout: 30, is_active: true },
    { name: 'clients', service: 'client.get', url_path: '/clients/{id}', method: 'POST' },
  ],
  outgoing_rest: [{ name: 'CRM', host: 'https://crm.example.com', url_path: '/', request_headers: [{ key: 'a', value: 'b' }] }],
}

test('order, comments and formatting of a file change no digest', async () => {
  const expected = (await compileFiles(devEstate(stringify(resources)), { documents })).desired?.digest
  assert.ok(expected)
  const shuffled = (input: Json, random: () => number): Json => {
    if (Array.isArray(input)) return input.map(entry => shuffled(entry, random))
    if (!isObject(input)) return input
    const keys = Object.keys(input).map(name => [random(), name] as const)
    return Object.fromEntries(keys.sort(([one], [other]) => one - other).map(([, name]) => [name, shuffled(input[name] ?? null, random)]))
  }
  await fc.assert(
    fc.asyncProperty(
      fc.infiniteStream(fc.nat()),
      fc.constantFrom(2, 3, 5),
      fc.boolean(),
      fc.constantFrom('PLAIN', 'QUOTE_DOUBLE', 'QUOTE_SINGLE'),
      async (order, indent, flow, quotes) => {
        const random = () => order.next().value ?? 0
        const yaml = stringify(shuffled(resources, random), {
          indent,
          collectionStyle: flow ? 'flow' : 'block',
          defaultStringType: quotes,
          defaultKeyType: 'PLAIN',
        })
        const commented = `# ${random()}\n${flow ? yaml : yaml.replaceAll('\n', ` # ${random()}\n`)}\n# end\n`
        const compiled = await compileFiles(devEstate(commented), { documents })
        assert.equal(compiled.desired?.digest, expected, commented)
      },
    ),
    { numRuns: 40 },
  )
})

const edit = fc.record({
  layer: fc.constantFrom('base', 'dev'),
  file: fc.constantFrom('a', 'b', 'c'),
  yaml: fc.constantFrom(
    'redis:\n  - {name: cache, host: h}\n',
    'redis:\n  - {name: cache, port: 1}\n  - {name: other, host: "${{ vars.h }}"}\n',
    'redis:\n  - {name: cache, host: "${{ secrets.crm }}", password: "${{ secrets.crm }}"}\n',
    'redis:\n  - {name: cache, $remove: true}\n',
    'channel_rest:\n  - {name: c, service: client.get, url_path: /c, security: s}\n',
    'channel_rest:\n  - {name: d, service: client.get, url_path: /c, public: true}\n',
    'security:\n  - {name: s, type: apikey, username: u, password: "${{ secrets.db }}"}\n',
    'security:\n  - {name: s, type: basic_auth, username: u, password: "${{ secrets.crm }}"}\n',
    'channel_rest:\n  - {name: c, service: client.get, url_path: /c, security_name: s}\n',
    'channel_rest:\n  - {name: c, security: null, public: true}\n',
    'channel_rest:\n  - {name: d, service: client.get, url_path: /d, groups: [e\u0301, ""]}\n',
    'groups:\n  - {name: \u00e9, members: [s]}\n',
    'redis:\n  - {name: cache, host: h}\nsops: {mac: x}\n',
    'redis: [',
    '',
  ),
  h: fc.constantFrom('one', 'two'),
  crm: fc.constantFrom('hunter2', 'hunter3'),
  strict: fc.boolean(),
})

test('a compilation that remembers earlier ones gives what one that remembers nothing gives', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 6 }), async edits => {
      const files: Record<string, string> = { 'environments/base/a.yaml': 'redis:\n  - {name: cache, host: h}\n' }
      for (const { layer, file, yaml, h, crm, strict } of edits) {
        files[`environments/${layer}/${file}.yaml`] = yaml
        files['environments/dev/environment.yaml'] =
          `environment: dev\nextends: [../base]\nrequireSecurity: ${strict}\nvars: {h: ${h}}\nsecrets: [{env: P_}]\n`
        const secrets = createSecrets({ P_CRM: crm, P_DB: 'hunter4' })
        const rows = () => adapterTable([channelRow]).values()
        const remembering = await compileFiles(files, { documents, secrets, rows: rows() })
        const fresh = await compileFiles(files, { documents: forgetful(documents), secrets, rows: rows() })
        assert.deepEqual(remembering.issues, fresh.issues)
        assert.deepEqual(plain(remembering.desired), plain(fresh.desired))
      }
    }),
    { numRuns: 60 },
  )
})

/** The order of resources is nothing that anyone may rely on. */
function plain(desired: Desired | null) {
  return desired && { ...desired, resources: new Map(desired.resources) }
}

/** The same parsed documents, copied, so that nothing that was remembered of them applies. */
function forgetful(known: DocumentCache): DocumentCache {
  const cache = new DocumentCache({ directory: null })
  cache.parsed = async (files, read) => structuredClone(await known.parsed(files, read))
  return cache
}

test('a file cut short at any byte either is refused or is a valid document, and never throws', () => {
  const bytes = Buffer.from(
    `\uFEFF# ünïcode\n${stringify(resources)}anchors: &a {x: "q\\u00e9", y: 'z', <<: {w: 1}}\nuse: *a\nblock: |\n  text\n`,
  )
  for (let end = 0; end <= bytes.length; end++) {
    const parsed = parseYaml(bytes.subarray(0, end))
    if (parsed.kind === 'refused') assert.ok(parsed.refusals.length > 0)
    else assert.equal(parsed.document.marks.length, marksIn(parsed.document.value))
  }
})

test('a file with any byte changed either is refused or is a valid document, and never throws', () => {
  const bytes = Buffer.from(stringify(resources))
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
      const damaged = Buffer.from(bytes)
      damaged[at] = byte
      const parsed = parseYaml(damaged)
      if (parsed.kind === 'document') assert.equal(parsed.document.marks.length, marksIn(parsed.document.value))
    }),
    { numRuns: 500 },
  )
})
