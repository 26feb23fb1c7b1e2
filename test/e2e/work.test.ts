// Asynchronous calls under load while processes are killed: what was accepted is done, and what was done twice was marked.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { JsonObject } from '../../schema/json.ts'
import { until } from '../until.ts'
import { ask, channelOf, createGround, type Ground, stamped, sync } from './crash-estate.ts'
import { kill, type TestServer } from './server.ts'
import { judgeHistory, type Run, readRuns, type Verdict } from './work-history.ts'

const connections = 8
const told: string[] = []

/** `submit` accepts for whoever is named, `record` writes down that it runs, `helper` is another file of the same revision. */
function estate(stamp: number, runs: string, refusal = 'The order is closed'): Record<string, string> {
  return stamped(stamp, {
    'environments/dev/work.yaml': `channel_rest:\n${channelOf('submit')}${channelOf('later')}`,
    'services/submit.ts': `import { service } from 'plumb-server'
export const submit = service<{ n: number; to: string; attempts: number; deadline: string }, { id: string }>({
  name: 'submit',
  handle: ({ n, to, attempts, deadline }, ctx) => ctx.invokeAsync(to, { n }, { attempts, deadline: deadline as '1s' }),
})
export const later = service<{ n: number; after: string }, { id: string }>({
  name: 'later',
  handle: ({ n, after }, ctx) => ctx.schedule.once('record', { n }, { after: after as '1s' }),
})
`,
    'services/helper.ts': `import { service } from 'plumb-server'
export const helper = service<Record<string, never>, { stamp: number }>({ name: 'helper', handle: () => ({ stamp: ${stamp} }) })
`,
    'services/record.ts': `import { appendFileSync } from 'node:fs'
import { BadRequest, service } from 'plumb-server'
export const record = service<{ n: number }, null>({
  name: 'record',
  async handle({ n }, ctx) {
    const write = async (what: string) => {
      const { id, attempt, redelivered } = ctx.delivery!
      const { stamp } = await ctx.invoke('helper', {})
      appendFileSync(${JSON.stringify(runs)}, JSON.stringify({ what, id, n, attempt, redelivered, stamps: [${stamp}, stamp] }) + '\\n')
    }
    await write('begin')
    await new Promise(resolve => setTimeout(resolve, n % 20))
    await write('end')
    return null
  },
})
export const stuck = service<{ n: number }, null>({ name: 'stuck', handle: () => new Promise<null>(() => undefined) })
export const picky = service<{ n: number }, null>({
  name: 'picky',
  handle({ n }, ctx) {
    if (${JSON.stringify(refusal)} !== '') throw new BadRequest(${JSON.stringify(refusal)})
    return ctx.invoke('record', { n }) as Promise<null>
  },
})
`,
  })
}

interface Submitting extends AsyncDisposable {
  /** Ids by the number they were submitted with. */
  readonly accepted: Map<string, number>
  /** Answers that were no acceptance, by status; 0: none came. */
  readonly refused: Map<number, number>
  stop(): Promise<void>
}

