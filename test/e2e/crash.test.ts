// kill -9 at any instant: what is live stays live, or is what comes next, whole. Order and outcome are asserted; how long it took is
// printed, and fails only at five times what is promised.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { failpoints } from '../faults/failpoints.ts'
import { until } from '../until.ts'
import {
  arm,
  ask,
  channelOf,
  createGround,
  ended,
  environmentOf,
  type Ground,
  groupEnds,
  historyOf,
  isFree,
  portOf,
  serialOnDisk,
  serviceOf,
  stamped,
  stampOf,
  sync,
} from './crash-estate.ts'
import { type Load, startLoad } from './load.ts'
import { kill, type TestServer } from './server.ts'

/** A worker is replaced within that. */
const replacedMs = 1_000
/** Children of a supervisor that was killed are gone within that. */
const orphanedMs = 1_000
/** Boot without the outside world. */
const bootMs = 2_000
const patience = 5
const connections = 8

const durations: [string, number][] = []
afterAll(() => {
  for (const [what, ms] of durations) console.log(`${what.padEnd(60)} ${String(Math.round(ms)).padStart(6)} ms`)
})

async function timed(what: string, limitMs: number, act: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now()
  await act()
  const elapsedMs = performance.now() - startedAt
  durations.push([what, elapsedMs])
  assert(elapsedMs <= patience * limitMs, `${what}: ${Math.round(elapsedMs)} ms, promised are ${limitMs} ms`)
}

const more = {
  'environments/dev/more.yaml': `channel_rest:\n${channelOf('slow')}${channelOf('loop')}${channelOf('throws')}`,
  'services/slow.ts': serviceOf('slow', 'await new Promise(resolve => setTimeout(resolve, request.ms)); return {}', '{ ms: number }'),
  'services/loop.ts': serviceOf('loop', 'for (;;) if (Date.now() < 0) return {}'),
  'services/throws.ts': serviceOf('throws', "queueMicrotask(() => { throw new Error('outside of a call') }); return {}"),
}

/** As plumb status names them. */
const isServing = (count: number) => (status: { workers: readonly { state: string }[] }) =>
  status.workers.filter(({ state }) => state === 'serving').length === count

