import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { admissionTo } from '../../../engine/plane/admission.ts'
import { canonicalTarget } from '../../../engine/plane/canonical.ts'
import { createRouter } from '../../../engine/plane/router.ts'
import { keyOf, routeOf } from './routes.ts'

test.each([
  ['/', '/', ''],
  ['/a', '/a', ''],
  ['/a/', '/a/', ''],
  ['/a/b?x=1&y=%20', '/a/b', 'x=1&y=%20'],
  ['/a?x=/../b', '/a', 'x=/../b'],
  ['/jane%40example.com', '/jane@example.com', ''],
  ['/jane@example.com', '/jane@example.com', ''],
  ['/a%20b', '/a b', ''],
  ['/%C4%85', '/ą', ''],
  ['/100%25', '/100%', ''],
  ['/a..b/.well-known', '/a..b/.well-known', ''],
  ['http://example.com/a?b', '/a', 'b'],
  ['HTTP://EXAMPLE.com/a', '/a', ''],
])('canonicalTarget() reads %s', (target, path, query) => {
  assert.deepEqual(canonicalTarget(target, 'example.com'), { kind: 'path', path, query })
})

const spellings = [
  '',
  '*',
  'admin',
  'example.com:443',
  '//admin',
  '/admin//x',
  '//',
  '/./admin',
  '/y/../admin',
  '/admin/.',
  '/admin/..',
  '/y/%2e%2e/admin',
  '/y/%2E%2E/admin',
  '/.%2e/admin',
  '/%61dmin',
  '/admi%6E',
  '/%2561dmin',
  '/%252561dmin',
  '/admin%2fx',
  '/admin%2Fx',
  '/admin%5cx',
  '/admin%5Cx',
  '/admin\\x',
  '/admin;x',
  '/admin;a=b',
  '/admin%00',
  '/admin%0a',
  '/admin%0D',
  '/admin%7F',
  '/admin%7f',
  '/%C0%AFadmin',
  '/%E0%80%AF',
  '/%ED%A0%80',
  '/%FF',
  '/adm%C4',
  '/admin#f',
  '/admin?x#f',
  '/admin.',
  '/admin%20',
  '/%20admin',
  '/admin./x',
  '/ａdmin',
  '/adm\u0131n',
  '/\u00e9',
  '/admin%',
  '/admin%2',
  '/admin%zz',
  '/%u0061dmin',
  '/%c4%85',
  '/admin"',
  '/<admin>',
  '/{admin}',
  '/a|b',
  '/a^b',
  '/a`b',
  '/a b',
  '/%E2%80%AE',
  '/%E2%80%A8',
  '/a?\u00e9',
  'http://evil/admin',
  'http://example.com:81/admin',
  'http://u@example.com/admin',
  'http://example.com',
  'http:///admin',
  'ftp://example.com/admin',
  'http://example.com\\@evil/admin',
  'http://example.com/../admin',
  'http://example.com//admin',
]

test.each(spellings)('canonicalTarget() refuses %j', spelling => {
  assert.equal(canonicalTarget(spelling, 'example.com').kind, 'refused')
})

test('canonicalTarget() has one spelling of what needs no encoding, and takes what encodeURIComponent makes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), text => {
      const answer = canonicalTarget(`/v/${encodeURIComponent(text)}`, null)
      if (answer.kind === 'refused') assert.match(text, /[/\\]|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|[. ]$|^ |%[0-9A-Fa-f]{2}/u)
      else assert.equal(answer.path, `/v/${text}`)
    }),
  )
})

test('canonicalTarget() never gives a parameter a separator that was not one', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('/', '%', '2', 'f', 'F', 'e', 'E', '5', 'c', 'C', '.', 'a', ';', '\\', '0'), maxLength: 14 }),
      text => {
        const target = `/${text}`
        const answer = canonicalTarget(target, null)
        if (answer.kind === 'refused') return
        assert.equal(answer.path.split('/').length, target.split('/').length)
        assert.doesNotMatch(answer.path, /\\|\0|\/\/|\/\.{1,2}(?:\/|$)/)
      },
    ),
  )
})

test('Whatever the spelling, a handler runs only after its own guard (N01)', async () => {
  const guarded = ['/admin', '/admin/x', '/{tenant}/admin', '/files/{name}']
  const routes = guarded.map((pattern, at) =>
    routeOf({ name: `r${at}`, method: '', pattern, open: false, credentials: [keyOf(`secret-${at}`)] }),
  )
  const router = await createRouter().replace([], [...routes, routeOf({ name: 'open', method: '', pattern: '/open/{x}' })])
  const piece = fc.constantFrom(
    '/',
    'admin',
    'x',
    'open',
    'files',
    '..',
    '.',
    '%2e',
    '%2f',
    '%5c',
    '%61',
    ';',
    '//',
    '\\',
    '%00',
    '?',
    '#',
    '%25',
    'A',
    '@',
    '%40',
    ' ',
  )
  const spelling = fc.oneof(
    fc.constantFrom(...spellings),
    fc.array(piece, { maxLength: 8 }).map(parts => `/${parts.join('')}`),
  )
  fc.assert(
    fc.property(spelling, fc.constantFrom('', 'secret-0', 'secret-1', 'secret-2', 'secret-3'), (target, key) => {
      const read = canonicalTarget(target, 'example.com')
      if (read.kind === 'refused') return
      const match = router.match('GET', read.path)
      if (match.kind !== 'found') return
      const admission = admissionTo(match.route, { headers: { 'x-key': key } })
      const expected = match.route.ref === 'channel_rest/open' || key === `secret-${match.route.ref.slice(-1)}`
      assert.equal(admission.kind === 'admitted', expected)
      if (match.route.ref === 'channel_rest/open') assert.match(target, /^(?:http:\/\/example\.com)?\/open\/[^/]+$|^\/open\/[^/]+\?/)
    }),
    { numRuns: 2_000 },
  )
})
