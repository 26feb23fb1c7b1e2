import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { applied } from '../../../engine/generation/applied.ts'
import { emptyManifest, type Manifest } from '../../../engine/generation/manifest.ts'
import type { Desired } from '../../../reconcile/compile/desired.ts'
import { diff } from '../../../reconcile/plan/diff.ts'
import { makePlan } from '../../../reconcile/plan/make.ts'
import { markdownPlan } from '../../../reconcile/plan/markdown.ts'
import { printPlan } from '../../../reconcile/plan/print.ts'
import { revision } from '../../../schema/ref.ts'
import { type Declared, desiredOf, kinds, manifestOf } from './estate.ts'

const changesOf = (desired: Desired, live: Manifest) => diff(desired, live, { kinds }).changes
const only = (before: Declared, after: Declared, ref = 'sql/ledger') =>
  changesOf(desiredOf({ [ref]: after }), manifestOf(desiredOf({ [ref]: before })))[0]

for (const [what, before, after, expected] of [
  ['the pool size', { spec: { pool_size: 5 } }, { spec: { pool_size: 9 } }, { op: 'update', reconnects: false, pointers: ['/pool_size'] }],
  ['the host', { spec: { host: 'a' } }, { spec: { host: 'b' } }, { op: 'update', reconnects: true, pointers: ['/host'] }],
  [
    'a list of the same length',
    { spec: { l: [1, { a: 2 }] } },
    { spec: { l: [1, { a: 3 }] } },
    { op: 'update', reconnects: true, pointers: ['/l/1/a'] },
  ],
  ['the length of a list', { spec: { l: [1] } }, { spec: { l: [0, 1] } }, { op: 'update', reconnects: true, pointers: ['/l'] }],
  ['a key with a slash', { spec: {} }, { spec: { 'a/b': 1 } }, { op: 'update', reconnects: true, pointers: ['/a~1b'] }],
  ['what it is built from', { built: 'a' }, { built: 'b' }, { op: 'update', reconnects: false, pointers: [''] }],
  ['why it is closed', { closed: 'no key' }, {}, { op: 'update', reconnects: false, pointers: [] }],
] as const)
  test(`diff() of a connection where ${what} changed is ${expected.op}${expected.reconnects ? ' and reconnects' : ''}`, () => {
    const change = only(before, after)
    assert.deepEqual({ op: change?.op, reconnects: change?.reconnects, pointers: change?.fields.map(field => field.pointer) }, expected)
  })

test('diff() of what nobody connects to never reconnects', () => {
  assert.equal(only({ spec: { url_path: '/a' } }, { spec: { url_path: '/b' } }, 'channel_rest/orders')?.reconnects, false)
})

