// Properties 1 and 2 of the design, over estates of every kind: what fails changes nothing, a plan is what its apply does, after it
// there is nothing left to do, and how one got somewhere does not show in what runs there.

import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, test } from 'vitest'
import { applied, deltaBetween } from '../../engine/generation/applied.ts'
import type { Manifest } from '../../engine/generation/manifest.ts'
import { DocumentCache } from '../../reconcile/compile/document-cache.ts'
import type { Plan } from '../../reconcile/plan/plan.ts'
import { declaredSettings } from '../../schema/declared-settings.ts'
import { atPointer } from '../../schema/json.ts'
import { environmentOf, filesOf, layout, type Resources, type Rules, resources, rules } from './estates.ts'
import { compiled, openServer, plainSecrets, running } from './server.ts'

const documents = new DocumentCache({ directory: null })
let server: Awaited<ReturnType<typeof openServer>>
beforeAll(async () => {
  server = await openServer()
})
afterAll(async () => {
  await documents[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const compile = (estate: Parameters<typeof filesOf>[0], ...rest: [Parameters<typeof filesOf>[1]?, string?]) =>
  compiled(filesOf(estate, ...rest), documents)

const ruled = (estate: Resources, rules: Rules) =>
  compiled({ ...filesOf(estate), 'environments/dev/environment.yaml': environmentOf(undefined, rules) }, documents)

/** The next resources and rules; now and then only one of the two is another. */
const step = fc.tuple(fc.option(resources, { freq: 3 }), fc.option(rules, { freq: 3 }))

test('a plan is what its apply does, and afterwards the plan is empty', async () => {
  await fc.assert(
    fc.asyncProperty(resources, rules, step, async (first, given, [next, others]) => {
      const { goLive, live, propose } = server.fresh()
      await goLive(await ruled(first, given))
      const before = live()
      const desired = await ruled(next ?? first, others ?? given)
      const proposal = await goLive(desired)
      assert.ok(proposal.kind === 'go' || proposal.kind === 'nothing')
      assert.deepEqual(outcomeOf(proposal.plan, before.entries.keys()), [...live().entries.keys()].sort())
      for (const { ref, digests } of proposal.plan.changes) {
        assert.equal(before.entries.get(ref)?.resource.effectiveDigest ?? null, digests[0], ref)
        assert.equal(live().entries.get(ref)?.resource.effectiveDigest ?? null, digests[1], ref)
      }
      const planned = new Set(proposal.plan.steps.map(({ ref }) => ref))
      for (const [ref, entry] of live().entries)
        if (!planned.has(ref)) assert.equal(entry, before.entries.get(ref), `${ref} is kept as it is`)
      const declared = (manifest: Manifest) => (manifest.settings ? declaredSettings(manifest.settings) : {})
      for (const { pointer, before: was, after } of proposal.plan.settings) {
        assert.deepEqual(atPointer(declared(before), pointer), was, pointer)
        assert.deepEqual(atPointer(declared(live()), pointer), after, pointer)
      }
      assert.equal(proposal.plan.settings.length === 0, isDeepStrictEqual(live().settings, before.settings))
      assert.equal(proposal.kind === 'nothing', live() === before)
      assert.equal((await propose(desired)).kind, 'nothing')
      assert.equal((await propose(await ruled(next ?? first, others ?? given), 'plan')).kind, 'nothing')
    }),
    { numRuns: 60 },
  )
})

test('going there by way of another estate is going there at once, also through the disk', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(resources, { minLength: 1, maxLength: 3 }), resources, async (way, last) => {
      const [travelled, direct] = [server.fresh(), server.fresh()]
      for (const estate of way) await travelled.goLive(await compile(estate))
      await travelled.goLive(await compile(last))
      await direct.goLive(await compile(last))
      assert.deepEqual(running(travelled.live()), running(direct.live()))
      assert.equal(travelled.engine.live().digest, direct.engine.live().digest)
      assert.deepStrictEqual(await server.throughDisk(travelled.live()), travelled.live())
    }),
    { numRuns: 40 },
  )
})

