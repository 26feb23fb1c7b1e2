import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import type { Settings } from '../../../engine/generation/manifest.ts'
import { isMarked, markOf, pairsBetween } from '../../../engine/generation/mark.ts'
import { diff } from '../../../reconcile/plan/diff.ts'
import { type EntryPoint, holdsOf } from '../../../reconcile/sync/judge.ts'
import type { Proposal } from '../../../reconcile/sync/propose.ts'
import { type Declared, desiredOf, kinds, manifestOf, settings } from '../plan/estate.ts'
import { compileEstate, type Estate, type Server, setUp, treeOf } from './setup.ts'

const entries: readonly EntryPoint[] = ['sync', 'plan', 'apply-plan', 'apply-tree', 'rollback']

function holds(
  entry: EntryPoint,
  given: {
    before: Record<string, Declared>
    after: Record<string, Declared>
    policy?: Partial<Settings>
    /** Of the revision itself. */
    settings?: Partial<Settings>
    isMarked?: boolean
    confirm?: number
  },
) {
  const manifest = manifestOf(desiredOf(given.before))
  const desired = desiredOf(given.after, { settings: given.settings ?? {} })
  const { changes } = diff(desired, manifest, { kinds })
  const pairs = pairsBetween(manifest, manifestOf(desired))
  return holdsOf({
    entry,
    planId: 'p1',
    origin: 'git',
    policy: { ...settings, ...given.policy },
    changes,
    next: desired,
    live: { serial: 1, generation: 1, manifest, digest: '', probationUntil: null, fallback: null },
    kinds,
    marks: given.isMarked ? [markOf({ environment: 'dev', pairs, actor: 'ada', reason: 'answers 500', at: '' })] : [],
    confirmDeletes: given.confirm ?? null,
  }).map(hold => hold.kind)
}

const ten = Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`sql/s${at}`, {}])) as Record<string, Declared>
const eight = Object.fromEntries(Object.entries(ten).slice(2))
const nine = Object.fromEntries(Object.entries(ten).slice(1))
const tenPercent = { maxDeletes: { percent: 10 } }

for (const [what, given, waiting] of [
  ['a change', { before: {}, after: { 'sql/a': {} } }, {}],
  [
    'a change where auto is false',
    { before: {}, after: { 'sql/a': {} }, policy: { auto: false } },
    { sync: ['approval'], plan: ['approval'] },
  ],
  ['nothing where auto is false', { before: ten, after: ten, policy: { auto: false } }, {}],
  [
    'settings alone where auto is false, which may be the rule itself',
    { before: ten, after: ten, policy: { auto: false }, settings: { auto: true, probationMs: 5 } },
    { sync: ['approval'], plan: ['approval'] },
  ],
  ['one delete of ten within 10 %', { before: ten, after: nine, policy: tenPercent }, {}],
  [
    'two deletes of ten over 10 %',
    { before: ten, after: eight, policy: tenPercent },
    { sync: ['deletes'], plan: ['deletes'], 'apply-plan': ['deletes'], 'apply-tree': ['deletes'] },
  ],
  [
    'two deletes with another number confirmed',
    { before: ten, after: eight, policy: tenPercent, confirm: 3 },
    { sync: ['deletes'], plan: ['deletes'], 'apply-plan': ['deletes'], 'apply-tree': ['deletes'] },
  ],
  ['two deletes with two confirmed', { before: ten, after: eight, policy: tenPercent, confirm: 2 }, {}],
  ['the only resource deleted at 10 %, as one is always allowed', { before: { 'sql/a': {} }, after: {}, policy: tenPercent }, {}],
  [
    'one delete where none is allowed',
    { before: { 'sql/a': {} }, after: {}, policy: { maxDeletes: { count: 0 } } },
    { sync: ['deletes'], plan: ['deletes'], 'apply-plan': ['deletes'], 'apply-tree': ['deletes'] },
  ],
  [
    'deleted services, which do not count',
    { before: { 'service/a': {}, 'service/b': {} }, after: {}, policy: { maxDeletes: { count: 0 } } },
    {},
  ],
  [
    'a marked change set',
    { before: {}, after: { 'sql/a': {} }, isMarked: true },
    { sync: ['marked'], plan: ['marked'], 'apply-plan': ['marked'], 'apply-tree': ['marked'], rollback: ['marked'] },
  ],
  [
    'marked settings',
    { before: ten, after: ten, settings: { schedule: '*/2 * * * *' }, isMarked: true },
    { sync: ['marked'], plan: ['marked'], 'apply-plan': ['marked'], 'apply-tree': ['marked'], rollback: ['marked'] },
  ],
  [
    'everything at once',
    { before: ten, after: eight, policy: { ...tenPercent, auto: false }, isMarked: true },
    {
      sync: ['approval', 'deletes', 'marked'],
      plan: ['approval', 'deletes', 'marked'],
      'apply-plan': ['deletes', 'marked'],
      'apply-tree': ['deletes', 'marked'],
      rollback: ['marked'],
    },
  ],
] as const)
  for (const entry of entries)
    test(`${entry} of ${what} waits for ${(waiting as Partial<Record<EntryPoint, readonly string[]>>)[entry]?.join(', ') ?? 'nothing'}`, () =>
      assert.deepEqual(holds(entry, given), (waiting as Partial<Record<EntryPoint, readonly string[]>>)[entry] ?? [])) // the table leaves entries out

