import assert from 'node:assert/strict'
import { test } from 'vitest'
import { exposureOf } from '../../cli/exposure.ts'
import type { Listen, TlsConfig } from '../../schema/server.ts'

const secured: TlsConfig = { cert: 'a', key: 'b', clientCa: null, clientAuth: 'off', minVersion: 'TLSv1.2' }
const names: Readonly<Record<string, readonly string[]>> = {
  localhost: ['127.0.0.1', '::1'],
  inside: ['127.0.1.1'],
  outside: ['192.0.2.1'],
  both: ['127.0.0.1', '192.0.2.1'],
  '127.1': ['127.0.0.1'],
  '0': ['0.0.0.0'],
  '2130706433': ['127.0.0.1'],
}

function judge(host: string, rest: Partial<Listen> = {}) {
  const address = { host, port: 1 }
  const listen: Listen = {
    channels: address,
    admin: address,
    tls: { channels: null, admin: null },
    behindProxy: false,
    trustedProxies: [],
    ...rest,
  }
  return exposureOf(listen, async name => names[name] ?? Promise.reject(new Error('ENOTFOUND')))
}

for (const [host, isAllowed] of [
  ['127.0.0.1', true],
  ['127.200.0.9', true],
  ['::1', true],
  ['0:0:0:0:0:0:0:1', true],
  ['::ffff:127.0.0.1', true],
  ['localhost', true],
  ['inside', true],
  ['127.1', true],
  ['2130706433', true],
  ['0.0.0.0', false],
  ['::', false],
  ['0', false],
  ['::ffff:0.0.0.0', false],
  ['::ffff:192.0.2.1', false],
  ['192.0.2.1', false],
  ['10.0.0.1', false],
  ['fe80::1', false],
  ['128.0.0.1', false],
  ['outside', false],
  ['both', false],
  ['nowhere', false],
  ['127.evil.example', false],
] as const)
  test(`exposureOf() ${host} in plain text is ${isAllowed ? 'no finding' : 'a finding for each port, with the ways out'}`, async () => {
    const findings = await judge(host)
    assert.deepEqual(
      findings.map(({ code, pointer }) => `${code} ${pointer}`),
      isAllowed ? [] : ['INVALID_VALUE /listen/channels', 'INVALID_VALUE /listen/admin'],
    )
    for (const { message } of findings)
      assert.match(message, /"listen\.(channels|admin)" as .*"listen\.tls".*"listen\.behindProxy: true".*127\.0\.0\.1/)
  })

for (const [what, rest, expected] of [
  ['TLS of both ports', { tls: { channels: secured, admin: secured } }, []],
  ['TLS of the admin port alone', { tls: { channels: null, admin: secured } }, ['/listen/channels']],
  ['a proxy in front', { behindProxy: true }, []],
  ['trusted proxies alone', { trustedProxies: ['10.0.0.0/8'] }, ['/listen/channels', '/listen/admin']],
] as const)
  test(`exposureOf() 0.0.0.0 with ${what} finds ${expected.length}`, async () => {
    assert.deepEqual(
      (await judge('0.0.0.0', rest)).map(({ pointer }) => pointer),
      expected,
    )
  })
