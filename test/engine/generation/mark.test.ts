import assert from 'node:assert/strict'
import { test } from 'vitest'
import { emptyManifest, type Manifest } from '../../../engine/generation/manifest.ts'
import { digestsIn, isMarked, markOf, pairsBetween } from '../../../engine/generation/mark.ts'
import { digestOf } from '../../../schema/digest.ts'
import { parseRef } from '../../../schema/ref.ts'
import { desiredOf, manifestOf, settings } from '../../reconcile/plan/estate.ts'

const live = manifestOf(desiredOf({ 'sql/a': {}, 'sql/b': {} }))
const lockfile = digestOf('a lockfile')
const others: Readonly<Record<string, Manifest>> = {
  'a resource': manifestOf(desiredOf({ 'sql/a': { spec: { host: 'db-2' } }, 'sql/b': {} })),
  'a resource less': manifestOf(desiredOf({ 'sql/a': {} })),
  'a resource more': manifestOf(desiredOf({ 'sql/a': {}, 'sql/b': {}, 'sql/c': {} })),
  'a rule': { ...live, settings: { ...settings, schedule: '*/2 * * * *' } },
  'the lockfile': { ...live, lockfile },
  everything: { ...manifestOf(desiredOf({ 'sql/c': {} }, { settings: { auto: false } })), lockfile },
}

const judged = (pairs: ReturnType<typeof pairsBetween>) => markOf({ environment: 'dev', pairs, actor: 'ada', reason: 'slow', at: '' })

for (const [what, parts] of [
  ['a resource', ['sql/a']],
  ['a resource less', ['sql/b']],
  ['a resource more', ['sql/c']],
  ['a rule', ['settings']],
  ['the lockfile', ['lockfile']],
  ['everything', ['lockfile', 'settings', 'sql/a', 'sql/b', 'sql/c']],
] as const)
  test(`pairsBetween() of states that differ in ${what} names ${parts.join(', ')}, and marks the one and not the other`, () => {
    const later = others[what] ?? emptyManifest
    const pairs = pairsBetween(live, later)
    assert.deepEqual(pairs.map(([part]) => part).sort(), parts)
    assert.ok(isMarked(judged(pairs), digestsIn(later)))
    assert.ok(!isMarked(judged(pairs), digestsIn(live)))
    const back = judged(pairsBetween(later, live))
    assert.deepEqual([isMarked(back, digestsIn(live)), isMarked(back, digestsIn(later))], [true, false])
  })

test('pairsBetween() of one state, in whatever order its settings are, is empty', () => {
  const turned = Object.fromEntries(Object.entries(settings).reverse()) as unknown as typeof settings // the same fields
  assert.deepEqual(pairsBetween(live, { ...live, settings: turned }), [])
})

test('a mark of resources alone holds whatever the settings are', () => {
  const mark = judged([['sql/a', live.entries.get(parseRef('sql/a'))?.resource.effectiveDigest ?? '']])
  for (const what of ['a rule', 'the lockfile', 'a resource more'])
    assert.ok(isMarked(mark, digestsIn(others[what] ?? emptyManifest)), what)
  assert.ok(!isMarked(mark, digestsIn(others['a resource'] ?? emptyManifest)))
})

test('no ref is named as a part that is no resource', () => {
  for (const part of ['settings', 'lockfile']) assert.throws(() => parseRef(part), TypeError)
})
