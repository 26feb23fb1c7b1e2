import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { createClientAddresses } from '../../../engine/plane/client-address.ts'

const trusted = ['10.0.0.0/8', 'fd00::/8', '192.0.2.7']
const clients = createClientAddresses(trusted)

function of(peer: string, ...headers: readonly (readonly [string, string])[]): string {
  return clients.of({ socket: { remoteAddress: peer }, rawHeaders: headers.flat() })
}

for (const [what, expected, peer, ...headers] of [
  ['no header', '10.0.0.1', '10.0.0.1'],
  ['one hop', '203.0.113.5', '10.0.0.1', ['X-Forwarded-For', '203.0.113.5']],
  ['a client that pretends', '203.0.113.5', '10.0.0.1', ['X-Forwarded-For', '1.2.3.4, 203.0.113.5']],
  ['several proxies', '203.0.113.5', '10.0.0.1', ['X-Forwarded-For', '1.2.3.4, 203.0.113.5, 192.0.2.7,10.9.9.9']],
  ['several headers', '203.0.113.5', '10.0.0.1', ['x-forwarded-for', '1.2.3.4'], ['X-FORWARDED-FOR', '203.0.113.5, 10.2.2.2']],
  ['proxies alone', '10.3.3.3', '10.0.0.1', ['X-Forwarded-For', '10.3.3.3, 10.2.2.2']],
  ['nonsense before a proxy', '10.2.2.2', '10.0.0.1', ['X-Forwarded-For', '1.2.3.4, unknown, 10.2.2.2']],
  ['nonsense alone', '10.0.0.1', '10.0.0.1', ['X-Forwarded-For', '<script>']],
  ['nothing in it', '10.0.0.1', '10.0.0.1', ['X-Forwarded-For', '']],
  ['a port', '203.0.113.5', '10.0.0.1', ['X-Forwarded-For', '203.0.113.5:4711']],
  ['IPv6 in brackets with a port', '2001:db8::1', '10.0.0.1', ['X-Forwarded-For', '[2001:DB8::1]:4711']],
  ['a zone', '10.0.0.1', '10.0.0.1', ['X-Forwarded-For', 'fe80::1%eth0']],
  ['a peer in the clothes of IPv6', '203.0.113.5', '::ffff:10.0.0.1', ['X-Forwarded-For', '::ffff:203.0.113.5']],
  ['a peer of IPv6', '203.0.113.5', 'fd00::2', ['X-Forwarded-For', '203.0.113.5']],
  ['a stranger that pretends', '203.0.113.9', '203.0.113.9', ['X-Forwarded-For', '1.2.3.4'], ['Forwarded', 'for=1.2.3.4']],
  ['Forwarded', '203.0.113.5', '10.0.0.1', ['Forwarded', 'for=1.2.3.4, for=203.0.113.5;proto=https;by=10.0.0.1']],
  ['Forwarded with IPv6', '2001:db8::1', '10.0.0.1', ['Forwarded', 'proto=http; For="[2001:db8::1]:99"']],
  ['Forwarded that hides', '10.0.0.1', '10.0.0.1', ['Forwarded', 'for=_secret']],
  ['Forwarded with two clients in a hop', '10.0.0.1', '10.0.0.1', ['Forwarded', 'for=1.2.3.4;for=5.6.7.8']],
  ['Forwarded without a client', '10.0.0.1', '10.0.0.1', ['Forwarded', 'proto=https']],
  ['both that agree', '203.0.113.5', '10.0.0.1', ['X-Forwarded-For', '203.0.113.5'], ['Forwarded', 'for=203.0.113.5']],
  ['both that differ', '10.0.0.1', '10.0.0.1', ['X-Forwarded-For', '203.0.113.5'], ['Forwarded', 'for=1.2.3.4']],
  ['no address', '', ''],
] as const satisfies readonly (readonly [string, string, string, ...(readonly [string, string])[]])[])
  test(`createClientAddresses().of() with ${what} is ${JSON.stringify(expected)}`, () => assert.equal(of(peer, ...headers), expected))

test('createClientAddresses() of no proxies believes no header', () => {
  const direct = createClientAddresses([])
  assert.equal(direct.of({ socket: { remoteAddress: '::ffff:10.0.0.1' }, rawHeaders: ['X-Forwarded-For', '1.2.3.4'] }), '10.0.0.1')
  assert.equal(direct.isProxy('10.0.0.1'), false)
})

const outside = fc.ipV4().filter(address => !clients.isProxy(address))
const inside = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255)).map(parts => `10.${parts.join('.')}`)
const anything = fc.oneof(fc.string({ unit: 'grapheme-ascii' }), fc.ipV4(), fc.ipV6(), inside)

test('createClientAddresses(): whatever a client sends, it is the address that the nearest trusted proxy saw', () => {
  fc.assert(
    fc.property(
      outside,
      fc.array(inside, { minLength: 1, maxLength: 8 }),
      fc.array(anything, { maxLength: 8 }),
      (client, proxies, lies) => {
        const [peer = '', ...rest] = proxies
        const chain = [...lies, client, ...rest].join(', ')
        assert.equal(of(peer, ['X-Forwarded-For', chain]), client)
        assert.equal(of(peer, ['X-Forwarded-For', lies.join(',')], ['X-Forwarded-For', [client, ...rest].join(',')]), client)
      },
    ),
  )
})

test('createClientAddresses(): who is no proxy is itself, whatever it sends', () => {
  fc.assert(
    fc.property(outside, anything, fc.constantFrom('X-Forwarded-For', 'Forwarded', 'forwarded', 'X-Real-IP'), (peer, lie, name) => {
      assert.equal(of(peer, [name, lie]), peer)
    }),
  )
})

test('createClientAddresses(): where both headers are sent, what a client forges in one moves it no further than to the proxy', () => {
  fc.assert(
    fc.property(outside, inside, anything, (client, proxy, lie) => {
      const seen = of(proxy, ['X-Forwarded-For', client], ['Forwarded', lie], ['Forwarded', `for=${lie}`])
      assert(seen === client || seen === proxy, seen)
    }),
  )
})
