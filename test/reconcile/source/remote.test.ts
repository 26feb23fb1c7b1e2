import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { fullRefOf, remoteOf } from '../../../reconcile/source/remote.ts'
import { SourceError } from '../../../reconcile/source/source-error.ts'

for (const [text, shown] of [
  ['https://git.example.com/shop/estate.git', 'https://git.example.com/shop/estate.git'],
  ['ssh://git@git.example.com:2222/shop/estate.git', 'ssh://git.example.com:2222/shop/estate.git'],
  ['git@git.example.com:shop/estate.git', 'ssh://git.example.com/shop/estate.git'],
] as const)
  test(`remoteOf() accepts ${text}`, () => assert.equal(remoteOf(text, false).shown, shown))

for (const text of [
  '',
  '--upload-pack=touch /tmp/x',
  '-c core.sshCommand=x',
  'ext::sh -c id',
  'fd::17',
  'ssh://-oProxyCommand=id/x',
  'git@-oProxyCommand=id:x',
  '-oProxyCommand=id@host:x',
  'ssh://host/-oProxyCommand=id',
  'https://user:secret@host/x',
  'https://ghp_secret@host/x',
  'ssh://git:secret@host/x',
  'http://host/x',
  'git://host/x',
  'https://host/x y',
  'https://host/x\nhttps://other',
  'https://host/%0ax',
  'https://host/x?token=1',
  'file:///srv/x',
  '/srv/x',
  'relative/path',
])
  test(`remoteOf() refuses ${JSON.stringify(text)} and does not repeat it`, () =>
    assert.throws(
      () => remoteOf(text, false),
      (error: unknown) => error instanceof SourceError && error.kind === 'refused' && !error.message.includes('secret'),
    ))

test('remoteOf() accepts a local path, a file URL and loopback http only where local is allowed', () => {
  for (const text of ['/srv/estate.git', 'file:///srv/estate.git', 'http://127.0.0.1:8080/x']) {
    assert.throws(() => remoteOf(text, false), SourceError)
    assert.ok(remoteOf(text, true))
  }
  assert.throws(() => remoteOf('http://10.0.0.1/x', true), SourceError)
})

for (const [text, full] of [
  ['main', 'refs/heads/main'],
  ['release/2026', 'refs/heads/release/2026'],
  ['refs/tags/v1', 'refs/tags/v1'],
] as const)
  test(`fullRefOf() reads ${text} as ${full}`, () => assert.equal(fullRefOf(text), full))

for (const text of [
  '',
  '-x',
  'a..b',
  'a b',
  'refs/pull/1/head',
  'a^{}',
  'a.lock',
  'a/',
  '/a',
  'a:b',
  'a\u0000',
  '@{u}',
  'a/-x',
  'a\\b',
  'a*',
])
  test(`fullRefOf() refuses ${JSON.stringify(text)}`, () => assert.throws(() => fullRefOf(text), SourceError))

test('no ref or URL that is accepted begins with a dash or holds white space', () => {
  const nasty = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('--upload-pack=x', '‐‐config', '-c', '--EXEC=x'))
  fc.assert(
    fc.property(nasty, text => {
      for (const make of [() => fullRefOf(text), () => remoteOf(text, true).url]) {
        try {
          assert.match(make(), /^[a-z]\S*$/)
        } catch (error) {
          if (!(error instanceof SourceError)) throw error
        }
      }
    }),
  )
})