test('a mark holds while every pair of it is there, and is released by a change of any one', () => {
  const pairs = fc.uniqueArray(fc.tuple(fc.string({ minLength: 1 }), fc.constantFrom('d1', 'd2', 'absent')), {
    minLength: 1,
    selector: ([ref]) => ref,
  })
  fc.assert(
    fc.property(pairs, fc.nat(), (pairs, pick) => {
      const mark = markOf({ environment: 'dev', pairs, actor: 'a', reason: 'r', at: '' })
      const state = new Map<string, string>(pairs.filter(([, digest]) => digest !== 'absent'))
      assert.ok(isMarked(mark, ref => state.get(ref)))
      const [ref, digest] = pairs[pick % pairs.length] as (typeof pairs)[number] // there is at least one
      if (digest === 'absent') state.set(ref, 'd9')
      else state.delete(ref)
      assert.ok(!isMarked(mark, one => state.get(one)))
    }),
  )
})

test('markOf() gives one id to one set, whatever its order, and another to another environment', () => {
  const rest = { actor: 'a', reason: 'r', at: '' }
  const pairs = [
    ['sql/a', 'x'],
    ['sql/b', 'y'],
  ] as const
  const id = markOf({ ...rest, environment: 'dev', pairs }).id
  assert.equal(markOf({ ...rest, environment: 'dev', pairs: pairs.toReversed() }).id, id)
  assert.notEqual(markOf({ ...rest, environment: 'prod', pairs }).id, id)
})

const propose = async (
  server: Server,
  estate: Estate,
  entry: 'sync' | 'plan' | 'apply-tree' = 'sync',
  confirmDeletes?: number,
): Promise<Proposal> =>
  server.choke.propose({
    compiled: await server.compile(treeOf(estate)),
    entry,
    actor: 'ada',
    reason: entry,
    uploaded: entry === 'apply-tree',
    ...(confirmDeletes === undefined ? {} : { confirmDeletes }),
  })

async function goLive(server: Server, estate: Estate): Promise<void> {
  const proposal = await propose(server, estate)
  assert.equal(proposal.kind, 'go')
  if (proposal.kind === 'go') assert.equal((await server.engine.apply(proposal.request)).kind, 'live')
}