describe('kill -9 of one process', () => {
  let ground: Ground
  let server: TestServer
  let stamp = 1

  beforeAll(async () => {
    ground = await createGround(more)
    server = await ground.start()
    await server.until(isServing(2))
  })
  afterAll(() => ground[Symbol.asyncDispose]())

  async function pushNext(): Promise<void> {
    stamp += 1
    await ground.push(stamped(stamp))
    await sync(server)
    assert.equal(await stampOf(server), stamp)
  }

  test('of control: no request fails, its port answers again, nothing changed, and a push goes live', async () => {
    const before = await server.until(isServing(2))
    await using load = await startLoad({ url: `${server.channels}/stamp`, connections, pauseMs: 5 })
    const { control } = await server.pids()
    await timed('control killed, until its port answers', bootMs, async () => {
      kill(control)
      assert.equal((await ask(`${server.adminUrl}/healthz`)).status, 200)
    })
    assert.notEqual((await server.pids()).control, control)
    const after = await server.until(isServing(2))
    assert.deepEqual(after.live, before.live)
    assert.deepEqual(
      after.workers.map(({ pid }) => pid),
      before.workers.map(({ pid }) => pid),
    )
    await pushNext()
    const report = await load.stop()
    assert.deepEqual([report.failed, report.mixed], [[], []])
    assert(report.requests > connections)
  })

  test('of a worker: only requests that were open on it fail, and it is replaced', async () => {
    await server.until(isServing(2))
    await using load = await loadOnBothWorkers()
    const [first = 0] = load.pids
    await timed('worker killed, until two serve again', replacedMs, async () => {
      kill(first)
      await server.until(status => isServing(2)(status) && status.workers.every(({ pid }) => pid !== first))
    })
    const report = await load.stop()
    assert.deepEqual(report.mixed, [])
    assert.deepEqual(
      report.failedOn.filter(pid => pid !== first),
      [],
      report.failed.join('\n'),
    )
    // Some connection is on the worker that lived.
    assert(report.failed.length < connections, report.failed.join('\n'))
    assert(!report.failed.some(reason => reason.includes('ECONNREFUSED')), report.failed.join('\n'))
  })

  /** Which worker takes a connection is chance: tried anew where one has taken all. */
  async function loadOnBothWorkers(): Promise<Load> {
    for (;;) {
      const load = await startLoad({ url: `${server.channels}/stamp`, connections, pauseMs: 5 })
      if (load.pids.length === 2) return load
      await load[Symbol.asyncDispose]()
    }
  }

  test('of both workers at once: connections wait and are answered, none is refused', async () => {
    await server.until(isServing(2))
    await using load = await startLoad({ url: `${server.channels}/stamp`, connections, pauseMs: 5 })
    const { workers } = await server.pids()
    assert.equal(workers.length, 2)
    await timed('both workers killed, until the next answer', replacedMs, async () => {
      for (const pid of workers) kill(pid)
      const [answer, admin] = await Promise.all([stampOf(server), ask(`${server.adminUrl}/healthz`)])
      assert.deepEqual([answer, admin.status], [stamp, 200])
    })
    const report = await load.stop()
    assert.deepEqual(report.mixed, [])
    assert(report.failed.length <= connections, report.failed.join('\n'))
    assert(!report.failed.some(reason => reason.includes('ECONNREFUSED')), report.failed.join('\n'))
    await pushNext()
  })

  test('a service that ends its worker three times answers 503, is named, and is tried again when it changes', async () => {
    const statusOf = async () => (await ask(`${server.channels}/throws`, {}).catch(() => ({ status: 0 }))).status
    for (let death = 1; death <= 3; death += 1) {
      const before = (await server.until(isServing(2))).workers.map(({ pid }) => pid)
      assert.notEqual(await statusOf(), 503)
      await server.until(status => isServing(2)(status) && status.workers.some(({ pid }) => !before.includes(pid)))
    }
    const status = (await server.until(found => (found as unknown as Quarantine).quarantined.length > 0)) as unknown as Quarantine // as the admin API documents
    assert.deepEqual(
      status.quarantined.map(({ ref }) => ref),
      ['service/throws'],
    )
    assert.equal(await statusOf(), 503)
    assert.equal(await stampOf(server), stamp)
    await ground.push({ 'services/throws.ts': serviceOf('throws', 'return { harmless: 1 }') })
    await sync(server)
    assert.equal(await statusOf(), 200)
  })

  interface Quarantine {
    readonly quarantined: readonly { readonly ref: string }[]
  }

  test('of the supervisor alone: every process ends, one that is stuck in a loop too, the ports are free, the command fails', async () => {
    const { supervisor } = await server.pids()
    void ask(`${server.channels}/loop`, {}).catch(() => undefined) // it is never answered
    // What it is stuck on is written down after two seconds; the supervisor would kill it after five.
    await until(async () => (await readdir(ground.data)).some(name => name.startsWith('blame-')), 'A worker that is stuck in a loop')
    await timed('supervisor killed, until nothing of it is left', orphanedMs, async () => {
      kill(supervisor)
      await groupEnds(supervisor, patience * orphanedMs)
    })
    assert.equal(await ended(server), 1)
    assert(await isFree(portOf(server.channels)))
    assert(await isFree(portOf(server.adminUrl)))
  })

  test('of the command that started it all: everything ends, and it starts again', async () => {
    server = await ground.start()
    await server.until(isServing(2))
    assert.equal(await stampOf(server), stamp)
    const { supervisor } = await server.pids()
    await timed('binder killed, until nothing of it is left', orphanedMs, async () => {
      kill(server.binder.pid ?? 0)
      await groupEnds(supervisor, patience * orphanedMs)
    })
    server = await ground.start()
    assert.equal(await stampOf(server), stamp)
  })

  test('of everything while the processes start: nothing is left', async () => {
    assert.equal(await server.stop(), 0)
    for (const waitMs of [0, 100, 300]) {
      const starting = await ground.start()
      await until(async () => (await starting.pids()).supervisor > 0, 'A supervisor')
      const { supervisor } = await starting.pids()
      const from = performance.now()
      await until(() => performance.now() - from >= waitMs, 'A while', 10_000)
      kill(supervisor)
      await groupEnds(supervisor, patience * orphanedMs)
    }
    server = await ground.start()
    assert.equal(await stampOf(server), stamp)
  })
})