test('diff() shows a rotated secret as digests of both sides', () => {
  const spec = { password: 'a reference' }
  const change = only({ spec, secrets: { '/password': 'old' } }, { spec, secrets: { '/password': 'new' } })
  assert.equal(change?.fields.length, 1)
  assert.equal(change?.fields[0]?.pointer, '/password')
  assert.match(String(change?.fields[0]?.before), /^#[0-9a-f]{8}$/)
  assert.notEqual(change?.fields[0]?.before, change?.fields[0]?.after)
})

test('diff() hides a tainted value and a list that holds a secret', () => {
  const change = only(
    { spec: { host: 'one-host', headers: [{ v: 'a' }] }, tainted: ['/host'], secrets: { '/headers/0/v': 'hush-1' } },
    { spec: { host: 'two-host', headers: [{ v: 'a' }, { v: 'b' }] }, tainted: ['/host'], secrets: { '/headers/0/v': 'hush-2' } },
  )
  assert.deepEqual(
    change?.fields.map(field => [field.pointer, field.sensitive]),
    [
      ['/headers', true],
      ['/host', true],
    ],
  )
  assert.ok(!/host"|hush/.test(JSON.stringify(change?.fields.map(field => [field.before, field.after]))))
})

test('diff() names what stands behind a change, nearest first, and deletes what is no longer declared', () => {
  const live = desiredOf({
    'sql/ledger': { spec: { host: 'a' } },
    'service/pay': { refs: ['sql/ledger'] },
    'channel_rest/pay': { refs: ['service/pay'] },
    'security/old': {},
  })
  const desired = desiredOf({
    'sql/ledger': { spec: { host: 'b' } },
    'service/pay': { refs: ['sql/ledger'] },
    'channel_rest/pay': { refs: ['service/pay'] },
  })
  const changes = changesOf(desired, manifestOf(live))
  assert.deepEqual(changes.find(change => change.ref === 'sql/ledger')?.behind, ['service/pay', 'channel_rest/pay'])
  assert.equal(changes.find(change => change.ref === 'security/old')?.op, 'delete')
})

test('diff() leaves resources of another origin alone and refuses a second declaration of one', () => {
  const live = manifestOf(desiredOf({ 'sql/mine': {} }), { from: 'cli', by: 'ada' })
  assert.deepEqual(diff(desiredOf({}), live, { kinds }).changes, [])
  const { issues } = diff(desiredOf({ 'sql/mine': {} }), live, { kinds })
  assert.deepEqual(
    issues.map(issue => [issue.code, issue.severity, issue.ref]),
    [['ORIGIN_CONFLICT', 'error', 'sql/mine']],
  )
})

test('diff() keeps what is no longer declared, with the reason, where nothing is pruned', () => {
  const { changes } = diff(desiredOf({}), manifestOf(desiredOf({ 'sql/old': {} })), { kinds, prune: false })
  assert.equal(changes[0]?.op, 'keep')
  assert.match(changes[0]?.reasons[0] ?? '', /sync\.prune/)
})

const names = ['sql/a', 'sql/b', 'service/c', 'service/d', 'channel_rest/e', 'security/f']
const secretText = fc.string({ minLength: 6, maxLength: 12, unit: fc.constantFrom(...'QXZJKVWqxzjkvw') }).map(text => `§${text}§`)
const estates = fc
  .dictionary(
    fc.constantFrom(...names),
    fc.record({
      spec: fc.record({ host: fc.constantFrom('a', 'b'), pool_size: fc.nat(3), list: fc.array(fc.nat(2), { maxLength: 3 }) }),
      refs: fc.subarray(names),
      secrets: fc.option(
        secretText.map(text => ({ '/password': text })),
        { nil: {} },
      ),
      tainted: fc.subarray(['/host']),
    }),
  )
  .map(declared => desiredOf(withoutDangling(declared)))

function withoutDangling<T extends { refs: string[] }>(declared: Record<string, T>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(declared).map(([ref, one]) => [ref, { ...one, refs: one.refs.filter(to => to in declared && to !== ref) }]),
  )
}

const planOf = (desired: Desired, live: Manifest) => {
  const { changes, kept } = diff(desired, live, { kinds })
  return makePlan({
    id: 'p1',
    desired,
    live: { serial: 1, generation: 1, manifest: live, digest: '', probationUntil: null, fallback: null },
    changes,
    kept,
    issues: [],
    holds: [],
    origin: { from: 'git', revision: desired.revision },
    actor: 'ada',
    createdAt: '2026-01-01T00:00:00.000Z',
    expiresAt: '2026-01-02T00:00:00.000Z',
    seal: plain => Buffer.from(plain).toString('hex'),
  })
}

test('diff(a, a) keeps everything, and its plan changes nothing', () => {
  fc.assert(
    fc.property(estates, desired => {
      const { plan, changesAnything } = planOf(desired, manifestOf(desired))
      assert.deepEqual([plan.changes, plan.summary.keep, changesAnything], [[], desired.resources.size, false])
    }),
  )
})

test('applying the plan from a to b gives b, and the plan after it is empty', () => {
  fc.assert(
    fc.property(estates, estates, (a, b) => {
      const after = applied(manifestOf(a), planOf(b, manifestOf(a)).delta)
      const digests = (manifest: Manifest) =>
        [...manifest.entries.values()].map(({ resource }) => [resource.ref, resource.effectiveDigest]).sort()
      assert.deepEqual(digests(after), digests(manifestOf(b)))
      assert.equal(planOf(b, after).changesAnything, false)
    }),
  )
})

test('steps go from what is referred to, to what refers to it, and deletes the other way and last', () => {
  fc.assert(
    fc.property(estates, estates, (a, b) => {
      const { steps } = planOf(b, manifestOf(a)).plan
      const at = new Map(steps.map(step => [step.ref, step]))
      const reaches = (from: string, to: string, desired: Desired, seen = new Set<string>()): boolean =>
        [...desired.resources.values()]
          .filter(resource => resource.ref === from)
          .flatMap(resource => resource.refs)
          .some(next => next === to || (!seen.has(next) && reaches(next, to, desired, seen.add(next))))
      for (const [desired, isDelete] of [
        [b, false],
        [a, true],
      ] as const)
        for (const { ref, refs } of desired.resources.values())
          for (const to of refs) {
            const [user, used] = [at.get(ref), at.get(to)]
            if (!user || !used || (user.op === 'delete') !== isDelete || (used.op === 'delete') !== isDelete || reaches(to, ref, desired))
              continue
            assert.ok(isDelete ? user.order < used.order : used.order < user.order, `${ref} → ${to}`)
          }
      const firstDelete = steps.findIndex(step => step.op === 'delete')
      assert.ok(firstDelete < 0 || steps.slice(firstDelete).every(step => step.op === 'delete'))
    }),
  )
})

test('no byte of a secret is in any rendering of a plan', () => {
  fc.assert(
    fc.property(estates, estates, (a, b) => {
      const { plan } = planOf(b, manifestOf(a))
      const shown = [printPlan(plan), printPlan(plan, { colour: true }), markdownPlan(plan), JSON.stringify(plan)].join('\n')
      assert.ok(!shown.includes('§'))
      for (const desired of [a, b])
        for (const { secrets } of desired.resources.values())
          for (const secret of secrets.values()) assert.ok(!shown.includes(secret.reveal()))
    }),
  )
})

test('a new revision that declares the same changes nothing; other settings do', () => {
  const live = manifestOf(desiredOf({ 'sql/a': {} }))
  const later = desiredOf({ 'sql/a': {} }, { revision: revision('2'.repeat(40)) })
  assert.equal(planOf(later, live).changesAnything, false)
  assert.equal(planOf(desiredOf({ 'sql/a': {} }, { settings: { auto: false } }), live).changesAnything, true)
  assert.equal(planOf(desiredOf({}), emptyManifest).changesAnything, true)
})

for (const [what, live, isDeployed, expected] of [
  ['is new with a deployed file', null, true, { op: 'create', conflict: false }],
  ['came with a deployed file and still does', { from: 'cli', by: 'ada', deployed: true }, true, { op: undefined, conflict: false }],
  ['came with a deployed file and is in the commit', { from: 'cli', by: 'ada', deployed: true }, false, { op: 'update', conflict: false }],
  [
    'was in the commit and is in a deployed file alone',
    { from: 'git', revision: revision('1'.repeat(40)) },
    true,
    { op: 'update', conflict: false },
  ],
  ['came by hand and is in a deployed file', { from: 'cli', by: 'ada' }, true, { op: undefined, conflict: true }],
] as const)
  test(`diff() of what ${what}`, () => {
    const desired = desiredOf({ 'sql/ledger': {} })
    const before = live === null ? emptyManifest : manifestOf(desired, live)
    const { changes, issues } = diff(desired, before, { kinds, deployed: new Set(isDeployed ? desired.resources.keys() : []) })
    assert.deepEqual({ op: changes[0]?.op, conflict: issues.some(({ code }) => code === 'ORIGIN_CONFLICT') }, expected)
  })

test('diff() deletes what came with a deployed file that is gone, and nothing that came by hand', () => {
  const live = manifestOf(desiredOf({ 'sql/deployed': {} }), { from: 'cli', by: 'ada', deployed: true })
  const others = manifestOf(desiredOf({ 'sql/byhand': {} }), { from: 'cli', by: 'ada' })
  const { changes } = diff(desiredOf({}), { ...live, entries: new Map([...live.entries, ...others.entries]) }, { kinds })
  assert.deepEqual(
    changes.map(({ op, ref }) => [op, ref]),
    [['delete', 'sql/deployed']],
  )
})
