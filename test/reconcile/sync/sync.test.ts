import assert from 'node:assert/strict'
import { test } from 'vitest'
import { SourceError } from '../../../reconcile/source/source-error.ts'
import { createLoop, retryMs, untilNextMs } from '../../../reconcile/sync/loop.ts'
import { rollBack } from '../../../reconcile/sync/rollback.ts'
import type { Sync } from '../../../reconcile/sync/sync.ts'
import type { Issue } from '../../../schema/issue.ts'
import { fakeClock } from '../../fake-clock.ts'
import { until } from '../../until.ts'
import { type MemorySource, type Server, setUp } from './setup.ts'

async function following(options: Parameters<typeof setUp>[0] = {}): Promise<Server & { source: MemorySource; sync: Sync }> {
  const server = await setUp(options)
  assert.ok(server.source && server.sync)
  return { ...server, source: server.source, sync: server.sync }
}

const rollbackOptions = (server: Server) => ({ engine: server.engine, store: server.store, clock: server.clock, environment: 'dev' })
const by = { actor: 'ada' }

test('a pass brings what was pushed live, and the next one finds nothing after one look at the head', async () => {
  await using server = await following()
  const pushed = server.source.push({ resources: { 'sql/a': {} } })
  const first = await server.sync.run(by)
  assert.deepEqual([first.kind, first.revision], ['live', pushed])
  assert.deepEqual([...server.engine.live().manifest.entries.keys()], ['sql/a'])
  const before = { ...server.source.calls }
  const startedAt = performance.now()
  const second = await server.sync.run(by)
  assert.ok(second.kind === 'nothing' && second.isUnchanged)
  assert.ok(performance.now() - startedAt < 100)
  assert.deepEqual(server.source.calls, { ...before, head: before.head + 1 })
  assert.deepEqual(await server.events(), ['sync.started', 'sync.applied'])
})

test('a commit that changes nothing that runs is told as nothing, and makes no generation', async () => {
  await using server = await following()
  server.source.push({ resources: { 'sql/a': {} } })
  await server.sync.run(by)
  server.source.push({ resources: { 'sql/a': {} } })
  const outcome = await server.sync.run(by)
  assert.ok(outcome.kind === 'nothing' && !outcome.isUnchanged)
  assert.equal(server.engine.live().serial, 1)
})

test('a broken revision is told once, leaves what is live, and the next revision is tried', async () => {
  await using server = await following()
  server.source.push({ resources: { 'sql/a': {} } })
  await server.sync.run(by)
  const digest = server.engine.live().digest
  server.source.push({ broken: 'a tab as indentation' })
  for (let pass = 0; pass < 3; pass++) assert.equal((await server.sync.run(by)).kind, 'refused')
  assert.equal(server.source.calls.fetch, 2)
  assert.equal(server.engine.live().digest, digest)
  const stalled = server.sync.conditions().find(condition => condition.type === 'Stalled')
  assert.deepEqual([stalled?.status, stalled?.reason], [true, 'InvalidRevision'])
  server.source.push({ resources: { 'sql/b': {} } })
  assert.equal((await server.sync.run(by)).kind, 'live')
  assert.equal(server.sync.conditions().find(condition => condition.type === 'Stalled')?.status, false)
  assert.deepEqual(await server.events(), ['sync.started', 'sync.applied', 'sync.started', 'sync.failed', 'sync.started', 'sync.applied'])
})

test('a source that does not answer is told once, and the pass after it goes on', async () => {
  await using server = await following()
  server.source.push({ resources: { 'sql/a': {} } })
  server.source.failure = new SourceError('unreachable', 'Cannot read refs/heads/main as the remote does not answer')
  for (let pass = 0; pass < 3; pass++) {
    const outcome = await server.sync.run(by)
    assert.ok(outcome.kind === 'failed' && outcome.retryable)
  }
  assert.equal(server.sync.conditions().find(condition => condition.type === 'Stalled')?.reason, 'SourceUnreachable')
  server.source.failure = null
  assert.equal((await server.sync.run(by)).kind, 'live')
  assert.deepEqual(await server.events(), ['sync.failed', 'sync.started', 'sync.applied'])
})

test('after an outage with nothing new, the pass says so and nothing is stalled', async () => {
  await using server = await following()
  server.source.push({})
  await server.sync.run(by)
  server.source.failure = new SourceError('timeout', 'Cannot read')
  await server.sync.run(by)
  server.source.failure = null
  await server.sync.run(by)
  assert.equal(server.sync.conditions().find(condition => condition.type === 'Stalled')?.status, false)
})

test('after an outage, a revision that was refused is still refused, and is not told again', async () => {
  await using server = await following()
  server.source.push({ broken: 'a tab' })
  await server.sync.run(by)
  server.source.failure = new SourceError('timeout', 'Cannot read')
  await server.sync.run(by)
  server.source.failure = null
  assert.equal((await server.sync.run(by)).kind, 'refused')
  assert.equal(server.sync.last()?.kind, 'refused')
  assert.equal(server.sync.conditions().find(condition => condition.type === 'Stalled')?.reason, 'InvalidRevision')
  assert.deepEqual(await server.events(), ['sync.started', 'sync.failed', 'sync.failed', 'sync.recovered'])
})