describe('kill -9 of everything at a failpoint', () => {
  let ground: Ground
  let server: TestServer
  let serial = 1
  let stamp = 1

  beforeAll(async () => {
    ground = await createGround()
    server = await ground.start()
    await server.until(isServing(2))
  })
  afterAll(() => ground[Symbol.asyncDispose]())

  for (const [name, { by, isCommitted }] of Object.entries(failpoints)) {
    if (by === 'rollback') continue
    test(`${name} leaves ${isCommitted ? 'the next' : 'the old'} serial, whole`, async () => {
      const next = stamp + 1
      await ground.push(stamped(next))
      await arm(ground, `${name}=killgroup`)
      const trigger = async () => {
        await using client = await server.client()
        await client.post(by === 'plan' ? 'plans' : 'sync', {})
      }
      await Promise.all([trigger().catch(() => undefined), ended(server)]) // its server dies under it
      await arm(ground, null)
      const kept = isCommitted ? serial + 1 : serial
      assert.equal(await serialOnDisk(ground.data), kept)

      {
        await using _away = await ground.away()
        server = await ground.start()
        assert.equal(await stampOf(server), isCommitted ? next : stamp)
        const status = await server.until(isServing(2))
        assert.equal(status.live.serial, kept)
        await checkHistory(server, kept)
      }
      await sync(server)
      stamp = next
      serial += 1
      assert.equal(await stampOf(server), stamp)
      await checkHistory(server, serial)
    })
  }
})

/** One row for each serial, and one of them live. */
async function checkHistory(server: TestServer, serial: number): Promise<void> {
  const rows = await historyOf(server)
  assert.deepEqual(
    rows.map(row => row.serial),
    Array.from({ length: serial }, (_, at) => serial - at),
  )
  const open = rows.filter(({ outcome }) => outcome === 'live' || outcome === 'probation')
  assert.deepEqual(
    open.map(row => row.serial),
    [serial],
  )
}

describe('a crash in probation', () => {
  let ground: Ground
  beforeAll(async () => {
    ground = await createGround({ 'environments/dev/environment.yaml': environmentOf('600s') })
  })
  afterAll(() => ground[Symbol.asyncDispose]())

  test('resumes it, a stop does not count, and a second crash falls back, once', async () => {
    let server = await ground.start()
    await server.until(isServing(2))
    await ground.push(stamped(2, { 'environments/dev/environment.yaml': environmentOf('600s') }))
    await sync(server)
    const { live } = await server.until(isServing(2))
    assert.equal(live.serial, 2)
    assert(live.probationUntil)

    await server.killAll()
    server = await ground.start()
    assert.equal(await stampOf(server), 2)
    assert.deepEqual((await server.until(isServing(2))).live, live)

    assert.equal(await server.stop(), 0)
    // Wherever its start has come to.
    for (const afterMs of [0, 50, 100, 200, 400]) {
      server = await ground.start()
      while ((await server.pids()).control === 0) await sleep(5)
      await sleep(afterMs)
      assert.equal(await server.stop(), 0)
    }
    server = await ground.start()
    assert.deepEqual((await server.until(isServing(2))).live, live)

    await server.killAll()
    server = await ground.start()
    const { live: back } = await server.until(isServing(2))
    assert.deepEqual([back.serial, back.generation, back.probationUntil], [3, 1, null])
    assert.equal(await stampOf(server), 1)
    const rows = await historyOf(server)
    assert.deepEqual(
      rows.map(({ serial, outcome }) => [serial, outcome]),
      [
        [3, 'live'],
        [2, 'failed-probation'],
        [1, 'superseded'],
      ],
    )
    // The same change set is held: it does not come back by itself.
    await sync(server)
    assert.equal(await stampOf(server), 1)
    assert.equal(await server.stop(), 0)
  })

  test('swapback.before leaves what is on probation, and the rollback goes through the second time', async () => {
    let server = await ground.start()
    await server.until(isServing(2))
    await ground.push(stamped(3, { 'environments/dev/environment.yaml': environmentOf('600s') }))
    await sync(server)
    assert.equal(await stampOf(server), 3)
    const { live } = await server.until(isServing(2))
    const rollBack = async () => {
      await using client = await server.client()
      return await client.post('rollback', { reason: 'test' })
    }
    await arm(ground, 'swapback.before=killgroup')
    await Promise.all([rollBack().catch(() => undefined), ended(server)]) // its server dies under it
    await arm(ground, null)
    server = await ground.start()
    assert.equal(await stampOf(server), 3)
    assert.deepEqual((await server.until(isServing(2))).live, live)
    await rollBack()
    assert.equal(await stampOf(server), 1)
    const rows = await historyOf(server)
    assert.deepEqual(
      rows.slice(0, 2).map(({ serial, outcome }) => [serial, outcome]),
      [
        [live.serial + 1, 'live'],
        [live.serial, 'rolled-back'],
      ],
    )
  })
})

