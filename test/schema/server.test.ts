import assert from 'node:assert/strict'
import { test } from 'vitest'
import type { JsonObject } from '../../schema/json.ts'
import { isLocalSource, readServerConfig } from '../../schema/server.ts'

const least = { environment: 'prod', source: { git: 'ssh://git@git.example.com/estate.git' } }

test('readServerConfig() of the least gives loopback, the default ports, .plumb for data, and no floors', () => {
  const { config, findings } = readServerConfig(least)
  assert.deepEqual(findings, [])
  assert.deepEqual(config, {
    environment: 'prod',
    source: { git: 'ssh://git@git.example.com/estate.git', ref: 'main', allowLocal: false },
    listen: {
      channels: { host: '127.0.0.1', port: 17010 },
      admin: { host: '127.0.0.1', port: 8183 },
      tls: { channels: null, admin: null },
      behindProxy: false,
      trustedProxies: [],
    },
    data: '.plumb',
    keys: { seal: null },
    policy: {},
    logs: { access: true, level: 'info' },
    debug: { allow: false },
    workers: null,
  })
})

test('readServerConfig() reads every field that is enforced', () => {
  const { config, findings } = readServerConfig({
    ...least,
    source: { git: '/srv/estate.git', ref: 'prod', allowLocal: true },
    listen: {
      channels: '[::1]:0',
      admin: 'localhost:9000',
      tls: { cert: 'a.pem', key: 'a.key' },
      adminTls: { cert: 'b.pem', key: 'b.key', clientCa: 'ca.pem', minVersion: 'TLSv1.3' },
      behindProxy: true,
      trustedProxies: ['10.0.0.0/8', '::1'],
    },
    data: '/var/lib/plumb',
    keys: { seal: '/etc/plumb/seal.key' },
    policy: { requireSecurity: true, maxDeletes: '30%', prune: true },
    workers: 2,
  })
  assert.deepEqual(findings, [])
  assert.deepEqual(config.listen, {
    channels: { host: '::1', port: 0 },
    admin: { host: 'localhost', port: 9000 },
    tls: {
      channels: { cert: 'a.pem', key: 'a.key', clientCa: null, clientAuth: 'off', minVersion: 'TLSv1.2' },
      admin: { cert: 'b.pem', key: 'b.key', clientCa: 'ca.pem', clientAuth: 'require', minVersion: 'TLSv1.3' },
    },
    behindProxy: true,
    trustedProxies: ['10.0.0.0/8', '::1'],
  })
  assert.deepEqual(config.policy, { requireSecurity: true, maxDeletes: { percent: 30 }, prune: true })
  assert.deepEqual([config.data, config.keys.seal, config.workers, config.source.ref], ['/var/lib/plumb', '/etc/plumb/seal.key', 2, 'prod'])
})

for (const [what, change, expected] of [
  ['no environment', { environment: null }, 'MISSING_FIELD '],
  ['a source without a URL', { source: { ref: 'main' } }, 'MISSING_FIELD /source'],
  ['a data directory without a name', { data: '' }, 'INVALID_VALUE /data'],
  ['a misspelt field', { worker: 2 }, 'UNKNOWN_FIELD /worker'],
  ['a local path', { source: { git: '/srv/estate.git' } }, 'INVALID_VALUE /source/git'],
  ['a ref that is an option', { source: { git: 'https://a.example/b', ref: '--upload-pack=x' } }, 'INVALID_VALUE /source/ref'],
  ['a port that does not exist', { listen: { admin: '127.0.0.1:70000' } }, 'INVALID_VALUE /listen/admin'],
  ['no port', { listen: { admin: '127.0.0.1' } }, 'INVALID_VALUE /listen/admin'],
  ['a certificate without a key', { listen: { tls: { cert: 'a' } } }, 'MISSING_FIELD /listen/tls'],
  ['a field that TLS has not', { listen: { tls: { cert: 'a', key: 'b', ciphers: 'x' } } }, 'UNKNOWN_FIELD /listen/tls/ciphers'],
  ['TLS 1.1', { listen: { tls: { cert: 'a', key: 'b', minVersion: 'TLSv1.1' } } }, 'INVALID_VALUE /listen/tls/minVersion'],
  [
    'certificates of clients that nobody signs',
    { listen: { adminTls: { cert: 'a', key: 'b', clientAuth: 'require' } } },
    'MISSING_FIELD /listen/adminTls/clientAuth',
  ],
  ['a proxy that is a name', { listen: { trustedProxies: ['10.0.0.1', 'proxy.example'] } }, 'INVALID_VALUE /listen/trustedProxies/1'],
  ['a proxy with too long a prefix', { listen: { trustedProxies: ['10.0.0.0/33'] } }, 'INVALID_VALUE /listen/trustedProxies/0'],
  ['everybody as a proxy', { listen: { trustedProxies: ['::/0'] } }, 'INVALID_VALUE /listen/trustedProxies/0'],
  ['an age key', { keys: { age: 'a' } }, 'NOT_ENFORCED /keys/age'],
  ['signatures', { verify: { signers: 'a' } }, 'NOT_ENFORCED /verify'],
  ['peers', { peers: { test: {} } }, 'NOT_ENFORCED /peers'],
  ['no workers', { workers: 0 }, 'INVALID_VALUE /workers'],
] as const)
  test(`readServerConfig() with ${what} gives ${expected.split(' ')[0]}`, () => {
    const declared: JsonObject = { ...least, ...change }
    assert.deepEqual(
      readServerConfig(declared).findings.map(({ code, pointer }) => `${code} ${pointer}`),
      [expected],
    )
  })

for (const [git, expected] of [
  ['https://git.example.com/a.git', false],
  ['git@git.example.com:a/b.git', false],
  ['git.example.com:a/b.git', false],
  ['file:///srv/a.git', true],
  ['/srv/a.git', true],
  ['../a.git', true],
  ['C:\\a', true],
  ['ext::sh -c id', true],
] as const)
  test(`isLocalSource() of ${git} is ${expected}`, () => assert.equal(isLocalSource(git), expected))