test('the end of an outage is told once, and the same outage later is told anew', async () => {
  await using server = await following()
  const revision = server.source.push({ resources: { 'sql/a': {} } })
  await server.sync.run(by)
  for (let outage = 0; outage < 2; outage++) {
    server.source.failure = new SourceError('timeout', 'Cannot read')
    for (let pass = 0; pass < 2; pass++) await server.sync.run(by)
    server.source.failure = null
    for (let pass = 0; pass < 2; pass++) await server.sync.run(by)
  }
  const outage = ['sync.failed', 'sync.recovered']
  assert.deepEqual(await server.events(), ['sync.started', 'sync.applied', ...outage, ...outage])
  const last = (await server.store.readJournal(0, 100)).at(-1)
  assert.deepEqual(last?.body, { revision, failedAt: '2026-01-01T00:00:00.000Z' })
})

test('the warnings of a revision come with it when it goes live, and where it changes nothing', async () => {
  await using server = await following()
  const warnings = (outcome: object) => 'issues' in outcome && (outcome.issues as readonly Issue[]).map(({ message }) => message)
  server.source.push({ resources: { 'sql/a': {} }, warning: 'a password in plain text' })
  const first = await server.sync.run(by)
  assert.deepEqual([first.kind, warnings(first)], ['live', ['a password in plain text']])
  server.source.push({ resources: { 'sql/a': {} }, warning: 'another one' })
  const second = await server.sync.run(by)
  assert.deepEqual([second.kind, warnings(second)], ['nothing', ['another one']])
  const told = (await server.store.readJournal(0, 100)).filter(({ type }) => type !== 'sync.started')
  assert.deepEqual(
    told.map(({ type, body }) => [type, body.issueCount, warnings(body)]),
    [
      ['sync.applied', 1, ['a password in plain text']],
      ['sync.nothing', 1, ['another one']],
    ],
  )
})

test('while all drains are taken, a pass waits, and the newest revision wins', async () => {
  await using server = await following()
  server.source.push({ resources: { 'sql/a': {} } })
  server.engine.refusals.push({ kind: 'refused', code: 'BUSY', reasons: ['4 generations drain'] })
  const waiting = server.sync.run(by)
  await until(() => server.clock.sleeping === 1, 'the wait')
  const newest = server.source.push({ resources: { 'sql/b': {} } })
  await server.clock.advance(250)
  assert.equal((await waiting).revision, newest)
})

test('whatever throws inside a pass is an outcome, never a rejection', async () => {
  await using server = await following()
  server.source.failure = new TypeError('a mistake of ours')
  const outcome = await server.sync.run(by)
  assert.ok(outcome.kind === 'failed' && outcome.fault === 'internal')
})

test('changed secrets are noticed without a commit', async () => {
  let secrets = 'one'
  await using server = await following({ inputs: async () => secrets })
  server.source.push({ resources: { 'sql/a': {} } })
  await server.sync.run(by)
  secrets = 'two'
  const outcome = await server.sync.run(by)
  assert.ok(outcome.kind === 'nothing' && !outcome.isUnchanged)
})

test('calls during a pass share the pass after it, which sees what was pushed before them', async () => {
  await using server = await following()
  server.source.push({ resources: { 'sql/a': {} } })
  const running = server.sync.run(by)
  const newest = server.source.push({ resources: { 'sql/b': {} } })
  const later = await Promise.all([server.sync.run(by), server.sync.run(by), server.sync.run(by)])
  await running
  assert.equal(later[0], later[2])
  assert.equal(server.engine.live().manifest.revision, newest)
  assert.ok(server.source.calls.head <= 3)
})

test('in probation newer revisions wait, and the newest of them wins', async () => {
  await using server = await following()
  server.source.push({ resources: { 'sql/a': {} } })
  await server.sync.run(by)
  server.engine.probationUntil = '2026-01-01T00:00:30Z'
  server.source.push({ resources: { 'sql/b': {} } })
  const waiting = server.sync.run(by)
  await server.clock.advance(200)
  const newest = server.source.push({ resources: { 'sql/c': {} } })
  server.engine.probationUntil = null
  await server.clock.advance(200)
  assert.equal((await waiting).kind, 'live')
  assert.equal(server.engine.live().manifest.revision, newest)
  assert.equal(server.engine.live().serial, 2)
})

test('a base that moved meanwhile is looked at again; what cannot be prepared is tried with the next pass', async () => {
  await using server = await following()
  server.source.push({ resources: { 'sql/a': {} } })
  server.engine.refusals.push({ kind: 'refused', code: 'STALE', reasons: ['moved'] })
  assert.equal((await server.sync.run(by)).kind, 'live')
  server.source.push({ resources: { 'sql/b': {} } })
  server.engine.refusals.push({ kind: 'refused', code: 'PREPARE_FAILED', reasons: ['no login'] })
  const refused = await server.sync.run(by)
  assert.ok(refused.kind === 'refused' && !refused.isFinal)
  assert.equal(server.sync.conditions().find(condition => condition.type === 'Stalled')?.reason, 'PrepareFailed')
  assert.equal((await server.sync.run(by)).kind, 'live')
})