describe('a start', () => {
  let ground: Ground
  const far = {
    'environments/dev/connections.yaml': [
      // Ports that nobody listens on.
      'sql:',
      '  - { name: Ledger, type: postgresql, host: 127.0.0.1, port: 9, username: plumb, db_name: ledger }',
      'redis:',
      '  - { name: cache, host: 127.0.0.1, port: 9 }',
      '',
    ].join('\n'),
  }
  beforeAll(async () => {
    ground = await createGround(far)
    const server = await ground.start()
    await server.until(isServing(2), 60_000)
    await ground.push(stamped(2))
    await sync(server)
    assert.equal(await stampOf(server), 2)
    assert.equal(await server.stop(), 0)
  })
  afterAll(() => ground[Symbol.asyncDispose]())

  async function startsWith(stamp: number, serial: number): Promise<void> {
    await using _away = await ground.away()
    const server = await ground.start()
    assert.equal(await stampOf(server), stamp)
    assert.equal((await server.until(isServing(2))).live.serial, serial)
    assert.equal(await server.stop(), 0)
  }

  test('with git, PostgreSQL and Redis away serves the last good generation', async () => {
    await using _away = await ground.away()
    const server = await ground.start()
    await timed('boot without the outside world, until the first answer', bootMs, async () => {
      await until(
        async () => (await stampOf(server).catch(() => 0)) === 2, // the port is not open yet
        'The first answer',
        patience * bootMs,
      )
    })
    assert.equal(await server.stop(), 0)
  })

  for (const [what, damage] of [
    ['truncated', (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1)],
    ['flipped in one bit', (bytes: Buffer) => bytes.map((byte, at) => (at === bytes.length - 20 ? byte ^ 1 : byte))],
    ['empty', () => Buffer.alloc(0)],
  ] as const)
    test(`with a "current" that is ${what} serves the one before it`, async () => {
      const path = join(ground.data, 'current')
      const whole = await readFile(path)
      await writeFile(path, damage(whole))
      await startsWith(1, 1)
      await writeFile(path, whole)
    })

  test('with nothing whole on disk is not ready, says why, does not crash, and the next sync heals it', async () => {
    for (const name of ['current', 'current.previous']) await writeFile(join(ground.data, name), 'garbage')
    for (const name of await readdir(join(ground.data, 'manifests'))) await writeFile(join(ground.data, 'manifests', name), 'garbage')
    const away = await ground.away()
    const server = await ground.start()
    await until(
      async () => (await ask(`${server.channels}/readyz`).catch(() => ({ status: 0 }))).status === 503,
      'An answer that says not ready',
    )
    const { control } = await server.pids()
    await until(async () => (await ask(`${server.adminUrl}/readyz`)).status === 503, 'Control that is not ready')
    assert.match((await ask(`${server.adminUrl}/readyz`)).text, /manifest|current/)
    assert.equal((await ask(`${server.channels}/stamp`, { echo: 1 })).status, 503)
    assert.equal((await server.pids()).control, control)
    await away[Symbol.asyncDispose]()
    await sync(server)
    assert.equal(await stampOf(server), 2)
    const { live } = await server.until(isServing(2))
    assert.equal(live.serial, 3)
    assert.equal(await server.stop(), 0)
  })

  test('on a data directory that another server uses is refused with the reason', async () => {
    const server = await ground.start()
    await server.until(isServing(2))
    const second = await ground.start()
    assert.equal(await ended(second), 1)
    assert.match(second.output(), /Cannot use the data directory .* as another plumb server uses it/)
    assert.equal(await stampOf(server), 2)
    assert.equal(await server.stop(), 0)
  })

  test('on a port that is taken is refused with the reason', async () => {
    const taken = createServer()
    const server = await ground.start()
    await server.until(isServing(2))
    assert.equal(await server.stop(), 0)
    await new Promise<void>(resolve => taken.listen(portOf(server.channels), '127.0.0.1', resolve))
    const second = await ground.start()
    assert.equal(await ended(second), 1)
    assert.match(second.output(), /Cannot listen on 127\.0\.0\.1:\d+ as another process listens there; stop it or choose another port/)
    await new Promise(resolve => taken.close(resolve))
  })

  test('on a store that a later build wrote ends at once, and says so once', async () => {
    const set = (version: number) => {
      using database = new DatabaseSync(join(ground.data, 'plumb.db'))
      const { user_version } = database.prepare('PRAGMA user_version').get() as { user_version: number } // what the pragma answers
      database.exec(`PRAGMA user_version = ${version}`)
      return user_version
    }
    const was = set(999)
    const server = await ground.start()
    assert.equal(await ended(server), 1)
    assert.equal(server.output().split('a later build wrote the store').length, 2)
    set(was)
  })

  test('in a directory whose sockets have names too long for the kernel works', async () => {
    const server = await ground.start({ data: join(ground.data, 'd'.repeat(100)) })
    await server.until(isServing(2))
    assert.equal(await stampOf(server), 2)
    assert.equal(await server.stop(), 0)
  })
})

