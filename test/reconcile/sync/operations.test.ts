import assert from 'node:assert/strict'
import { test } from 'vitest'
import { Refusal } from '../../../engine/admin/port.ts'
import { createOperations } from '../../../reconcile/sync/operations.ts'
import { type Estate, memorySource, setUp, treeOf } from './setup.ts'

const ada = { name: 'ada', via: 'socket', role: 'admin', scopes: [], token: null, address: null } as const
const upload = (estate: Estate) => [
  { path: 'environments/dev/estate.json', base64: Buffer.from(JSON.stringify(estate)).toString('base64') },
]
const refusedWith = (status: number, code: string) => (error: unknown) =>
  error instanceof Refusal && error.status === status && error.code === code

async function serving(options: Parameters<typeof setUp>[0] = {}) {
  const server = await setUp(options)
  const operations = createOperations({ ...server, environment: 'dev', renderTypes: async () => 'types', checkTypes: async () => [] })
  return { ...server, operations }
}

test('plan, apply and plan again: what was shown is what is live, and then there is nothing left', async () => {
  await using server = await serving()
  const { operations, source } = server
  source?.push({ resources: { 'sql/a': { spec: { password: 'ref' }, secrets: { '/password': 'hush' } } } })
  const planned = await operations.plan({}, ada)
  assert.match(String(planned.text), /\+ sql\/a/)
  const { plan } = planned as { plan: { id: string } } // as the port documents
  const { outcome } = await operations.applyPlan({ id: plan.id }, ada)
  assert.equal((outcome as { kind: string }).kind, 'live') // an outcome has a kind
  assert.match(String((await operations.plan({}, ada)).text), /No changes/)
  await assert.rejects(operations.applyPlan({ id: plan.id }, ada), refusedWith(409, 'CLOSED'))
  for (const answer of [planned, await operations.getPlan(plan.id), await operations.getResource('sql/a'), await operations.status()])
    assert.ok(!JSON.stringify(answer).includes('hush'))
})

test('two requests for one plan: one of them applies it', async () => {
  await using server = await serving()
  server.source?.push({ resources: { 'sql/a': {} } })
  const { plan } = (await server.operations.plan({}, ada)) as { plan: { id: string } } // as the port documents
  const ends = await Promise.allSettled([1, 2, 3].map(() => server.operations.applyPlan({ id: plan.id }, ada)))
  assert.equal(ends.filter(end => end.status === 'fulfilled').length, 1)
  assert.equal(server.engine.live().serial, 1)
})

test('a plan whose apply was refused, as on probation, is open for another try; one that was applied is not', async () => {
  await using server = await serving({ source: null })
  const { plan } = await planOf(server, { resources: { 'sql/a': {} } })
  server.engine.refusals.push({ kind: 'refused', code: 'BUSY', reasons: ['Cannot apply as generation 1 is on probation'] })
  assert.partialDeepStrictEqual(await server.operations.applyPlan({ id: plan.id }, ada), { outcome: { kind: 'refused', code: 'BUSY' } })
  assert.partialDeepStrictEqual(await server.operations.getPlan(plan.id), { state: 'open' })
  assert.partialDeepStrictEqual(await server.operations.applyPlan({ id: plan.id }, ada), { outcome: { kind: 'live' } })
  await assert.rejects(server.operations.applyPlan({ id: plan.id }, ada), refusedWith(409, 'CLOSED'))
})

test('a plan of an upload where git decides says what to do with it, which is not to apply it', async () => {
  await using git = await serving()
  const shown = await planOf(git, { resources: { 'sql/a': {} } })
  assert.match(shown.text, /Next: commit it and push/)
  await using free = await serving({ source: null })
  assert.match((await planOf(free, { resources: { 'sql/a': {} } })).text, /Next: plumb apply /)
})

test('applyTree() is refused where git decides, and works on a server without a source', async () => {
  await using git = await serving()
  await assert.rejects(git.operations.applyTree({ files: upload({ resources: { 'sql/a': {} } }) }, ada), refusedWith(409, 'MODE_GIT'))
  await using free = await serving({ source: null })
  await free.operations.applyTree({ files: upload({ resources: { 'sql/a': {} } }) }, ada)
  const row = await free.operations.getResource('sql/a')
  assert.equal(row.origin, 'cli ada')
  await assert.rejects(free.operations.sync({}, ada), refusedWith(409, 'NO_SOURCE'))
  await assert.rejects(free.operations.plan({}, ada), refusedWith(409, 'NO_SOURCE'))
})

