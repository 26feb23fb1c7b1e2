import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { readCurrent } from '../../../engine/generation/current.ts'
import type { Store } from '../../../engine/store/port.ts'
import { issue } from '../../../schema/issue.ts'
import { until } from '../../until.ts'
import { createRig, type Rig } from './swap-setup.ts'

const probationMs = 600_000

async function outcomes(rig: Rig): Promise<[number, number, string][]> {
  return (await rig.history()).map(({ serial, generation, outcome }) => [serial, generation, outcome])
}

describe('apply()', () => {
  test('prepares on every worker, commits, then activates: the disk, the history and the workers agree', async () => {
    await using rig = await createRig()
    const outcome = await rig.apply(1)
    assert.deepEqual([outcome.kind, rig.swap.live().serial, rig.swap.live().generation], ['live', 1, 1])
    assert.equal((await readCurrent(rig.data)).state?.serial, 1)
    assert.deepEqual(await outcomes(rig), [[1, 1, 'live']])
    for (const { steps, live } of rig.workers.alive) assert.deepEqual([steps, live], [['prepare 1', 'activate 1'], 1])
  })

  test('sends only the change to a worker that holds what is live, and the whole to one that came new', async () => {
    await using rig = await createRig({ workerCount: 1 })
    await rig.apply(1)
    await rig.apply(2, { name: 'b' })
    const fresh = await rig.startWorker()
    assert.deepEqual([rig.workers.alive[0]?.sent, fresh.sent, fresh.live], [[1, 1], [2], 2])
  })

  test('of a base that is not live is refused as stale', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    const outcome = await rig.apply(2, { baseSerial: 0 })
    assert.equal(outcome.kind === 'refused' && outcome.code, 'STALE')
  })

  test('that one worker refuses happens nowhere, and its number stays free of what was built', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    const before = [await rig.bytes(), rig.swap.live()]
    const [first, second] = rig.workers.alive
    assert(first && second)
    second.refusal = 'Cannot prepare "sql/ledger" as the server refused the login'
    const outcome = await rig.apply(2)
    assert.deepEqual(outcome, {
      kind: 'refused',
      code: 'PREPARE_FAILED',
      reasons: ['Cannot prepare "sql/ledger" as the server refused the login'],
    })
    assert.deepEqual([await rig.bytes(), rig.swap.live()], before)
    assert.deepEqual([first.held, second.held], [[1], [1]])
    assert.equal((await rig.apply(3)).kind, 'live')
  })

  test('that the check refuses reaches no worker', async () => {
    const thrown = issue('SERVICE_LOAD_FAILED', 'it throws', { at: { path: 'services/a.ts', line: 1, column: 1 } })
    await using rig = await createRig({ check: async () => [thrown] })
    const outcome = await rig.apply(1)
    const reasons = ['services/a.ts:1:1: SERVICE_LOAD_FAILED: it throws']
    assert.deepEqual(outcome, { kind: 'refused', code: 'PREPARE_FAILED', reasons, issues: [thrown] })
    assert.deepEqual(
      rig.workers.alive.flatMap(({ steps }) => steps),
      [],
    )
  })

  for (const step of ['prepare', 'activate'] as const)
    test(`goes through where a worker dies as it is told to ${step}, and its successor gets what is live`, async () => {
      await using rig = await createRig()
      await rig.apply(1)
      const [, second] = rig.workers.alive
      assert(second)
      second.diesAt = step
      assert.equal((await rig.apply(2, { probationMs })).kind, 'live')
      assert.deepEqual(await outcomes(rig), [
        [2, 2, 'probation'],
        [1, 1, 'superseded'],
      ])
      assert.equal(await rig.swap.endProbation(), true)
      const fresh = await rig.startWorker()
      assert.deepEqual([fresh.live, fresh.digest], [2, rig.swap.live().digest])
    })

  test('is refused where every worker dies', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    for (const worker of rig.workers.alive) worker.diesAt = 'prepare'
    const outcome = await rig.apply(2)
    assert.equal(outcome.kind === 'refused' && outcome.code, 'PREPARE_FAILED')
    assert.deepEqual([rig.swap.live().serial, (await readCurrent(rig.data)).state?.serial], [1, 1])
  })

  test('fails where the disk refuses "current", and leaves everything as it was', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    const before = [await rig.bytes(), rig.swap.live(), await outcomes(rig)]
    {
      await using _refused = await rig.refuseWrites()
      await assert.rejects(rig.apply(2), /Cannot commit generation 2 as "current" cannot be written: .*; generation 1 stays live/)
    }
    assert.deepEqual([await rig.bytes(), rig.swap.live(), await outcomes(rig)], before)
    for (const { held } of rig.workers.alive) assert.deepEqual(held, [1])
    assert.equal((await rig.apply(2)).kind, 'live')
  })

  test('stands where the store refuses the row, which the next boot inserts', async () => {
    await using real = await createRig()
    let isAway = true
    const store: Store = Object.assign(Object.create(real.store), {
      insertHistory: (row: Parameters<Store['insertHistory']>[0]) =>
        isAway ? Promise.reject(new Error('the disk is full')) : real.store.insertHistory(row),
    })
    await using rig = await createRig({ store })
    assert.equal((await rig.apply(1)).kind, 'live')
    assert.deepEqual([await outcomes(rig), rig.announced.includes('store.failed')], [[], true])
    isAway = false
    await rig.crash()
    assert.deepEqual(await outcomes(rig), [[1, 1, 'live']])
  })

  test('waits for its turn, and is judged by the serial it then finds', async () => {
    await using rig = await createRig()
    const [one, two] = await Promise.all([rig.apply(1, { baseSerial: 0 }), rig.apply(2, { baseSerial: 0 })])
    assert.deepEqual([one?.kind, two?.kind === 'refused' && two.code], ['live', 'STALE'])
  })

  test('is refused while so many generations drain that another has no place', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    const [worker] = rig.workers.alive
    assert(worker)
    worker.draining = [11, 12, 13, 14]
    const outcome = await rig.apply(2)
    assert.equal(outcome.kind === 'refused' && outcome.code, 'BUSY')
  })
})