for (const [what, estate, code] of [
  ['another environment', { settings: { environment: 'prod' } }, 'ENVIRONMENT_MISMATCH'],
  ['another ref', { ref: 'prod' }, 'REF_MISMATCH'],
] as const)
  test(`propose() refuses a revision that declares ${what}`, async () => {
    await using server = await setUp()
    const proposal = await propose(server, estate)
    assert.ok(proposal.kind === 'refused' && proposal.issues.some(issue => issue.code === code))
  })

test('propose() accepts the ref that is followed by its short and its full name', async () => {
  await using server = await setUp()
  for (const ref of ['main', 'refs/heads/main', null]) assert.equal((await propose(server, { ref, resources: { 'sql/a': {} } })).kind, 'go')
})

test('propose() judges by the live rules, names what a revision loosens, and by its own rules only under dev', async () => {
  await using server = await setUp()
  await goLive(server, { settings: { auto: false, probationMs: 7, preflight: 'require' } }).catch(() => null)
  const first = await propose(server, { settings: { auto: false }, resources: { 'sql/a': {} } })
  assert.equal(first.kind, 'held', 'the first revision is judged by its own file')
  const second = await server.choke.proposeStored({ id: first.kind === 'held' ? first.plan.id : '', actor: 'bob' })
  assert.ok(second.kind === 'go')
  await server.engine.apply(second.request)
  const looser = await propose(server, { settings: { auto: true }, resources: { 'sql/b': {} } })
  assert.equal(looser.kind, 'held')
  assert.ok(looser.kind === 'held' && looser.plan.issues.some(issue => issue.code === 'RULE_LOOSENED' && issue.severity === 'warning'))
  await using dev = await setUp({ judge: { by: 'own', floors: {} } })
  await goLive(dev, { resources: { 'sql/a': {} } })
  assert.equal((await propose(dev, { settings: { auto: false }, resources: { 'sql/b': {} } })).kind, 'held')
})

test("propose() makes the environment's rules as strict as the server's floors", async () => {
  await using server = await setUp({ judge: { by: 'live', floors: { maxDeletes: { count: 1 }, prune: true } } })
  await goLive(server, { settings: { prune: false }, resources: ten })
  const proposal = await propose(server, { settings: { prune: false } })
  assert.ok(proposal.kind === 'held' && proposal.plan.holds[0]?.kind === 'deletes')
})

test('compileJudged() compiles the first revision again where the floors are stricter than its own file', async () => {
  const policies: (Settings | null)[] = []
  await using server = await setUp()
  const { compileJudged } = await import('../../../reconcile/sync/policy.ts')
  const compile = (tree: Parameters<typeof compileEstate>[0], policy: Settings | null) => {
    policies.push(policy)
    return compileEstate(tree)
  }
  const loose = treeOf({ settings: { requireSecurity: false } })
  await compileJudged(compile, { by: 'live', floors: { requireSecurity: true } }, () => null)(loose)
  await compileJudged(compile, { by: 'live', floors: {} }, () => null)(loose)
  await compileJudged(compile, { by: 'live', floors: { requireSecurity: true } }, () => ({ ...settings, requireSecurity: false }))(loose)
  assert.deepEqual(
    policies.map(policy => policy?.requireSecurity ?? null),
    [null, true, null, true],
  )
  assert.equal(server.engine.live().serial, 0)
})

test('a stored plan carries out exactly what it showed, once, with its secrets sealed in the store', async () => {
  await using server = await setUp()
  const estate = { resources: { 'sql/a': { spec: { password: 'x' }, secrets: { '/password': 'hush' } } } }
  const planned = await propose(server, estate, 'plan')
  assert.ok(planned.kind === 'go')
  const row = await server.store.getPlan(planned.plan.id)
  const blob = Buffer.from((await server.store.getBlob(row?.blob ?? '')) ?? []).toString()
  assert.ok(blob.includes('sealed:') && !blob.includes('hush') && !JSON.stringify(row).includes('hush'))
  const stored = await server.choke.proposeStored({ id: planned.plan.id, actor: 'bob' })
  assert.ok(stored.kind === 'go')
  assert.deepEqual(stored.request.delta, JSON.parse(JSON.stringify(planned.request.delta)))
  await server.engine.apply(stored.request)
  const again = await server.choke.proposeStored({ id: planned.plan.id, actor: 'bob' })
  assert.ok(again.kind === 'refused' && again.code === 'STALE')
})

