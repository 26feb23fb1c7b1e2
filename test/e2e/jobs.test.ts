// Jobs of a real server, while it is killed, swapped and killed again. What the service itself wrote down is compared with the rows:
// nothing ran twice, and what did not run is told.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'vitest'
import { isObject, type Json, type JsonObject } from '../../schema/json.ts'
import { temporaryDirectory } from '../directory.ts'
import { until } from '../until.ts'
import { plumb } from './command.ts'
import { checkHistory, type Delivered } from './history.ts'
import { createRemote, kill, type Remote, startServer, type TestServer } from './server.ts'

const environment = `environment: dev
requireSecurity: false
sync: { schedule: '0 0 1 1 *', probation: 0s }
`

/** Appends a line for each delivery, in one write. */
function recorder(path: string, stamp = 0): string {
  return `import { appendFileSync } from 'node:fs'
import { service } from 'plumb-server'

export const record = service<{ waitMs?: number }, { stamp: number }>({
  name: 'record',
  async handle(request, ctx) {
    appendFileSync(${JSON.stringify(path)}, JSON.stringify({ ...ctx.delivery, at: Date.now() }) + '\\n')
    if (request.waitMs) await new Promise(resolve => setTimeout(resolve, request.waitMs))
    return { stamp: ${stamp} }
  },
})
`
}

interface Estate extends AsyncDisposable {
  readonly remote: Remote
  readonly records: string
  readonly server: TestServer
  restart(): Promise<void>
  sync(): Promise<JsonObject>
}