describe('probation', () => {
  test('keeps the fallback warm and admits no apply until it ends', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    await rig.apply(2, { probationMs })
    for (const { held, live } of rig.workers.alive) assert.deepEqual([held, live], [[1, 2], 2])
    const outcome = await rig.apply(3)
    assert.equal(outcome.kind === 'refused' && outcome.code, 'BUSY')
    assert.equal(await rig.swap.endProbation(), true)
    for (const { held } of rig.workers.alive) assert.deepEqual(held, [2])
    assert.deepEqual(await outcomes(rig), [
      [2, 2, 'live'],
      [1, 1, 'superseded'],
    ])
    assert.equal(await rig.swap.endProbation(), false)
  })

  test('ends by itself', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    await rig.apply(2, { probationMs: 20 })
    await until(() => rig.announced.includes('probation.passed'), 'The end of probation')
    assert.equal(rig.swap.live().probationUntil, null)
  })

  test('is not for the first generation: there is nothing to go back to', async () => {
    await using rig = await createRig()
    await rig.apply(1, { probationMs })
    assert.equal(rig.swap.live().probationUntil, null)
  })

  test('that fails goes back without building anything, and marks the change set', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    const { digest } = rig.swap.live()
    await rig.apply(2, { probationMs })
    const prepared = () => rig.workers.alive.flatMap(({ steps }) => steps).filter(step => step.startsWith('prepare')).length
    const before = prepared()
    await rig.swap.failProbation(2, 'it failed')
    assert.deepEqual([rig.swap.live().serial, rig.swap.live().generation, rig.swap.live().digest, prepared()], [3, 1, digest, before])
    assert.deepEqual(
      rig.marked.map(pairs => pairs.map(([ref]) => ref)),
      [['channel_rest/a']],
    )
    assert.deepEqual(await outcomes(rig), [
      [3, 1, 'live'],
      [2, 2, 'failed-probation'],
      [1, 1, 'superseded'],
    ])
    for (const { held, live } of rig.workers.alive) assert.deepEqual([held, live], [[1], 1])
  })

  test('fails only for the generation that was judged', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    await rig.apply(2, { probationMs })
    await rig.swap.failProbation(1, 'what was judged is gone')
    assert.deepEqual([rig.swap.live().generation, rig.marked], [2, []])
  })

  test('fails although the mark cannot be written', async () => {
    await using rig = await createRig({ onBad: () => Promise.reject(new Error('the store is closed')) })
    await rig.apply(1)
    await rig.apply(2, { probationMs })
    await rig.swap.failProbation(2, 'it failed')
    assert.equal(rig.swap.live().generation, 1)
  })

  test('goes on where the disk refuses its end, and ends later', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    await rig.apply(2, { probationMs: 20 })
    {
      await using _refused = await rig.refuseWrites()
      await until(() => rig.announced.includes('store.failed'), 'A refused end')
      await assert.rejects(rig.swap.rollback({ to: 'fallback', actor: 'test', reason: 'test' }))
      assert.notEqual(rig.swap.live().probationUntil, null)
    }
    await until(() => rig.swap.live().probationUntil === null, 'The end of probation')
  })
})