test('a plan that waits is stored once, and made anew when it has expired', async () => {
  await using server = await following()
  server.source.push({ settings: { auto: false }, resources: { 'sql/a': {} } })
  const held = await server.sync.run(by)
  assert.ok(held.kind === 'held' && held.holds[0]?.kind === 'approval')
  await server.sync.run(by)
  assert.equal((await server.store.listPlans(10)).length, 1)
  await server.clock.advance(24 * 3_600_000)
  assert.equal((await server.sync.run(by)).kind, 'held')
  assert.equal((await server.store.listPlans(10)).length, 2)
})

test('a rollback is not undone by the loop until the change set changes, or the mark is cleared', async () => {
  await using server = await following()
  server.source.push({ resources: { 'sql/a': {} } })
  await server.sync.run(by)
  server.source.push({ resources: { 'sql/a': { spec: { host: 'b' } }, 'sql/c': {} } })
  await server.sync.run(by)
  const rolled = await rollBack({ actor: 'ada', reason: 'answers 500' }, rollbackOptions(server))
  assert.ok(rolled.kind === 'live' && rolled.to === 1)
  assert.deepEqual([...server.engine.live().manifest.entries.keys()], ['sql/a'])
  const held = await server.sync.run(by)
  assert.ok(held.kind === 'held' && held.holds[0]?.kind === 'marked' && held.holds[0].reason === 'answers 500')
  server.source.push({ resources: { 'sql/a': { spec: { host: 'b' } }, 'sql/c': {}, 'sql/d': {} } })
  assert.equal((await server.sync.run(by)).kind, 'held', 'the whole set is still in it')
  server.source.push({ resources: { 'sql/a': { spec: { host: 'c' } }, 'sql/c': {} } })
  assert.equal((await server.sync.run(by)).kind, 'live')
})

test('rollBack() refuses what is live, unknown, or marked, and leaves no mark behind when the engine refuses', async () => {
  await using server = await following()
  const options = rollbackOptions(server)
  const code = async (to?: number) => {
    const outcome = await rollBack({ actor: 'ada', reason: 'r', ...(to === undefined ? {} : { to }) }, options)
    return outcome.kind === 'refused' ? outcome.code : outcome.kind
  }
  server.source.push({ resources: { 'sql/a': {} } })
  await server.sync.run(by)
  assert.equal(await code(), 'NO_FALLBACK')
  assert.equal(await code(1), 'ALREADY_LIVE')
  assert.equal(await code(99), 'UNKNOWN')
  server.source.push({ resources: { 'sql/b': {} } })
  await server.sync.run(by)
  server.engine.refusals.push({ kind: 'refused', code: 'PREPARE_FAILED', reasons: ['x'] })
  assert.equal(await code(1), 'PREPARE_FAILED')
  assert.deepEqual(await server.store.listMarks(), [])
  assert.equal(await code(1), 'live')
  assert.equal(await code(2), 'MARKED')
})

test('untilNextMs() follows five and six fields, with jitter of a tenth at most', () => {
  const now = Date.parse('2026-01-01T00:00:01Z')
  assert.equal(
    untilNextMs('*/5 * * * * *', now, () => 0),
    4_000,
  )
  assert.equal(
    untilNextMs('*/5 * * * * *', now, () => 1),
    4_500,
  )
  assert.equal(
    untilNextMs('*/2 * * * *', now, () => 0),
    119_000,
  )
  assert.equal(
    untilNextMs(null, now, () => 0),
    60_000,
  )
})

test('retryMs() doubles up to five minutes', () => {
  assert.deepEqual(
    [1, 2, 3, 100].map(failures => retryMs(failures, () => 1)),
    [2_000, 4_000, 8_000, 300_000],
  )
})

test('createLoop() passes at once, by the schedule, sooner after a failure, and ends with its signal', async () => {
  const clock = fakeClock(0)
  const stop = new AbortController()
  const at: number[] = []
  let isDown = false
  const sync: Pick<Sync, 'run'> = {
    async run() {
      at.push(clock.now())
      return isDown
        ? { kind: 'failed', fault: 'unreachable', reasons: [], retryable: true, revision: null, phases: {} }
        : { kind: 'nothing', isUnchanged: true, issues: [], revision: null, phases: {} }
    },
  }
  const loop = createLoop({ sync: sync as Sync, clock, random: () => 1, schedule: () => '*/10 * * * * *', signal: stop.signal }) // the loop only runs it
  await clock.advance(11_500)
  isDown = true
  await clock.advance(10_000 + 2_000 + 4_000)
  stop.abort()
  await loop.done
  assert.deepEqual(at, [0, 11_000, 21_000, 23_000, 27_000])
})