async function startJobs(jobs: string, workers = 2): Promise<Estate> {
  await using opened = new AsyncDisposableStack()
  const home = opened.use(await temporaryDirectory())
  const records = join(home.path, 'records')
  const remote = opened.use(
    await createRemote({
      'environments/dev/environment.yaml': environment,
      'environments/dev/jobs.yaml': jobs,
      'services/record.ts': recorder(records),
    }),
  )
  const data = join(home.path, 'data')
  const start = () => startServer({ source: remote.url, workers, data })
  let server = await start()
  opened.defer(() => server[Symbol.asyncDispose]())
  await server.ready()
  const owned = opened.move()
  return {
    remote,
    records,
    get server() {
      return server
    },
    async restart() {
      await server[Symbol.asyncDispose]()
      server = await start()
      await server.ready()
    },
    async sync() {
      await using client = await server.client()
      return await client.post('sync', {})
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function delivered(path: string): Promise<Delivered[]> {
  const text = await readFile(path, 'utf8').catch(() => '') // none yet
  return text
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as Delivered) // the service writes deliveries
}

async function runsOf(server: TestServer, job?: string): Promise<JsonObject[]> {
  await using client = await server.client()
  const runs: JsonObject[] = []
  for (let after: string | null = null; ; ) {
    const query = new URLSearchParams({ limit: '1000', ...(job === undefined ? {} : { job }), ...(after === null ? {} : { after }) })
    const page: JsonObject = await client.get(`job-runs?${query}`)
    runs.push(...rowsIn(page.runs))
    if (typeof page.next !== 'string') return runs
    after = page.next
  }
}

function rowsIn(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

const isOpen = ({ state }: JsonObject) => state === 'running' || state === 'scheduled'

async function quiet(estate: Estate, job?: string): Promise<JsonObject[]> {
  let runs: JsonObject[] = []
  await until(
    async () => {
      runs = await runsOf(estate.server, job).catch(() => [{ state: 'running' }]) // control is away for a moment
      return !runs.some(isOpen)
    },
    'no run is open',
    60_000,
  )
  return runs
}

test('the checker of these tests finds a time that ran twice, without a row, though skipped, or that no row tells of', () => {
  const second = (at: number) => new Date(at * 1_000).toISOString()
  const run = (at: number, rest: JsonObject = {}): JsonObject => ({ job: 'a', nominal: second(at), state: 'done', count: 1, ...rest })
  const ran = (at: number): Delivered => ({ id: `a@${second(at)}`, job: 'a', nominalAt: second(at), attempt: 1 })
  const check = (runs: readonly JsonObject[], deliveries: readonly Delivered[]) => () =>
    checkHistory(runs, deliveries, { everyMs: 1_000, from: 1_000, to: 3_000 })
  const rows = [run(1), run(2), run(3)]
  const all = [ran(1), ran(2), ran(3)]
  check(rows, all)()
  check([run(3, { state: 'skipped', count: 3 })], [])()
  assert.throws(check(rows, [...all, ran(2)]), /ran 2 times/)
  assert.throws(check([run(1), run(2)], all), /without a row/)
  assert.throws(check([run(1), run(2, { state: 'skipped' }), run(3)], all), /told as skipped/)
  assert.throws(check(rows, [ran(1), ran(2)]), /did not run/)
  assert.throws(check([run(1), run(3)], [ran(1), ran(3)]), /0 rows/)
  assert.throws(check([run(1), run(2), run(3, { count: 2 })], all), /2 rows/)
})

test('1,000 jobs that are due in the same second each run once, by what the service itself saw', async () => {
  const due = new Date(Date.now() + 40_000)
  due.setUTCMilliseconds(0)
  const jobs = Array.from(
    { length: 1_000 },
    (_, at) => `  - { name: j${at}, service: record, job_type: one_time, start_date: '${due.toISOString()}' }`,
  )
  await using estate = await startJobs(`scheduler:\n${jobs.join('\n')}\n`)
  await until(async () => (await delivered(estate.records)).length >= 1_000, 'all have run', 90_000)
  const runs = await quiet(estate)
  const records = await delivered(estate.records)
  assert.deepEqual([records.length, new Set(records.map(({ job }) => job)).size, runs.length], [1_000, 1_000, 1_000])
  assert(runs.every(({ state }) => state === 'done'))
}, 240_000)

test('control, workers and everything are killed again and again, and code is swapped: no time is lost or doubled beyond the policy', async () => {
  const jobs = Array.from(
    { length: 20 },
    (_, at) =>
      `  - { name: j${at}, service: record, job_type: cron, cron: '* * * * * *', overlap: allow, misfire: skip, extra: '{"waitMs": ${at * 5}}' }`,
  )
  await using estate = await startJobs(`scheduler:\n${jobs.join('\n')}\n`)
  await until(async () => (await delivered(estate.records)).length >= 40, 'they run', 30_000)
  const from = Date.now()
  const kills: readonly ((server: TestServer) => Promise<void>)[] = [
    async server => kill((await server.pids()).control),
    async server => kill((await server.pids()).workers[0] ?? 0),
    async server => (await server.pids()).workers.forEach(kill),
    async server => kill((await server.pids()).control),
  ]
  for (const [turn, killing] of kills.entries()) {
    const before = (await delivered(estate.records)).length
    await killing(estate.server)
    await until(async () => (await delivered(estate.records)).length >= before + 40, `they run after kill ${turn}`, 60_000)
    await estate.server.ready()
    await estate.remote.write({ 'services/record.ts': recorder(estate.records, turn + 1) })
    await estate.remote.push(`stamp ${turn + 1}`)
    await estate.sync()
  }
  const before = (await delivered(estate.records)).length
  await estate.restart()
  await until(async () => (await delivered(estate.records)).length >= before + 40, 'they run after everything was killed', 60_000)
  const to = Date.now() - 2_000
  await estate.remote.write({ 'environments/dev/jobs.yaml': null })
  await estate.remote.push('no jobs')
  await estate.sync()
  const runs = await quiet(estate)
  const unknown = runs.filter(({ state }) => state === 'unknown').length
  checkHistory(runs, await delivered(estate.records), { everyMs: 1_000, from, to })
  assert(runs.some(({ state }) => state === 'done'))
  assert(unknown <= 20 * 8, `${unknown} of ${runs.length} runs are unknown`)
}, 300_000)

test('plumb jobs tells how jobs fare, runs one at once, pauses and resumes one; the rest of the world sees it', async () => {
  await using estate = await startJobs(`scheduler:
  - { name: nightly, service: record, job_type: cron, cron: '30 3 * * *', timezone: Europe/Warsaw }
  - { name: off, service: record, job_type: interval_based, hours: 1, is_active: false }
`)
  const server = `unix:${join(estate.server.data, 'admin.sock')}`
  const jobs = async (...args: string[]) => {
    const { status, stdout, stderr } = await plumb(['jobs', ...args], { server })
    return { status, text: stdout + stderr }
  }
  await until(async () => (await jobs()).text.includes('waiting'), 'the scheduler is there')
  assert.match((await jobs()).text, /off +inactive/)
  assert.equal((await jobs('run', 'nightly')).status, 0)
  await until(async () => (await delivered(estate.records)).length === 1, 'it runs')
  await quiet(estate, 'nightly')
  assert.match((await jobs('runs', 'nightly')).text, /done +manual \(local\)/)
  assert.equal((await jobs('pause', 'nightly', '--note', 'the ledger moves')).status, 0)
  assert.match((await jobs('show', 'nightly')).text, /paused: by local since .*: the ledger moves/)
  await estate.restart()
  await until(async () => (await jobs('show', 'nightly')).text.includes('the ledger moves'), 'the pause outlives the server', 30_000)
  assert.match((await jobs('resume', 'nightly')).text, /next due at 20/)
  assert.match((await jobs('run', 'nobody')).text, /Cannot find job "nobody"/)
  assert.match((await jobs('run', 'off')).text, /inactive/)
}, 180_000)

test('a job that cannot be is an issue with its place, and what is live stays', async () => {
  await using estate = await startJobs(`scheduler:
  - { name: a, service: record, job_type: interval_based, hours: 1 }
`)
  await estate.remote.write({
    'environments/dev/jobs.yaml': `scheduler:
  - { name: a, service: record, job_type: cron, cron: '0 0 30 2 *' }
  - { name: b, service: record, job_type: cron, cron: '* * * * *', timezone: Mars/Olympus }
  - { name: c, service: gone, job_type: interval_based, hours: 1 }
  - { name: d, service: record, job_type: interval_based }
  - { name: e, service: record, job_type: one_time, start_date: yesterday }
`,
  })
  await estate.remote.push('bad jobs')
  const outcome = await estate.sync().then(answer => JSON.stringify(answer), String)
  for (const found of ['jobs.yaml']) assert(outcome.includes(found), outcome)
  const places = [...outcome.matchAll(/"line":(\d+)/g)].map(([, line]) => Number(line))
  for (const line of [2, 3, 4, 5, 6]) assert(places.includes(line), `line ${line}: ${outcome}`)
  assert.equal((await estate.server.ready()).live.serial, 1)
}, 120_000)
