import assert from 'node:assert/strict'
import { afterAll, test } from 'vitest'
import { adapterTable } from '../../../adapters/table.ts'
import { channelRow } from '../../../engine/plane/channel.ts'
import { DocumentCache } from '../../../reconcile/compile/document-cache.ts'
import { compileFiles, devEstate, environmentYaml, placesOf } from './estate.ts'

const documents = new DocumentCache({ directory: null })
afterAll(() => documents[Symbol.asyncDispose]())

const rows = adapterTable([channelRow]).values().toArray()
const environment = `${environmentYaml.replace('requireSecurity: false', 'requireSecurity: true')}env: [UNSET]\n`
const unset = '"${{ env.UNSET }}"'
const channel = (fields: string): string => `channel_rest:\n  - {name: c, service: client.get, ${fields}}\n`
const security = 'security:\n  - {name: s, type: apikey, username: u, password: "${{ secrets.db }}"}\n'

for (const [what, yaml, expected] of [
  ['a number', channel(`url_path: /a, public: true, timeout: ${unset}`), []],
  ['a boolean', channel(`url_path: /a, public: true, is_active: ${unset}`), []],
  ['a value of a closed choice', `outgoing_rest:\n  - {name: o, host: "http://h", url_path: /, ping_method: ${unset}}\n`, []],
  ['a value that may not be served', `outgoing_rest:\n  - {name: o, host: "http://h", url_path: /, data_format: ${unset}}\n`, []],
  ['a text of a form', `outgoing_rest:\n  - {name: o, host: ${unset}, url_path: /}\n`, []],
  ['a reference', `channel_rest:\n  - {name: c, service: ${unset}, url_path: /a, public: true}\n`, []],
  ['a guard', channel(`url_path: /a, security: ${unset}`), []],
  ['an item of a list', `${security}groups:\n  - {name: g, members: [s, ${unset}]}\n`, []],
  ['a whole list', `groups:\n  - {name: g, members: ${unset}}\n`, []],
  ['a path', channel(`url_path: ${unset}, public: true`), []],
  ['a part of a path', channel('url_path: "/a/${{ env.UNSET }}/b", public: true'), []],
  ['what opens a channel', channel(`url_path: /a, public: ${unset}`), []],
  ['a guard beside what opens a channel', channel(`url_path: /a, public: true, security: ${unset}`), []],
  ['a type that decides over other fields', `security:\n  - {name: s, type: ${unset}, header: x, username: u}\n`, []],
  ['a secret', `security:\n  - {name: s, type: apikey, username: u, password: ${unset}}\n`, []],
  ['a field that is not there', channel(`url_path: /a, public: true, nope: ${unset}`), ['UNKNOWN_FIELD']],
  [
    'a field that is not served',
    `outgoing_rest:\n  - {name: o, host: "http://h", url_path: /, request_method: ${unset}}\n`,
    ['FIELD_NOT_SERVED'],
  ],
  ['a name', `redis:\n  - {name: ${unset}, host: h}\n`, ['INVALID_NAME']],
  ['one field beside another that is wrong', channel(`url_path: /a, public: true, timeout: ${unset}, is_active: 7`), ['WRONG_TYPE']],
  [
    'one field beside a path that is claimed twice',
    `${channel(`url_path: /a, public: true, timeout: ${unset}`)}  - {name: d, service: client.get, url_path: /a, public: true}\n`,
    ['ROUTE_CONFLICT'],
  ],
  ['a default that is wrong', channel('url_path: /a, public: true, timeout: "${{ env.UNSET || \'soon\' }}"'), ['WRONG_TYPE']],
  ['a variable that is not listed', channel('url_path: /a, public: true, timeout: "${{ env.OTHER }}"'), ['ENV_NOT_ALLOWED']],
] as const)
  test(`renderResource() judges all but an unset process variable that another machine knows: ${what}`, async () => {
    const options = { documents, rows, services: ['client.get'] }
    const { issues } = await compileFiles(devEstate(yaml, environment), { ...options, unsetEnv: 'unknown' })
    assert.deepEqual(
      issues.map(({ code }) => code),
      expected,
    )
    const { issues: here } = await compileFiles(devEstate(yaml, environment), options)
    if (expected.length === 0) assert.deepEqual(new Set(here.map(({ code }) => code)), new Set(['MISSING_ENV']))
  })

const rest = (host: string) => `outgoing_rest:\n  - {name: o, host: "${host}", url_path: /}\n`
const sql = (host: string) => `sql:\n  - {name: o, host: "${host}", type: postgresql, port: 5432, db_name: d, username: u}\n`
const redis = (host: string) => `redis:\n  - {name: o, host: "${host}"}\n`

for (const [what, declared, host, isAccepted] of [
  ['a URL', rest, 'http://crm.example.com', true],
  ['a URL with "@" in its path', rest, 'https://crm.example.com:8443/api/@me', true],
  ['a URL of an IPv6 address', rest, 'http://[::1]:80', true],
  ['a URL with user and password', rest, 'http://user:hunter2@crm.example.com', false],
  ['a URL with a user', rest, 'http://hunter2@crm.example.com/', false],
  ['a URL with a backslash', rest, 'http://crm.example.com\\\\@hunter2', false],
  ['a server of SQL', sql, 'db.example.com', true],
  ['a server of SQL with user and password', sql, 'user:hunter2@db.example.com', false],
  ['an empty server of SQL', sql, '', false],
  ['a server of Redis with a password', redis, 'redis://:hunter2@cache.example.com', false],
] as const)
  test(`renderResource() ${isAccepted ? 'accepts' : 'refuses, without telling it,'} as host ${what}`, async () => {
    const { issues } = await compileFiles(devEstate(declared(host)), { documents })
    assert.deepEqual(
      placesOf(issues),
      isAccepted ? [] : [`INVALID_VALUE dev/resources.yaml:2:${declared('').indexOf('host:') - declared('').indexOf('\n') + 6}`],
    )
    assert.doesNotMatch(JSON.stringify(issues), /hunter2/)
  })
