import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { isObject, type Json, type JsonObject } from '../../schema/json.ts'
import { textsOf } from '../../schema/kind.ts'
import { kindName } from '../../schema/ref.ts'
import { builtinSchemas, builtinVocabulary, createVocabulary, type Kind } from '../../schema/vocabulary.ts'
import zato from './zato-fields.json' with { type: 'json' }

const vocabulary = builtinVocabulary()

function kindOf(section: string): Kind {
  const kind = vocabulary.kindOfSection(section)
  assert(kind, `no section ${section}`)
  return kind
}

const whole: Record<string, JsonObject> = {
  security: { name: 'a', type: 'basic_auth', username: 'u', password: `\${{ secrets.p }}` },
  groups: { name: 'a', members: ['x'] },
  channel_rest: { name: 'a', service: 's', url_path: '/a', public: true },
  outgoing_rest: { name: 'a', host: 'https://a.example', url_path: '/a' },
  sql: { name: 'a', type: 'postgresql', host: 'h', port: 5432, db_name: 'd', username: 'u' },
  redis: { name: 'a', host: 'h' },
  scheduler: { name: 'a', service: 's', job_type: 'interval_based', minutes: 5 },
}

test('builtinVocabulary() has the kinds of kinds/, of which only the service has no section', () => {
  const names = [...vocabulary.kinds.keys()].sort()
  assert.deepEqual(names, ['channel_rest', 'groups', 'outgoing_rest', 'redis', 'scheduler', 'security', 'service', 'sql'])
  const hidden = [...vocabulary.kinds.values()].filter(kind => kind.section === null).map(kind => kind.name)
  assert.deepEqual(hidden, ['service'])
})

test('kindOfSection() knows the other spelling of a section, nearestSection() the one that was meant', () => {
  assert.equal(kindOf('outconn_sql').name, 'sql')
  assert.equal(vocabulary.kindOfSection('sqll'), undefined)
  assert.equal(vocabulary.nearestSection('chanel_rest'), 'channel_rest')
  assert.equal(vocabulary.nearestSection('kafka'), undefined)
})

test('a kind says what it refers to, what is secret, what changes in place and what a service gets', () => {
  const channel = kindOf('channel_rest')
  assert.deepEqual(channel.refFields, [
    { path: ['service'], kinds: ['service'] },
    { path: ['security'], kinds: ['security'] },
    { path: ['groups', '*'], kinds: ['groups'] },
    { path: ['gateway_service_list', '*'], kinds: ['service'] },
  ])
  const rest = kindOf('outgoing_rest')
  assert(rest.inPlace.has('timeout') && !rest.inPlace.has('host'))
  assert.equal(rest.mergeKeys.get('request_headers'), 'key')
  assert.deepEqual(kindOf('sql').secretPaths, [['password']])
  assert.deepEqual(kindOf('sql').client, { method: 'sql', import: 'pg', type: 'Pool' })
  assert.deepEqual([kindOf('redis').plumb, kindOf('sql').plumb], [true, false])
})

for (const [section, item] of Object.entries(whole))
  test(`normalise() finds nothing wrong with a whole ${section}`, () => {
    assert.deepEqual(vocabulary.normalise(kindOf(section), item).findings, [])
  })