test('a stored plan is refused when it is unknown, expired, closed, or its base is not live any more', async () => {
  await using server = await setUp()
  const code = async (id: string) => {
    const proposal = await server.choke.proposeStored({ id, actor: 'bob' })
    return proposal.kind === 'refused' ? proposal.code : proposal.kind
  }
  const plan = async (name: string) => {
    const proposal = await propose(server, { resources: { [`sql/${name}`]: {} } }, 'plan')
    return proposal.kind === 'refused' ? '' : proposal.plan.id
  }
  assert.equal(await code('nope'), 'UNKNOWN')
  const closed = await plan('a')
  await server.store.closePlan(closed, 'applied')
  assert.equal(await code(closed), 'CLOSED')
  const stale = await plan('b')
  await goLive(server, { resources: { 'sql/x': {} } })
  assert.equal(await code(stale), 'STALE')
  const expired = await plan('c')
  await server.clock.advance(24 * 3_600_000)
  assert.equal(await code(expired), 'EXPIRED')
  assert.equal(await code(expired), 'CLOSED')
})

test('a held plan of deletes goes ahead only with the exact number confirmed', async () => {
  await using server = await setUp()
  await goLive(server, { resources: ten, settings: tenPercent })
  const held = await propose(server, { resources: eight, settings: tenPercent })
  assert.ok(held.kind === 'held')
  const id = held.plan.id
  for (const [confirm, kind] of [
    [{}, 'held'],
    [{ confirmDeletes: 1 }, 'held'],
    [{ confirmDeletes: 2 }, 'go'],
  ] as const)
    assert.equal((await server.choke.proposeStored({ id, actor: 'bob', ...confirm })).kind, kind)
})

test('an uploaded tree is refused where git decides, also by way of a stored plan', async () => {
  await using server = await setUp()
  await goLive(server, {})
  const direct = await propose(server, { resources: { 'sql/a': {} } }, 'apply-tree')
  assert.ok(direct.kind === 'refused' && direct.code === 'MODE_GIT')
  const compiled = await server.compile(treeOf({ resources: { 'sql/a': {} } }))
  const planned = await server.choke.propose({ compiled, entry: 'plan', actor: 'ada', reason: 'plan', uploaded: true })
  assert.ok(planned.kind === 'go')
  const stored = await server.choke.proposeStored({ id: planned.plan.id, actor: 'ada' })
  assert.ok(stored.kind === 'refused' && stored.code === 'MODE_GIT')
  await using free = await setUp({ source: null })
  assert.equal((await propose(free, { resources: { 'sql/a': {} } }, 'apply-tree')).kind, 'go')
})

test('what came through the command line survives every pass, and a commit that declares it is refused', async () => {
  await using server = await setUp()
  await goLive(server, { settings: { mode: 'live' }, resources: { 'sql/git': {} } })
  const uploaded = await propose(server, { settings: { mode: 'live' }, resources: { 'sql/mine': {} } }, 'apply-tree')
  assert.ok(uploaded.kind === 'go')
  await server.engine.apply(uploaded.request)
  assert.deepEqual([...server.engine.live().manifest.entries.keys()].sort(), ['sql/git', 'sql/mine'])
  assert.equal((await propose(server, { settings: { mode: 'live' }, resources: { 'sql/git': {} } })).kind, 'nothing')
  const taken = await propose(server, { settings: { mode: 'live' }, resources: { 'sql/git': {}, 'sql/mine': {} } })
  assert.ok(taken.kind === 'refused' && taken.issues.some(issue => issue.code === 'ORIGIN_CONFLICT'))
})
