import assert from 'node:assert/strict'
import { test } from 'vitest'
import { isRevision, kindName, parseRef, partsOf, refOf, revision } from '../../schema/ref.ts'

test('partsOf() splits a ref at its first slash', () => {
  assert.deepEqual(partsOf(refOf(kindName('sql'), 'a/b')), { kind: 'sql', name: 'a/b' })
  assert.equal(parseRef('sql/a/b'), 'sql/a/b')
})

for (const text of ['', 'sql', '/a', 'sql/', 'SQL/a', 's-q/a'])
  test(`parseRef() refuses "${text}"`, () => assert.throws(() => parseRef(text), TypeError))

for (const [text, expected] of [
  ['a'.repeat(40), true],
  ['a'.repeat(64), true],
  [`worktree-${'a'.repeat(40)}`, true],
  ['a'.repeat(39), false],
  ['A'.repeat(40), false],
  ['main', false],
] as const)
  test(`isRevision() of "${text.slice(0, 12)}" (${text.length}) is ${expected}`, () => {
    assert.equal(isRevision(text), expected)
    if (!expected) assert.throws(() => revision(text), TypeError)
  })