/** Submits as fast as it is answered, whatever happens to the server. */
function submit(channels: () => string): Submitting {
  const accepted = new Map<string, number>()
  const refused = new Map<number, number>()
  let stopping = false
  let last = 0
  const one = async () => {
    while (!stopping) {
      const n = ++last
      const answer = await ask(`${channels()}/submit`, submission(n)).catch(() => null) // The server is away.
      if (answer?.status === 200) accepted.set(String(JSON.parse(answer.text).id), n)
      else refused.set(answer?.status ?? 0, (refused.get(answer?.status ?? 0) ?? 0) + 1)
      if (answer?.status !== 200) await sleep(20)
    }
  }
  const all = Array.from({ length: connections }, one)
  const stop = async () => {
    stopping = true
    await Promise.all(all)
  }
  return {
    accepted,
    refused,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

const submission = (n: number, to = 'record', attempts = 50, deadline = '60s') => ({ n, to, attempts, deadline })

async function counts(server: TestServer): Promise<{ ready: number; running: number; dead: number }> {
  await using client = await server.client()
  return (await client.get('tasks?limit=1')).counts as unknown as { ready: number; running: number; dead: number } // as docs say
}

async function emptied(server: TestServer): Promise<void> {
  await until(
    async () => {
      const found = await counts(server).catch(() => null) // It is starting.
      assert(!found?.dead, 'a dead letter')
      return found !== null && found.ready + found.running === 0
    },
    'An empty queue',
    120_000,
  )
}

async function verdict(what: string, { accepted, refused }: Submitting, path: string): Promise<Verdict> {
  const runs = await readRuns(path)
  const found = judgeHistory(accepted, runs)
  told.push(
    `${what}: ${accepted.size} accepted, ${found.repeated} delivered again, refused by status ${JSON.stringify(Object.fromEntries(refused))}`,
  )
  return found
}

const nothingLost = (found: Verdict) => assert.deepEqual({ ...found, repeated: 0 }, { lost: [], unmarked: [], mixed: [], repeated: 0 })

test('judgeHistory() finds what is lost, unmarked and mixed', () => {
  const run = (id: string, what: Run['what'], given: Partial<Run> = {}): Run => ({
    id,
    what,
    n: 1,
    attempt: 1,
    redelivered: false,
    stamps: [1, 1],
    ...given,
  })
  const accepted = new Map([
    ['a', 1],
    ['b', 1],
    ['c', 1],
    ['d', 1],
  ])
  const runs = [
    ...[run('a', 'begin'), run('a', 'begin', { redelivered: true }), run('a', 'end', { redelivered: true })],
    ...[run('b', 'begin'), run('b', 'begin', { attempt: 2 }), run('b', 'end')],
    ...[run('c', 'begin'), run('d', 'begin'), run('d', 'end', { stamps: [1, 2] })],
  ]
  assert.deepEqual(judgeHistory(accepted, runs), { lost: ['c'], unmarked: ['b attempt 2'], mixed: ['d'], repeated: 2 })
})

describe('asynchronous calls', () => {
  let home: string
  let runs: string
  let ground: Ground
  let server: TestServer
  let stamp = 1

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'plumb-work-'))
    runs = join(home, 'runs')
    ground = await createGround(estate(1, runs))
    server = await ground.start()
    await server.ready()
  }, 180_000)
  afterAll(async () => {
    console.log(told.join('\n'))
    await ground[Symbol.asyncDispose]()
    await rm(home, { recursive: true, force: true })
  })

  async function push(refusal?: string): Promise<void> {
    stamp += 1
    await ground.push(estate(stamp, runs, refusal))
    await sync(server)
  }

  async function more(load: Submitting, count: number): Promise<void> {
    const before = load.accepted.size
    await until(() => load.accepted.size >= before + count, 'Load', 120_000).catch(error => {
      throw new Error(`${error.message}\n${server.output().slice(-3000)}`)
    })
  }

  for (const [what, times, hit] of [
    ['a worker', 5, async () => kill((await server.pids()).workers[0] ?? 0)],
    ['both workers', 3, async () => (await server.pids()).workers.forEach(kill)],
    ['control', 5, async () => kill((await server.pids()).control)],
    ['everything', 3, async () => server.killAll()],
  ] as const satisfies readonly (readonly [string, number, () => Promise<void>])[])
    test(`survive kill -9 of ${what}, ${times} times under load: none that was accepted is lost, and what is delivered again is marked`, async () => {
      await using load = submit(() => server.channels)
      for (let at = 0; at < times; at++) {
        await more(load, 50)
        await hit()
        if (server.binder.exitCode !== null || server.binder.signalCode !== null) server = await ground.start()
      }
      await more(load, 50)
      await load.stop()
      await emptied(server)
      nothingLost(await verdict(`kill -9 of ${what} ×${times}`, load, runs))
    })

  test('survive swap after swap: none is lost, none runs twice, and no run has a part of two generations', async () => {
    await server.ready()
    const seen = (await readRuns(runs)).length
    await using load = submit(() => server.channels)
    for (let swaps = 0; swaps < 5; swaps++) {
      await more(load, 30)
      await push()
    }
    await load.stop()
    await emptied(server)
    const found = await verdict('5 swaps', load, runs)
    nothingLost(found)
    assert.deepEqual([found.repeated, [...load.refused]], [0, []])
    assert(new Set((await readRuns(runs)).slice(seen).map(({ stamps }) => stamps[0])).size >= 4)
  })

  test('survive a stop in good order: none runs twice, and what is due later runs when it is', async () => {
    await using load = submit(() => server.channels)
    await more(load, 100)
    const { text } = await ask(`${server.channels}/later`, { n: 0, after: '5s' })
    load.accepted.set(String(JSON.parse(text).id), 0)
    await load.stop()
    await server.stop()
    server = await ground.start()
    await server.ready()
    await emptied(server)
    const found = await verdict('a stop in order', load, runs)
    nothingLost(found)
    assert.equal(found.repeated, 0)
  })

  test('that can never pass are dead letters, are told of, and run once the service is mended and they are resubmitted', async () => {
    const { id } = JSON.parse((await ask(`${server.channels}/submit`, submission(3, 'picky'))).text) as { id: string } // as the service says
    await using client = await server.client()
    const dead = async () => (await client.get('tasks?state=dead')).tasks as unknown as JsonObject[] // as the docs say
    await until(async () => (await dead()).length === 1, 'A dead letter', 30_000)
    const [letter = {}] = await dead()
    assert.deepEqual([letter.id, letter.attempts, (letter.failure as JsonObject).reason], [id, 1, 'The order is closed'])
    assert(!('payload' in letter))
    assert.deepEqual(((await client.get(`tasks/${id}`)).task as JsonObject).payload, { n: 3 })
    await until(() => server.output().includes('"type":"task.dead"'), 'A line of the log')

    await push('')
    assert.deepEqual(await client.post(`tasks/${id}/resubmit`, {}), { resubmitted: 1 })
    await emptied(server)
    assert.deepEqual(
      (await readRuns(runs)).filter(run => run.id === id).map(run => [run.what, run.n, run.attempt, run.redelivered]),
      [
        ['begin', 3, 1, true],
        ['end', 3, 1, true],
      ],
    )
  })

  test('that never end give their places up at their deadline, and what waits behind them runs', async () => {
    // More than all the places of both workers.
    const stuck = await Promise.all(Array.from({ length: 70 }, (_, n) => ask(`${server.channels}/submit`, submission(n, 'stuck', 1, '1s'))))
    const ids = stuck.map(({ text }) => String(JSON.parse(text).id))
    const behind = JSON.parse((await ask(`${server.channels}/submit`, submission(0))).text) as { id: string } // as the service says
    await until(async () => (await readRuns(runs)).some(({ id, what }) => id === behind.id && what === 'end'), 'A run behind them', 60_000)
    await until(async () => (await counts(server)).dead === ids.length, 'Dead letters', 60_000)
    await using client = await server.client()
    const { tasks } = await client.get('tasks?state=dead')
    for (const task of tasks as unknown as JsonObject[]) assert.equal((task.failure as JsonObject).status, 504) // as the docs say
    for (const id of ids) assert.deepEqual(await client.post(`tasks/${id}/discard`, {}), { discarded: id })
    assert.deepEqual({ ...(await counts(server)), totals: null }, { ready: 0, running: 0, dead: 0, totals: null })
  })
})