for (const [what, section, change, expected] of [
  ['a misspelt field', 'channel_rest', { methd: 'GET' }, 'UNKNOWN_FIELD /methd'],
  ['a field named __proto__', 'channel_rest', JSON.parse('{"__proto__": 1}'), 'UNKNOWN_FIELD /__proto__'],
  ['a wrong type', 'channel_rest', { timeout: 'ten' }, 'WRONG_TYPE /timeout'],
  ['a number with a fraction', 'channel_rest', { timeout: 1.5 }, 'WRONG_TYPE /timeout'],
  ['a list of other things', 'groups', { members: [1] }, 'WRONG_TYPE /members/0'],
  ['a missing field', 'channel_rest', { url_path: null }, 'MISSING_FIELD '],
  ['a user name that its type needs', 'security', { username: null }, 'MISSING_FIELD '],
  ['a value out of range', 'sql', { port: 70_000 }, 'INVALID_VALUE /port'],
  ['a value that is not in the list', 'sql', { type: 'postgres' }, 'INVALID_VALUE /type'],
  ['a path that does not begin with a slash', 'channel_rest', { url_path: 'a' }, 'INVALID_VALUE /url_path'],
  ['a host without scheme', 'outgoing_rest', { host: 'a.example' }, 'INVALID_VALUE /host'],
  ['a line break in a header', 'channel_rest', { content_type: 'text/plain\r\nX: y' }, 'INVALID_VALUE /content_type'],
  ['an expression in a list of values', 'sql', { type: `\${{ secrets.t }}` }, 'INVALID_VALUE /type'],
  ['a field of another type', 'security', { header: 'X-Key' }, 'MISPLACED_FIELD /header'],
  ['two spellings that differ', 'outgoing_rest', { tls_verify: false, validate_tls: true }, 'INVALID_VALUE /tls_verify'],
  ['an alias of a wrong type', 'outgoing_rest', { tls_verify: 'no' }, 'WRONG_TYPE /tls_verify'],
  ['an empty name', 'redis', { name: '' }, 'INVALID_NAME /name'],
  ['a name of 201 characters', 'redis', { name: 'x'.repeat(201) }, 'INVALID_NAME /name'],
  ['a control character in a name', 'redis', { name: 'a\u0007' }, 'INVALID_NAME /name'],
  ['a bidirectional character in a name', 'redis', { name: 'a\u202eb' }, 'INVALID_NAME /name'],
  ['half a character in a name', 'redis', { name: 'a\ud800' }, 'INVALID_NAME /name'],
  ['an expression in a name', 'redis', { name: `\${{ vars.x }}` }, 'INVALID_NAME /name'],
  ['a cache that is not served', 'channel_rest', { response_cache: { is_enabled: true } }, 'FIELD_NOT_SERVED /response_cache'],
  ['a data format that is not served', 'channel_rest', { data_format: 'hl7-v2' }, 'FIELD_NOT_SERVED /data_format'],
  ['a rate limit', 'channel_rest', { rate_limiting: [{}] }, 'FIELD_NOT_SERVED /rate_limiting closes'],
  ['a quota', 'security', { quota_tier: 'gold' }, 'FIELD_NOT_SERVED /quota_tier closes'],
  ['a type that is not served', 'security', { type: 'ntlm' }, 'FIELD_NOT_SERVED /type closes'],
  ['a database that is not served', 'sql', { type: 'mysql' }, 'FIELD_NOT_SERVED /type closes'],
  ['a TLS setting that is not served', 'redis', { tls: true }, 'FIELD_NOT_SERVED /tls closes'],
] as const)
  test(`normalise() of a ${section} with ${what} gives ${expected.split(' ')[0]}`, () => {
    const { findings } = vocabulary.normalise(kindOf(section), { ...whole[section], ...change })
    assert.deepEqual(
      findings.map(({ code, pointer, closes }) => `${code} ${pointer}${closes === undefined ? '' : ' closes'}`),
      [expected],
    )
  })

test('normalise() suggests the field and the value that were meant', () => {
  const messages = vocabulary
    .normalise(kindOf('sql'), { ...whole.sql, type: 'postgres', pool_sise: 3 })
    .findings.map(finding => finding.message)
  assert(messages.some(message => message.includes('did you mean "postgresql"?')))
  assert(messages.some(message => message.includes('did you mean "pool_size"?')))
})

test('normalise() never repeats a value, which may come from a process variable', () => {
  const marked = 'hunter2-\u0007'
  for (const [section, item] of Object.entries(whole))
    for (const field of Object.keys(vocabulary.normalise(kindOf(section), item).spec))
      for (const value of [marked, [marked], { x: marked }]) {
        const { findings } = vocabulary.normalise(kindOf(section), { ...item, [field]: value })
        assert(!JSON.stringify(findings).includes('hunter2'), `${section}.${field}`)
      }
})

test('normalise() accepts an expression wherever a text has to have a form', () => {
  const host = `\${{ secrets.crm }}`
  assert.deepEqual(vocabulary.normalise(kindOf('outgoing_rest'), { ...whole.outgoing_rest, host }).findings, [])
})

test('normalise() takes an unserved field at its default, and null, for silence', () => {
  const channel = { ...whole.channel_rest, rate_limiting: [], response_cache: {}, is_deprecated: false, security: null, timeout: null }
  const { spec, findings } = vocabulary.normalise(kindOf('channel_rest'), channel)
  assert.deepEqual(findings, [])
  assert.deepEqual(spec, vocabulary.normalise(kindOf('channel_rest'), whole.channel_rest ?? {}).spec)
})

test('normalise() renames aliases and fills in the defaults that the type takes', () => {
  const { spec } = vocabulary.normalise(kindOf('outgoing_rest'), { ...whole.outgoing_rest, tls_verify: false, security_name: 'x' })
  assert.deepEqual([spec.validate_tls, spec.security, 'tls_verify' in spec, spec.timeout], [false, 'x', false, 60])
  const basic = vocabulary.normalise(kindOf('security'), whole.security ?? {}).spec
  assert.deepEqual([basic.realm, 'header' in basic], ['zato', false])
  const apikey = vocabulary.normalise(kindOf('security'), { name: 'a', type: 'apikey' }).spec
  assert.deepEqual([apikey.header, 'realm' in apikey], ['X-API-Key', false])
})

