import assert from 'node:assert/strict'
import { test } from 'vitest'
import { rollBack } from '../../../reconcile/sync/rollback.ts'
import { type Estate, type Server, setUp } from './setup.ts'

async function push(server: Server, estate: Estate): Promise<string | undefined> {
  server.source?.push(estate)
  return (await server.sync?.run({ actor: 'ada' }))?.kind
}

async function back(server: Server, to?: number) {
  const request = { actor: 'ada', reason: 'slow', ...(to === undefined ? {} : { to }) }
  const outcome = await rollBack(request, { ...server, environment: 'dev' })
  assert.equal(outcome.kind, 'live', JSON.stringify(outcome))
  return outcome.kind === 'live' ? outcome : assert.fail()
}

const a = { 'sql/a': {} }
const b = { 'sql/b': {} }
const fast = { schedule: '*/2 * * * *' }
const trial = { probationMs: 0, maxDeletes: { count: 3 } }

for (const [what, estates, to] of [
  ['resources changed', [{ resources: a }, { resources: b }], 1],
  ['rules alone changed', [{ resources: a }, { resources: b }, { resources: b, settings: fast }], 2],
  ['rules changed twice', [{ resources: a }, { resources: a, settings: fast }, { resources: a, settings: trial }], 2],
  ['both changed', [{ resources: a }, { resources: a, settings: fast }, { resources: b, settings: trial }], 2],
] as const)
  test(`rollBack() where ${what} goes to the generation before, and the loop respects it`, async () => {
    await using server = await setUp()
    for (const estate of estates) assert.equal(await push(server, estate), 'live')
    const outcome = await back(server)
    assert.equal(outcome.to, to)
    assert.ok(outcome.mark !== null)
    const serial = server.engine.live().serial
    const held = await server.sync?.run({ actor: 'ada' })
    assert.equal(held?.kind === 'held' && held.holds[0]?.kind, 'marked')
    assert.equal(server.engine.live().serial, serial)
    assert.equal(await push(server, { resources: { 'sql/c': {} }, settings: { probationMs: 7 } }), 'live', 'another set is no more held')
  })

test('rollBack() to a serial before a change of rules is respected by the loop until that change is gone', async () => {
  await using server = await setUp()
  await push(server, { resources: a })
  await push(server, { resources: a, settings: fast })
  await back(server, 1)
  assert.equal(server.engine.live().manifest.settings?.schedule, null)
  assert.equal(await push(server, { resources: { ...a, ...b }, settings: fast }), 'held', 'the change is in it')
  assert.equal(await push(server, { resources: { ...a, ...b } }), 'live')
})

test('rollBack() a second time goes further back: what was undone and what is live again are passed over', async () => {
  await using server = await setUp()
  await push(server, { resources: a })
  await push(server, { resources: a, settings: fast })
  await push(server, { resources: a, settings: trial })
  assert.equal((await back(server)).to, 2)
  await server.store.setOutcome(3, 'rolled-back') // as the engine tells the history
  assert.equal((await back(server)).to, 1)
})

test('rollBack() refuses a state that holds rules which were judged bad', async () => {
  await using server = await setUp()
  await push(server, { resources: a })
  await push(server, { resources: a, settings: fast })
  await back(server)
  const outcome = await rollBack({ to: 2, actor: 'ada', reason: 'again' }, { ...server, environment: 'dev' })
  assert.equal(outcome.kind === 'refused' && outcome.code, 'MARKED')
})