test('a way there and back again is no way, and so is a rollback', async () => {
  await fc.assert(
    fc.asyncProperty(resources, fc.tuple(rules, rules), resources, async (one, [given, others], other) => {
      const { goLive, live, engine } = server.fresh()
      const [first, second] = [await ruled(one, pruning(given)), await ruled(other, pruning(others))]
      await goLive(first)
      const [before, serial] = [live(), engine.live().serial]
      await goLive(second)
      const between = live()
      assert.deepEqual(running(applied(between, deltaBetween(between, before))), running(before))
      const rolledBack = await engine.rollback({ to: serial, actor: 'ada', reason: 'test' })
      assert.equal(rolledBack.kind, 'live')
      assert.deepStrictEqual(live(), before)
      await goLive(second)
      await goLive(first)
      assert.deepEqual(running(live()), running(before))
    }),
    { numRuns: 30 },
  )
})

test('order, files, folders, comments and formatting make no plan', async () => {
  await fc.assert(
    fc.asyncProperty(resources, layout, layout, async (estate, one, other) => {
      const { goLive, propose } = server.fresh()
      await goLive(await compile(estate, one))
      const proposal = await propose(await compile(estate, other))
      assert.equal(proposal.kind, 'nothing', JSON.stringify(proposal))
    }),
    { numRuns: 40 },
  )
})

test('whatever fails, bad input, a stale base or a worker that refuses, leaves what is live bit for bit', async () => {
  const failure = fc.constantFrom('input', 'stale', 'prepare', 'busy')
  await fc.assert(
    fc.asyncProperty(resources, resources, failure, async (one, other, what) => {
      const { goLive, live, engine, propose } = server.fresh()
      await goLive(await compile(one))
      const [before, state] = [live(), JSON.stringify(engine.live())]
      const copy = structuredClone(plain(before))
      if (what === 'input') {
        const bad = { ...filesOf(other), 'environments/dev/bad.yaml': 'redis: [{ name: bad }]\n' }
        const proposal = await propose(await compiled(bad, documents))
        assert.ok(proposal.kind === 'refused' && proposal.code === 'INPUT')
      } else {
        const proposal = await propose(await compile(other))
        if (proposal.kind !== 'go') return
        const code = ({ stale: 'STALE', prepare: 'PREPARE_FAILED', busy: 'BUSY' } as const)[what]
        if (what !== 'stale') engine.refusals.push({ kind: 'refused', code, reasons: [] })
        const baseSerial = proposal.request.baseSerial + (what === 'stale' ? 1 : 0)
        assert.equal((await engine.apply({ ...proposal.request, baseSerial })).kind, 'refused')
      }
      assert.equal(live(), before)
      assert.deepStrictEqual(plain(live()), copy)
      assert.equal(JSON.stringify(engine.live()), state)
    }),
    { numRuns: 60 },
  )
})

test('a secret that changes is an update of those that use it, and of nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(resources, fc.constantFrom('alpha', 'beta', 'gamma'), async (estate, changed) => {
      const { goLive, live, propose } = server.fresh()
      await goLive(await compile(estate))
      const users = [...live().entries.values()].filter(({ resource }) => JSON.stringify(resource.spec).includes(`secrets.${changed} `))
      const proposal = await propose(await compiled(filesOf(estate), documents, { ...plainSecrets, [changed]: 'another value' }))
      const steps = proposal.kind === 'go' ? proposal.plan.steps : []
      assert.deepEqual(steps.map(({ op, ref }) => `${op} ${ref}`).sort(), users.map(({ resource }) => `update ${resource.ref}`).sort())
    }),
    { numRuns: 40 },
  )
})

/** Without it, what is no longer declared stays. */
function pruning({ sync, ...rest }: Rules): Rules {
  return { ...rest, sync: { ...sync, prune: true } }
}

function outcomeOf({ steps }: Plan, before: Iterable<string>): string[] {
  const refs = new Set<string>(before)
  for (const { op, ref } of steps) {
    assert.equal(refs.has(ref), op !== 'create', `${op} ${ref}`)
    if (op === 'delete') refs.delete(ref)
    else refs.add(ref)
  }
  return [...refs].sort()
}

/** As it compares: a persistent map keeps what it holds to itself. */
function plain(manifest: Manifest): Manifest {
  return { ...manifest, entries: new Map(manifest.entries), modules: new Map(manifest.modules) }
}