test('normalise() of what it gave gives the same, for any declaration', () => {
  const value: fc.Arbitrary<Json> = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(fc.string(), { maxLength: 2 }),
  )
  for (const [section, item] of Object.entries(whole)) {
    const kind = kindOf(section)
    const properties = isObject(kind.schema.properties) ? kind.schema.properties : {}
    const names = Object.entries(properties).flatMap(([name, field]) => [name, ...(isObject(field) ? textsOf(field['x-alias']) : [])])
    const changes = fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string({ maxLength: 5 })), value, { maxKeys: 6 })
    fc.assert(
      fc.property(changes, change => {
        const once = vocabulary.normalise(kind, { ...item, ...change })
        const twice = vocabulary.normalise(kind, once.spec)
        assert.deepEqual(twice.spec, once.spec)
        assert.deepEqual(vocabulary.normalise(kind, twice.spec).findings, twice.findings)
      }),
      { numRuns: 60 },
    )
  }
})

for (const [section, path, expected] of [
  ['sql', ['port'], 'integer'],
  ['outgoing_rest', ['tls_verify'], 'boolean'],
  ['outgoing_rest', ['retry_backoff_multiplier'], 'number'],
  ['groups', ['members', 0], 'string'],
  ['outgoing_rest', ['request_headers', 1, 'value'], 'string'],
  ['sql', ['nothing', 'here'], undefined],
  ['sql', ['constructor'], undefined],
] as const)
  test(`typeAt() of ${section} ${path.join('.')} is ${expected}`, () => {
    assert.equal(vocabulary.typeAt(kindOf(section), path, {}), expected)
  })

test('createVocabulary() adds the kinds of an estate, and drops references to kinds it does not have', () => {
  const custom = {
    title: 'custom_fax',
    'x-section': 'custom_fax',
    type: 'object',
    required: ['name'],
    properties: { name: { type: 'string' }, via: { type: 'string', 'x-ref': ['sql', 'gopher'] } },
    additionalProperties: true,
  }
  const wider = createVocabulary([...builtinSchemas(), custom])
  const fax = wider.kinds.get(kindName('custom_fax'))
  assert.deepEqual(fax?.refFields, [{ path: ['via'], kinds: ['sql'] }])
  assert.deepEqual(fax && wider.normalise(fax, { name: 'a', anything: 1 }).findings, [])
  assert.deepEqual(createVocabulary([custom]).kinds.get(kindName('custom_fax'))?.refFields, [])
})

test('createVocabulary() refuses a keyword that is misspelt', () => {
  const bad = { title: 'bad', type: 'object', properties: { name: { type: 'string', 'x-sercet': true } } }
  const odd = createVocabulary([bad])
  const kind = odd.kinds.get(kindName('bad'))
  assert.throws(() => kind && odd.normalise(kind, { name: 'a' }), /x-sercet/)
  assert.throws(() => createVocabulary([{ title: 'worse' }]), /properties/)
})

/** Where ours is another, and why. */
const otherwise: Readonly<Record<string, Json>> = {
  // A job that is declared runs; an import writes `false` where Zato would have created it switched off.
  'scheduler.is_active': true,
}
/** Values that Zato does not have. */
const added: Readonly<Record<string, readonly Json[]>> = { 'scheduler.job_type': ['cron'] }

for (const [section, { required, aliases, fields }] of Object.entries(zato.sections))
  test(`${section} has every field, default and value of Zato's`, () => {
    const kind = kindOf(section)
    const properties = isObject(kind.schema.properties) ? kind.schema.properties : {}
    const spelling = new Map(
      Object.entries(properties).flatMap(([name, field]) =>
        [name, ...(isObject(field) ? textsOf(field['x-alias']) : [])].map(alias => [alias, field] as const),
      ),
    )
    for (const [name, theirs] of Object.entries(fields) as [string, { default?: Json; enum?: Json; secret?: boolean }][]) {
      const ours = spelling.get(name)
      assert(isObject(ours), `${section}.${name} is absent`)
      assert.deepEqual(ours.default, otherwise[`${section}.${name}`] ?? theirs.default, name)
      if (theirs.enum) assert.deepEqual(ours.enum, [...(theirs.enum as Json[]), ...(added[`${section}.${name}`] ?? [])], name) // an enum is a list
      if (theirs.secret) assert.equal(ours['x-secret'], true, name)
    }
    const ofOurs = Object.entries(properties).filter(([name]) => !(name in fields))
    for (const [name, field] of ofOurs) assert(isObject(field) && field['x-plumb'] === true, `${section}.${name} is not marked as ours`)
    assert.deepEqual(kind.schema.required, required)
    assert.deepEqual(kind.sectionAliases, aliases)
  })