const planOf = async (server: Awaited<ReturnType<typeof serving>>, estate?: Estate) =>
  (await server.operations.plan(estate === undefined ? {} : { files: upload(estate) }, ada)) as {
    plan: { id: string; summary: Record<string, number>; settings: { pointer: string }[]; steps: { op: string; ref: string }[] }
    text: string
  } // as documented

test('a commit of rules alone is planned as what its apply does, and afterwards nothing is left to plan', async () => {
  await using server = await serving()
  server.source?.push({ resources: { 'sql/a': {} } })
  await server.operations.sync({}, ada)
  server.source?.push({ resources: { 'sql/a': {} }, settings: { schedule: '*/2 * * * *', probationMs: 5_000 } })
  const { plan, text } = await planOf(server)
  assert.deepEqual(
    plan.settings.map(({ pointer }) => pointer),
    ['/sync/probation', '/sync/schedule'],
  )
  assert.partialDeepStrictEqual(plan, { summary: { create: 0, update: 0, delete: 0, settings: 2 }, steps: [] })
  assert.ok(!text.includes('No changes'))
  assert.partialDeepStrictEqual(await server.operations.applyPlan({ id: plan.id }, ada), { outcome: { kind: 'live', serial: 2 } })
  assert.partialDeepStrictEqual(server.engine.live().manifest.settings, { schedule: '*/2 * * * *', probationMs: 5_000 })
  const after = await planOf(server)
  assert.deepEqual([after.plan.settings, after.plan.steps, after.plan.summary.settings], [[], [], 0])
})

test('a plan that was stored without settings is still shown and applied', async () => {
  await using server = await serving()
  server.source?.push({ resources: { 'sql/a': {} } })
  const { plan } = await planOf(server)
  const row = await server.store.getPlan(plan.id)
  assert.ok(row)
  const { settings: _, ...body } = row.body
  const { settings: _counted, ...summary } = plan.summary
  await server.store.putPlan({ ...row, id: 'older', body: { ...body, id: 'older', summary } })
  assert.match(String((await server.operations.getPlan('older')).text), /1 to create, 0 to update, 0 to delete, 0 unchanged\./)
  assert.partialDeepStrictEqual(await server.operations.applyPlan({ id: 'older' }, ada), { outcome: { kind: 'live' } })
})

test('an uploaded plan is what the uploaded apply does: its resources are its own, and no pass takes them back', async () => {
  await using server = await serving()
  const live = { settings: { mode: 'live' } } as const
  server.source?.push({ ...live, resources: { 'sql/git': {} } })
  await server.operations.sync({}, ada)
  const { plan } = await planOf(server, { ...live, resources: { 'sql/mine': {} } })
  assert.deepEqual(plan.steps, [{ order: 1, op: 'create', ref: 'sql/mine' }])
  assert.partialDeepStrictEqual(await server.operations.applyPlan({ id: plan.id }, ada), { outcome: { kind: 'live' } })
  assert.equal((await server.operations.getResource('sql/mine')).origin, 'cli ada')
  assert.match(String((await server.operations.getResource('sql/git')).origin), /^git /)
  assert.partialDeepStrictEqual(await server.operations.sync({}, ada), { outcome: { kind: 'nothing' } })
})

for (const [what, options, settings] of [
  ['that follows git in mode live', {}, { mode: 'live' }],
  ['without a source', { source: null }, {}],
] as const)
  test(`plan and apply of an upload take over nothing of another origin, on a server ${what}`, async () => {
    await using server = await serving(options)
    const files = upload({ settings, resources: { 'sql/a': {} } })
    const first = await server.choke.propose({
      compiled: await server.compile(treeOf({ settings, resources: { 'sql/a': {} } })),
      entry: 'sync',
      actor: 'ada',
      reason: 'sync',
    })
    assert.ok(first.kind === 'go')
    await server.engine.apply(first.request)
    const conflict = (error: unknown) => error instanceof Refusal && error.issues.some(({ code }) => code === 'ORIGIN_CONFLICT')
    await assert.rejects(server.operations.plan({ files }, ada), conflict)
    await assert.rejects(server.operations.applyTree({ files }, ada), conflict)
  })

test('where git decides, a plan of an upload shows what a commit of it would change, and is never carried out', async () => {
  await using server = await serving()
  server.source?.push({ resources: { 'sql/a': {} } })
  await server.operations.sync({}, ada)
  const { plan } = await planOf(server, { resources: { 'sql/a': { spec: { host: 'db-2' } } } })
  assert.deepEqual(plan.steps, [{ order: 1, op: 'update', ref: 'sql/a' }])
  await assert.rejects(server.operations.applyPlan({ id: plan.id }, ada), refusedWith(409, 'MODE_GIT'))
  // Started again without a source, it would have another owner.
  await using free = await serving({ source: null })
  const row = await server.store.getPlan(plan.id)
  assert.ok(row)
  const blob = await free.store.putBlob((await server.store.getBlob(row.blob)) ?? new Uint8Array())
  await free.store.putPlan({ ...row, baseSerial: 0, blob })
  await assert.rejects(free.operations.applyPlan({ id: plan.id }, ada), refusedWith(409, 'STALE'))
})