describe('rollback()', () => {
  test('in probation is a swap back, marked by whoever asks', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    await rig.apply(2, { probationMs })
    await rig.swap.rollback({ to: 'fallback', actor: 'test', reason: 'test' })
    assert.deepEqual([rig.swap.live().generation, rig.marked], [1, []])
    assert.deepEqual(await outcomes(rig), [
      [3, 1, 'live'],
      [2, 2, 'rolled-back'],
      [1, 1, 'superseded'],
    ])
  })

  test('in probation, of workers that came new and hold nothing to go back to, ends when all serve what is live again', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    await rig.apply(2, { probationMs })
    await rig.crash()
    for (const worker of rig.workers.alive) await rig.swap.bringUp(worker)
    assert.deepEqual(
      rig.workers.alive.map(({ live, held }) => [live, held]),
      [
        [2, [2]],
        [2, [2]],
      ],
    )
    for (const worker of rig.workers.alive) worker.delayMs = 100
    await rig.swap.rollback({ to: 'fallback', actor: 'test', reason: 'test' })
    assert.deepEqual(
      rig.workers.alive.map(({ live }) => live),
      [1, 1],
    )
  })

  test('to a serial builds its manifest anew, without another trial', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    const { digest } = rig.swap.live()
    await rig.apply(2)
    await rig.apply(3)
    await rig.swap.rollback({ to: 1, actor: 'test', reason: 'test' })
    assert.deepEqual([rig.swap.live().serial, rig.swap.live().generation, rig.swap.live().digest], [4, 4, digest])
    assert.deepEqual(await outcomes(rig), [
      [4, 4, 'live'],
      [3, 3, 'rolled-back'],
      [2, 2, 'superseded'],
      [1, 1, 'superseded'],
    ])
  })

  test('to a serial that never was is refused', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    const outcome = await rig.swap.rollback({ to: 9, actor: 'test', reason: 'test' })
    assert.equal(outcome.kind === 'refused' && outcome.code, 'PREPARE_FAILED')
  })
})

describe('a boot', () => {
  test('in probation resumes it; the second crash falls back and marks the change set', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    await rig.apply(2, { probationMs })
    const { probationUntil } = rig.swap.live()
    await rig.crash()
    assert.deepEqual([rig.swap.live().serial, rig.swap.live().probationUntil], [2, probationUntil])
    await rig.crash()
    assert.deepEqual([rig.swap.live().serial, rig.swap.live().generation, rig.swap.live().probationUntil], [3, 1, null])
    assert.deepEqual(
      rig.marked.map(pairs => pairs.map(([ref]) => ref)),
      [['channel_rest/a']],
    )
    for (const worker of rig.workers.alive) assert.equal(worker.digest, rig.swap.live().digest)
  })

  test('after a stop in good order counts no crash', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    await rig.apply(2, { probationMs })
    for (let stop = 0; stop < 4; stop += 1) await rig.restart()
    assert.deepEqual([rig.swap.live().serial, rig.swap.probation()?.generation], [2, 2])
  })

  test('goes on where the disk takes nothing', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    await rig.apply(2, { probationMs })
    await using _refused = await rig.refuseWrites()
    await rig.crash()
    assert.deepEqual([rig.swap.live().serial, rig.swap.probation()?.generation], [2, 2])
    assert(rig.announced.includes('store.failed'))
  })

  test('meets workers that served on, and has them let go of what was never committed', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    for (const worker of rig.workers.alive)
      await worker.prepare({ ...orderOf(rig), generation: 2, manifest: Promise.resolve(`${'0'.repeat(64)}.manifest`) })
    await rig.crash('workers')
    for (const { held } of rig.workers.alive) assert.deepEqual(held, [1])
    assert.equal((await rig.apply(2)).kind, 'live')
    for (const worker of rig.workers.alive) assert.deepEqual([worker.live, worker.digest], [2, rig.swap.live().digest])
  })

  test('from an older state than the history knows closes the row of what was lost, and uses no serial twice', async () => {
    await using rig = await createRig()
    await rig.apply(1)
    const older = await rig.bytes()
    await rig.apply(2)
    await writeFile(join(rig.data, 'current'), older ?? '')
    await rig.crash()
    assert.equal(rig.swap.live().serial, 1)
    assert.deepEqual(await outcomes(rig), [
      [2, 2, 'superseded'],
      [1, 1, 'live'],
    ])
    await rig.apply(3)
    assert.deepEqual(await outcomes(rig), [
      [3, 3, 'live'],
      [2, 2, 'superseded'],
      [1, 1, 'superseded'],
    ])
  })
})

function orderOf(rig: Rig) {
  const { manifest: whole } = rig.swap.live()
  assert(whole.settings)
  return {
    base: null,
    delta: { revision: null, set: [], unset: [], modules: [], settings: whole.settings, lockfile: null },
    whole,
    revision: null,
    settings: whole.settings,
    lockfile: null,
    libraries: null,
    preflight: 'warn',
  } as const
}

