import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'vitest'
import { emptyManifest, type Settings } from '../../../engine/generation/manifest.ts'
import { diff } from '../../../reconcile/plan/diff.ts'
import { makePlan } from '../../../reconcile/plan/make.ts'
import { markdownPlan } from '../../../reconcile/plan/markdown.ts'
import type { Hold, Plan } from '../../../reconcile/plan/plan.ts'
import { printPlan } from '../../../reconcile/plan/print.ts'
import { digestOf } from '../../../schema/digest.ts'
import { type Issue, issue } from '../../../schema/issue.ts'
import { revision } from '../../../schema/ref.ts'
import { type Declared, desiredOf, kinds, manifestOf } from './estate.ts'

function planOf(
  before: Record<string, Declared> | null,
  after: Record<string, Declared>,
  rest: { issues?: Issue[]; holds?: Hold[]; prune?: boolean; settings?: Partial<Settings>; lockfile?: string } = {},
): Plan {
  const { settings = {}, lockfile } = rest
  const desired = {
    ...desiredOf(after, { revision: revision('2b'.repeat(20)), settings }),
    lockfile: lockfile === undefined ? null : digestOf(lockfile),
  }
  const manifest = before === null ? emptyManifest : manifestOf(desiredOf(before))
  const { changes, kept } = diff(desired, manifest, { kinds, prune: rest.prune ?? true })
  return makePlan({
    id: '0a1b2c3d4e',
    desired,
    live: {
      serial: before === null ? 0 : 12,
      generation: before === null ? 0 : 12,
      manifest,
      digest: '',
      probationUntil: null,
      fallback: null,
    },
    changes,
    kept,
    issues: rest.issues ?? [],
    holds: rest.holds ?? [],
    origin: { from: 'git', revision: desired.revision },
    actor: 'ada',
    createdAt: '2026-01-01T00:00:00.000Z',
    expiresAt: '2026-01-02T00:00:00.000Z',
    seal: plain => plain,
  }).plan
}

const many = (count: number, spec: Declared['spec']) =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`channel_rest/c${String(at).padStart(3, '0')}`, { spec }])) as Record<
    string,
    Declared
  >

const plans: Readonly<Record<string, Plan>> = {
  nothing: planOf({ 'sql/ledger': {} }, { 'sql/ledger': {} }),
  mixed: planOf(
    {
      'sql/ledger': { spec: { host: 'db-1', pool_size: 5, password: 'a reference' }, secrets: { '/password': 'old' } },
      'service/pay': { refs: ['sql/ledger'], built: 'one' },
      'channel_rest/pay': { refs: ['service/pay'] },
      'security/legacy': {},
    },
    {
      'sql/ledger': { spec: { host: 'db-2', pool_size: 9, password: 'a reference' }, secrets: { '/password': 'new' } },
      'service/pay': { refs: ['sql/ledger'], built: 'two' },
      'channel_rest/pay': { refs: ['service/pay'] },
      'channel_rest/refund': { refs: ['service/pay'] },
    },
    {
      issues: [
        issue('RULE_LOOSENED', 'The revision loosens a rule of the environment for the revisions after it: sync.auto from false to true'),
      ],
    },
  ),
  alike: planOf(many(20, { timeout: 10 }), many(20, { timeout: 30 })),
  held: planOf(
    many(3, {}),
    {},
    { holds: [{ kind: 'deletes', deletes: 3, allowed: 1, next: 'plumb apply 0a1b2c3d4e --confirm-deletes 3' }] },
  ),
  kept: planOf({ 'sql/a': {}, 'sql/b': {} }, { 'sql/a': {} }, { prune: false }),
  large: planOf({}, many(400, {})),
  first: planOf(null, { 'sql/ledger': {} }, { settings: { maxDeletes: { percent: 10 }, probationMs: 30_000, env: ['POD_NAME'] } }),
  rules: planOf(
    { 'sql/ledger': {} },
    { 'sql/ledger': {} },
    { settings: { schedule: '*/2 * * * *', probationMs: 90_000, maxDeletes: { count: 5 }, auto: false } },
  ),
  lockfile: planOf({ 'service/pay': { built: 'one' } }, { 'service/pay': { built: 'two' } }, { lockfile: 'a newer one' }),
}

for (const [name, plan] of Object.entries(plans))
  for (const [form, text] of [
    ['txt', printPlan(plan)],
    ['md', markdownPlan(plan, { maxCharacters: 6_000 })],
  ] as const)
    test(`a plan with ${name} reads as test/cases/plan/${name}.${form}`, () => {
      const path = join(import.meta.dirname, '../../cases/plan', `${name}.${form}`)
      if (process.env.GOLDEN === 'write') {
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, text)
      }
      assert.equal(text, readFileSync(path, 'utf8'))
    })

test('printPlan() colours only when told, and no value can move the cursor', () => {
  const plan = planOf({ 'channel_rest/a': { spec: { x: 'a' } } }, { 'channel_rest/a': { spec: { x: '\u001b[2J\u202eevil' } } })
  assert.ok(!printPlan(plan).includes('\u001b'))
  assert.ok(printPlan(plan, { colour: true }).includes('\u001b[33m'))
  assert.ok(!printPlan(plan).includes('\u202e'))
})

test('markdownPlan() fences what holds fences, and stays within its budget', () => {
  const plan = planOf({ 'channel_rest/a': { spec: { x: 'a' } } }, { 'channel_rest/a': { spec: { x: '````\n</details>' } } })
  assert.match(markdownPlan(plan), /`````diff\n/)
  const large = markdownPlan(planOf({}, many(400, {})), { maxCharacters: 6_000 })
  assert.ok(large.length <= 6_000)
  assert.equal(large.match(/<details>/g)?.length, large.match(/<\/details>/g)?.length)
})