test('sync with retry clears the marks and says so in the journal', async () => {
  await using server = await serving()
  const { operations, source } = server
  source?.push({ resources: { 'sql/a': {} } })
  await operations.sync({}, ada)
  source?.push({ resources: { 'sql/b': {} } })
  await operations.sync({}, ada)
  await operations.rollback({ reason: 'slow' }, ada)
  const kindOf = async (retry: boolean) => ((await operations.sync({ retry }, ada)).outcome as { kind: string }).kind // an outcome has a kind
  assert.equal(await kindOf(false), 'held')
  assert.deepEqual((await operations.status()).holds, [
    { kind: 'marked', mark: (await server.store.listMarks())[0]?.id, reason: 'slow', by: 'ada', next: 'plumb sync --retry' },
  ])
  assert.equal(await kindOf(true), 'live')
  assert.deepEqual(await server.store.listMarks(), [])
  assert.ok((await server.events()).includes('marks.cleared'))
})

test('an upload is judged by the rules for paths, and errors come back as issues with their place', async () => {
  await using server = await serving()
  const evil = [{ path: '../../etc/passwd', base64: '' }]
  await assert.rejects(server.operations.validate({ files: evil }), refusedWith(422, 'TREE_REFUSED'))
  const answer = await server.operations.validate({ files: upload({ broken: 'a tab' }) })
  assert.equal(answer.ok, false)
  const issues = (error: unknown) => error instanceof Refusal && error.code === 'INPUT' && error.issues[0]?.at?.line === 1
  await assert.rejects(server.operations.plan({ files: upload({ broken: 'a tab' }) }, ada), issues)
})

test('listResources() pages through all of them once, in order, and by kind', async () => {
  await using server = await serving()
  const names = Array.from({ length: 7 }, (_, at) => `sql/s${at}`)
  server.source?.push({ resources: Object.fromEntries([...names, 'security/x'].map(ref => [ref, {}])) })
  await server.operations.sync({}, ada)
  const seen: string[] = []
  for (let after: string | undefined; ; ) {
    const page = (await server.operations.listResources({ kind: 'sql', limit: 3, ...(after ? { after } : {}) })) as {
      resources: { ref: string }[]
      next: string | null
    } // as documented
    seen.push(...page.resources.map(row => row.ref))
    if (page.next === null) break
    after = page.next
  }
  assert.deepEqual(seen, names)
})

test('what is not there is said so: a plan, a resource, a revision, a service', async () => {
  await using server = await serving()
  server.source?.push({})
  await server.operations.sync({}, ada)
  await assert.rejects(server.operations.getPlan('x'), refusedWith(404, 'UNKNOWN'))
  await assert.rejects(server.operations.getResource('sql/x'), refusedWith(404, 'UNKNOWN'))
  await assert.rejects(server.operations.getResource('nonsense'), refusedWith(400, 'INVALID_VALUE'))
  await assert.rejects(server.operations.plan({ revision: 'main' }, ada), refusedWith(400, 'INVALID_VALUE'))
  await assert.rejects(server.operations.invoke({ service: 'x', payload: null }, ada), refusedWith(404, 'SERVICE_UNKNOWN'))
  assert.deepEqual((await server.operations.invoke({ service: 'echo', payload: { a: 1 } }, ada)).payload, { a: 1 })
})

test('a revision is planned where commits are followed, and refused where the files of a working tree are', async () => {
  await using server = await serving({ source: memorySource(null) })
  server.source?.push({})
  await assert.rejects(server.operations.plan({ revision: 'a'.repeat(40) }, ada), refusedWith(409, 'NO_SOURCE'))
})

test('history() lists one row for each serial, newest first, in pages', async () => {
  await using server = await serving()
  for (const name of ['a', 'b', 'c']) {
    server.source?.push({ resources: { [`sql/${name}`]: {} } })
    await server.operations.sync({}, ada)
  }
  const first = (await server.operations.history({ limit: 2 })) as { history: { serial: number }[]; next: number } // as documented
  assert.deepEqual([first.history.map(row => row.serial), first.next], [[3, 2], 2])
  const rest = (await server.operations.history({ limit: 2, before: first.next })) as { history: { serial: number }[]; next: null } // as documented
  assert.deepEqual([rest.history.map(row => row.serial), rest.next], [[1], null])
})