describe('a stop', () => {
  let ground: Ground
  let server: TestServer
  beforeAll(async () => {
    ground = await createGround(more)
    server = await ground.start()
    await server.until(isServing(2))
  })
  afterAll(() => ground[Symbol.asyncDispose]())

  test('during an apply answers what is open and ends well, with the old state or the next', async () => {
    await ground.push(stamped(2))
    const reached = join(ground.data, 'reached')
    await arm(ground, `stage.services=touch:${reached};stage.services=sleep:1000`)
    const open = ask(`${server.channels}/slow`, { ms: 1_500 })
    const applying = sync(server).catch(() => undefined) // its server stops under it
    await until(() => existsSync(reached), 'An apply that is under way')
    assert.equal(await server.stop(), 0)
    assert.equal((await open).status, 200)
    await applying
    await arm(ground, null)
    const serial = await serialOnDisk(ground.data)
    assert(serial === 1 || serial === 2)
    server = await ground.start()
    await server.until(isServing(2))
    await sync(server)
    assert.equal(await stampOf(server), 2)
  })

  test('that is asked for twice does not wait for what is open', async () => {
    await server.until(isServing(2))
    const { supervisor } = await server.pids()
    const open = ask(`${server.channels}/slow`, { ms: 50_000 }).then(
      () => 'answered',
      () => 'cut off',
    )
    await until(async () => (await server.pids()).workers.length === 2, 'Both workers')
    const first = performance.now()
    server.binder.kill('SIGTERM')
    await until(() => performance.now() - first > 700, 'A second wish')
    server.binder.kill('SIGTERM')
    assert.equal(await ended(server), 0)
    assert.equal(await open, 'cut off')
    await groupEnds(supervisor, patience * orphanedMs)
  })
})