type Command =
  | {
      readonly do: 'apply'
      readonly value: number
      readonly onTrial: boolean
      readonly fault: 'none' | 'nack' | 'dies in prepare' | 'dies in activate' | 'disk' | 'stale'
    }
  | { readonly do: 'death' | 'rollback' | 'end probation' | 'fail probation' | 'restart' | 'crash' | 'control crash' }
  | { readonly do: 'go back to'; readonly serial: number }
  | { readonly do: 'swap back on a full disk' }

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('apply' as const),
      value: fc.nat(3),
      onTrial: fc.boolean(),
      fault: fc.constantFrom('none', 'none', 'nack', 'dies in prepare', 'dies in activate', 'disk', 'stale'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'death',
        'rollback',
        'end probation',
        'fail probation',
        'restart',
        'crash',
        'control crash',
        'swap back on a full disk',
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('go back to' as const), serial: fc.nat(6) }) },
)

async function carryOut(step: Command, rig: Rig): Promise<void> {
  const [worker] = rig.workers.alive
  assert(worker)
  const generation = rig.swap.probation()?.generation ?? 0
  switch (step.do) {
    case 'apply': {
      if (step.fault === 'nack') worker.refusal = 'no'
      if (step.fault === 'dies in prepare') worker.diesAt = 'prepare'
      if (step.fault === 'dies in activate') worker.diesAt = 'activate'
      await using _refused = step.fault === 'disk' ? await rig.refuseWrites() : null
      await rig
        .apply(step.value, { probationMs: step.onTrial ? probationMs : 0, ...(step.fault === 'stale' ? { baseSerial: -1 } : {}) })
        .catch(() => undefined) // the disk refused it
      worker.refusal = null
      worker.diesAt = null
      return
    }
    case 'death':
      return worker.die()
    case 'rollback':
      return void (await rig.swap.rollback({ to: 'fallback', actor: 'test', reason: 'test' }))
    case 'go back to':
      return void (await rig.swap.rollback({ to: step.serial, actor: 'test', reason: 'test' }))
    case 'end probation':
      return void (await rig.swap.endProbation())
    case 'fail probation':
      return await rig.swap.failProbation(generation, 'it failed')
    case 'swap back on a full disk': {
      await using _refused = await rig.refuseWrites()
      return await rig.swap.failProbation(generation, 'it failed')
    }
    case 'restart':
      return await rig.restart()
    case 'crash':
      return await rig.crash()
    case 'control crash':
      return await rig.crash('workers')
  }
}

async function checkInvariants(
  rig: Rig,
  before: { readonly serial: number; readonly bytes: string | null; readonly digest: string },
  step: Command,
) {
  const live = rig.swap.live()
  const { state } = await readCurrent(rig.data)
  assert.deepEqual(
    [state?.serial ?? 0, state?.generation ?? 0, state?.probationUntil ?? null],
    [live.serial, live.generation, live.probationUntil],
  )
  assert(live.serial === before.serial || live.serial === before.serial + 1, 'the serial rises by one, or not at all')
  if (live.serial === before.serial) {
    assert.equal(live.digest, before.digest, 'without a new serial nothing else is live')
    // A boot counts crashes, and the end of a probation is written, in the same serial.
    if (step.do === 'apply') assert.equal(await rig.bytes(), before.bytes, 'a refused apply leaves the file bit for bit')
  }
  const rows = await rig.history()
  assert.deepEqual(
    rows.map(({ serial }) => serial),
    Array.from({ length: live.serial }, (_, at) => live.serial - at),
  )
  const open = rows.filter(({ outcome }) => outcome === 'live' || outcome === 'probation')
  assert.deepEqual(
    open.map(({ serial, outcome }) => [serial, outcome]),
    live.serial === 0 ? [] : [[live.serial, live.probationUntil === null ? 'live' : 'probation']],
  )
  const warm = live.fallback?.generation
  for (const worker of rig.workers.alive) {
    assert.equal(worker.live, live.generation, `worker ${worker.id} serves what is live`)
    if (live.generation > 0) assert.equal(worker.digest, live.digest)
    for (const generation of worker.held)
      assert(generation === live.generation || generation === warm, `worker ${worker.id} keeps ${generation}`)
  }
}

test('whatever happens in whatever order, the disk, the history and the workers agree on one generation', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 12 }), async steps => {
      await using rig = await createRig()
      for (const step of steps) {
        const { serial, digest } = rig.swap.live()
        const before = { serial, digest, bytes: await rig.bytes() }
        await carryOut(step, rig)
        while (rig.workers.alive.length < 2) await rig.startWorker()
        for (const worker of rig.workers.alive) await rig.swap.bringUp(worker)
        await checkInvariants(rig, before, step)
      }
    }),
    { numRuns: 30 },
  )
}, 120_000)
