// `plumb serve` follows a bare repository, and the commands that look at it and steer it: their words, their JSON, their exit statuses.

import assert from 'node:assert/strict'
import { rename } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { socketIn } from '../../cli/client.ts'
import { exit } from '../../cli/run.ts'
import type { JsonObject } from '../../schema/json.ts'
import { until } from '../until.ts'
import { plumb, type Run } from './command.ts'
import { bootMs, call, createRemote, type Remote, type Status, startServer, type TestServer } from './server.ts'

const never = '0 0 1 1 *'

function environment(sync: Readonly<Record<string, string | number | boolean>>, rest: readonly string[] = []): string {
  const settings = { schedule: never, probation: '0s', preflight: 'warn', maxDeletes: '100%', ...sync }
  return ['environment: dev', 'extends: [../base]', 'requireSecurity: false', `sync: ${JSON.stringify(settings)}`, ...rest, ''].join('\n')
}

function channels(...names: readonly string[]): string {
  return ['channel_rest:', ...names.map(name => `  - { name: ${name}, service: greet.hello, url_path: /${name}, public: true }`), ''].join(
    '\n',
  )
}

function greeting(word: string): string {
  return `import { service } from 'plumb-server'

export interface HelloRequest {
  /** @minLength 1 */
  name: string
}

/** Greets. */
export const hello = service<HelloRequest, { greeting: string }>({
  name: 'greet.hello',
  async handle({ name }) {
    return { greeting: \`${word} \${name}\` }
  },
})
`
}

const at = {
  environment: 'environments/dev/environment.yaml',
  channels: 'environments/base/channels.yaml',
  connections: 'environments/dev/connections.yaml',
  service: 'services/greet.ts',
} as const

const estate = {
  [at.environment]: environment({}, ['vars: { peer: http://127.0.0.1:1 }']),
  [at.channels]: channels('hello', 'bye'),
  [at.service]: greeting('Hello'),
}

interface Outcome {
  readonly kind: string
  readonly plan?: string
  readonly code?: string
  readonly revision?: string
  readonly serial?: number
  readonly holds?: readonly { readonly kind: string; readonly next: string }[]
  readonly issues?: readonly { readonly code: string }[]
}

/** A server that follows a repository, and the command beside it. */
interface Followed extends AsyncDisposable {
  readonly remote: Remote
  readonly server: TestServer
  /** Runs the command; fails where it ends with another status. */
  run(status: number, ...args: readonly string[]): Promise<Run>
  /** The outcome that a command prints with --json. */
  outcome(status: number, ...args: readonly string[]): Promise<Outcome>
  /** Writes, commits, pushes; gives the commit. */
  push(files: Readonly<Record<string, string | null>>): Promise<string>
  status(): Promise<Status>
  ask(path: string, name?: string): Promise<unknown>
}

async function follow(files: Readonly<Record<string, string>>): Promise<Followed> {
  const remote = await createRemote(files)
  const server = await startServer({ source: remote.url, workers: 2 })
  await server.ready()
  const followed: Followed = {
    remote,
    server,
    async run(status, ...args) {
      const ran = await plumb(args, { server: `unix:${socketIn(server.data)}` })
      assert.equal(ran.status, status, `plumb ${args.join(' ')} ended with ${ran.status}: ${ran.stdout}${ran.stderr}`)
      return ran
    },
    async outcome(status, ...args) {
      return (await followed.run(status, ...args, '--json')).json().outcome as unknown as Outcome // as docs/admin-api.md says
    },
    async push(changes) {
      await remote.write(changes)
      return await remote.push('a change')
    },
    async status() {
      return (await followed.run(exit.done, 'status', '--json')).json() as unknown as Status // as docs/admin-api.md says
    },
    async ask(path, name = 'Ann') {
      const { status, body } = await call(`${server.channels}${path}`, { name })
      return status === 200 ? body : status
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await remote[Symbol.asyncDispose]()
    },
  }
  return followed
}

test('a push is followed by a cron of six fields', async () => {
  await using followed = await follow({ ...estate, [at.environment]: environment({ schedule: '*/1 * * * * *' }) })
  const revision = await followed.push({ [at.service]: greeting('Welcome') })
  await followed.server.until(({ live }) => live.revision === revision)
  assert.deepEqual(await followed.ask('/hello'), { greeting: 'Welcome Ann' })

  // What is broken is looked at once, and the next commit is followed again.
  const { live } = await followed.status()
  await followed.push({ [at.service]: 'export const hello = service(' })
  await followed.server.until(({ conditions }) => conditions.some(({ reason }) => reason === 'InvalidRevision'))
  assert.deepEqual((await followed.status()).live, live)
  assert.deepEqual(await followed.ask('/hello'), { greeting: 'Welcome Ann' })
  const repaired = await followed.push({ [at.service]: greeting('Good day') })
  await followed.server.until(status => status.live.revision === repaired)
  assert.deepEqual(await followed.ask('/hello'), { greeting: 'Good day Ann' })
})

test('a generation on probation is undone at once, or passes when somebody says so', async () => {
  await using followed = await follow({ ...estate, [at.environment]: environment({ probation: '1h' }) })
  await followed.push({ [at.service]: greeting('Howdy') })
  assert.equal((await followed.outcome(exit.done, 'sync')).kind, 'live')
  assert.match((await followed.run(exit.done, 'status')).stdout, /^Generation +2 .*\n.*\nProbation until +\d{4}-/m)
  assert.partialDeepStrictEqual(await followed.outcome(exit.done, 'rollback', '--reason', 'too loud'), { kind: 'live', generation: 1 })
  assert.deepEqual(await followed.ask('/hello'), { greeting: 'Hello Ann' })
  assert.equal((await followed.outcome(exit.waits, 'sync')).holds?.[0]?.kind, 'marked')

  await followed.push({ [at.service]: greeting('Hey') })
  assert.equal((await followed.outcome(exit.done, 'sync')).kind, 'live')
  await followed.push({ [at.service]: greeting('Yo') })
  assert.equal((await followed.outcome(exit.done, 'sync', '--end-probation')).kind, 'live')
  assert.deepEqual(await followed.ask('/hello'), { greeting: 'Yo Ann' })
  const { history } = (await followed.run(exit.done, 'history', '--json')).json()
  assert.deepEqual(
    (history as readonly { readonly generation: number; readonly outcome: string }[]).map(({ generation, outcome }) => [
      generation,
      outcome,
    ]),
    [
      [4, 'probation'],
      [3, 'superseded'],
      [1, 'superseded'],
      [2, 'rolled-back'],
      [1, 'superseded'],
    ],
  )
})

describe('a server that is asked', () => {
  let followed: Followed
  let peer: Server

  beforeAll(async () => {
    peer = createServer((_, response) => response.end())
    await new Promise<void>(resolve => peer.listen(0, '127.0.0.1', resolve))
    const { port } = peer.address() as AddressInfo // it listens on TCP
    const connections = [
      'outgoing_rest:',
      "  - { name: Peer, host: '${{ vars.peer }}', url_path: / }",
      '  - { name: Nobody, host: http://127.0.0.1:1, url_path: / }',
      '',
    ]
    followed = await follow({
      ...estate,
      [at.environment]: environment({}, [`vars: { peer: 'http://127.0.0.1:${port}' }`]),
      [at.connections]: connections.join('\n'),
    })
  }, bootMs)

  afterAll(async () => {
    await followed?.[Symbol.asyncDispose]()
    peer?.closeAllConnections()
    peer?.close()
  })

  test('says what is live', async () => {
    const { stdout } = await followed.run(exit.done, 'status')
    assert.match(stdout, /^Environment +dev\nGeneration +1 \(serial 1\), live since \d{4}-\S+Z\nRevision +[0-9a-f]{40}\n/)
    assert.match(stdout, /^Worker 1 +\w+, generation 1, pid \d+$/m)
    const { live, workers } = await followed.status()
    assert.deepEqual([live.serial, live.generation, workers.length], [1, 1, 2])
  })

  test('lists its resources and shows one', async () => {
    const { stdout } = await followed.run(exit.done, 'get', '--kind', 'channel_rest')
    assert.match(stdout, /^REF +ORIGIN +STATE\nchannel_rest\/bye +git [0-9a-f]{40} +ready\nchannel_rest\/hello +git [0-9a-f]{40} +ready\n$/)
    const page = (await followed.run(exit.done, 'get', '--limit', '1', '--json')).json()
    assert.equal((page.resources as readonly unknown[]).length, 1)
    assert.equal(page.next, 'channel_rest/bye')
    assert.match((await followed.run(exit.done, 'get', 'channel_rest/hello')).stdout, /url_path: \/hello/)
    const one = (await followed.run(exit.done, 'get', 'channel_rest/hello', '--json')).json()
    assert.equal((one.spec as { readonly url_path: string }).url_path, '/hello')
    const { stderr } = await followed.run(exit.failed, 'get', 'channel_rest/helo')
    assert.match(stderr, /^Cannot find "channel_rest\/helo" as no such resource is live/)
    const error = (await followed.run(exit.failed, 'get', 'channel_rest/helo', '--json')).json().error
    assert.equal((error as { readonly code: string }).code, 'UNKNOWN')
  })

  test('explains where every value comes from', async () => {
    const { stdout } = await followed.run(exit.done, 'explain', 'outgoing_rest/Peer')
    assert.match(stdout, /^FIELD +VALUE +FROM\n/)
    assert.match(stdout, /^\/host +"http:\/\/127\.0\.0\.1:\d+" +environments\/dev\/connections\.yaml:2:\d+ \(.*vars\.peer\)$/m)
    const { leaves } = (await followed.run(exit.done, 'explain', 'channel_rest/hello', '--json')).json()
    const path = (leaves as readonly { readonly pointer: string; readonly from: object }[]).find(({ pointer }) => pointer === '/url_path')
    assert.partialDeepStrictEqual(path?.from, { at: { path: at.channels, line: 2 } })
    await followed.run(exit.failed, 'explain', 'channel_rest/helo')
  })

  test('calls a service', async () => {
    const { stdout } = await followed.run(exit.done, 'invoke', 'greet.hello', '-d', '{"name":"Bob"}')
    assert.deepEqual(JSON.parse(stdout), { greeting: 'Hello Bob' })
    const answer = (await followed.run(exit.done, 'invoke', 'greet.hello', '-d', '{"name":"Bob"}', '--json')).json()
    assert.deepEqual(answer.payload, { greeting: 'Hello Bob' })
    assert.match((await followed.run(exit.failed, 'invoke', 'greet.hello', '-d', '{"name":""}')).stderr, /\/name/)
    await followed.run(exit.failed, 'invoke', 'greet.helo')
    await followed.run(exit.usage, 'invoke', 'greet.hello', '-d', '{')
    await followed.run(exit.usage, 'invoke')
  })

  test('pings the far end of a connection', async () => {
    assert.match((await followed.run(exit.done, 'ping', 'outgoing_rest/Peer')).stdout, /^outgoing_rest\/Peer answered in [\d.]+ ms\n$/)
    assert.equal((await followed.run(exit.done, 'ping', 'outgoing_rest/Peer', '--json')).json().ok, true)
    assert.match(
      (await followed.run(exit.failed, 'ping', 'outgoing_rest/Nobody')).stdout,
      /^outgoing_rest\/Nobody does not answer: .*refused/,
    )
    assert.equal((await followed.run(exit.failed, 'ping', 'outgoing_rest/Nobody', '--json')).json().ok, false)
  })

  test('plans a push, takes it on by sync, and then has nothing to plan', async () => {
    const before = await followed.status()
    const revision = await followed.push({ [at.service]: greeting('Hi'), [at.channels]: channels('hello', 'bye', 'again') })
    const planned = await followed.run(exit.changes, 'plan', '--detailed-exitcode')
    assert.match(planned.stdout, /channel_rest\/again/)
    assert.match(planned.stdout, /^Plan: 1 to create, 1 to update, 0 to delete/m)
    assert.deepEqual((await followed.status()).live, before.live)
    const plan = (await followed.run(exit.done, 'plan', '--json')).json()
    assert.partialDeepStrictEqual(plan, { revision, summary: { create: 1, update: 1, delete: 0 } })
    assert.match(
      (await followed.run(exit.done, 'plan', '--markdown')).stdout,
      /^## Plumb plan: `dev` at `[0-9a-f]{10}`\n.*create channel_rest\/again/s,
    )

    assert.match((await followed.run(exit.done, 'sync')).stdout, /^Live: generation 2 \(serial 2\) after [\d.]+ m?s\n$/)
    assert.deepEqual(await followed.ask('/again'), { greeting: 'Hi Ann' })
    assert.equal((await followed.run(exit.done, 'sync')).stdout, 'No changes. The live registry matches the revision.\n')
    assert.equal((await followed.outcome(exit.done, 'sync')).kind, 'nothing')
    await followed.run(exit.done, 'plan', '--detailed-exitcode')
    // A plan that was made for another serial is not carried out.
    const { stderr } = await followed.run(exit.failed, 'apply', String(plan.id))
    assert.match(stderr, /serial 1 and serial 2 is live/)
  })

  test('remembers what was live', async () => {
    const { stdout } = await followed.run(exit.done, 'history')
    const [head, ...rows] = stdout.trimEnd().split('\n')
    assert.match(head ?? '', /^SERIAL +GENERATION +REVISION +AT +OUTCOME +BY +WHY$/)
    assert.deepEqual(
      rows.map(row => row.split(/ {2,}/).slice(0, 2)),
      [
        ['2', '2'],
        ['1', '1'],
      ],
    )
    const { history } = (await followed.run(exit.done, 'history', '--limit', '1', '--json')).json()
    assert.partialDeepStrictEqual(history, [{ serial: 2, outcome: 'live', commit: { subject: 'a change' } }])
  })

  test('goes back, and stays there until it is told otherwise', async () => {
    assert.match((await followed.run(exit.done, 'rollback', '--reason', 'too short')).stdout, /^Live: generation \d+ \(serial 3\)/)
    assert.deepEqual([await followed.ask('/hello'), await followed.ask('/again')], [{ greeting: 'Hello Ann' }, 404])
    const held = await followed.outcome(exit.waits, 'sync')
    assert.partialDeepStrictEqual(held.holds, [{ kind: 'marked', reason: 'too short', next: 'plumb sync --retry' }])
    const { stdout } = await followed.run(exit.waits, 'sync')
    assert.match(stdout, /too short; plumb sync --retry\n$/)
    assert.match((await followed.run(exit.done, 'status')).stdout, /^Held +too short; plumb sync --retry$/m)
    assert.deepEqual(await followed.ask('/hello'), { greeting: 'Hello Ann' })

    assert.match((await followed.run(exit.done, 'sync', '--retry')).stdout, /^Live: .*serial 4/)
    assert.deepEqual(await followed.ask('/again'), { greeting: 'Hi Ann' })
    assert.equal((await followed.outcome(exit.done, 'rollback', '1')).kind, 'live')
    assert.deepEqual(await followed.ask('/hello'), { greeting: 'Hello Ann' })
    await followed.run(exit.failed, 'rollback', '999')
    await followed.run(exit.done, 'sync', '--retry')
  })

  test('takes no upload, as git decides', async () => {
    const { stderr } = await followed.run(exit.failed, 'apply', followed.remote.clone)
    assert.match(stderr, /MODE_GIT|follows git and its environment has "mode: git"/)
    const error = (await followed.run(exit.failed, 'apply', followed.remote.clone, '--json')).json().error
    assert.equal((error as { readonly code: string }).code, 'MODE_GIT')
    // A plan of an upload is a look at it; it is not carried out either.
    await followed.remote.write({ [at.service]: greeting('Ahoy') })
    const plan = (await followed.run(exit.done, 'plan', followed.remote.clone, '--json')).json()
    await followed.run(exit.failed, 'apply', String(plan.id))
    await followed.remote.write({ [at.service]: greeting('Hi') })
  })

  test('refuses a broken push with its place, and says so in the status', async () => {
    const { live } = await followed.status()
    const revision = await followed.push({
      [at.channels]: `${channels('hello', 'bye', 'again')}  - { name: lost, service: greet.helo, url_path: /lost, public: true }\n`,
    })
    const { stdout, stderr } = await followed.run(exit.failed, 'sync')
    assert.match(stdout, /^Refused\. What was live stays live\.\n/)
    assert.match(stderr, /^environments\/base\/channels\.yaml:5:\d+: error UNRESOLVED_REF: .*did you mean "service\/greet\.hello"\?$/m)
    assert.equal((await followed.outcome(exit.failed, 'sync')).kind, 'refused')
    assert.deepEqual((await followed.status()).live, live)
    const status = (await followed.run(exit.done, 'status')).stdout
    assert.match(status, /^Stalled +true, InvalidRevision/m)
    assert.match(status, new RegExp(`^Last sync +revision ${revision} was refused, at \\d{4}-`, 'm'))
    assert.match(status, /^environments\/base\/channels\.yaml:5:\d+: error UNRESOLVED_REF: .*did you mean "service\/greet\.hello"\?$/m)
    const told = logged('sync.failed').filter(line => line.revision === revision)
    assert.equal(told.length, 1)
    assert.partialDeepStrictEqual(told[0], { level: 40, process: 'control', code: 'INPUT', issueCount: 1 })
    assert.match(JSON.stringify(told[0]?.issues), /^\[\{"at":"environments\/base\/channels\.yaml:5:\d+",.*"code":"UNRESOLVED_REF",/)

    await followed.push({ [at.channels]: channels('hello', 'bye', 'again') })
    assert.equal((await followed.outcome(exit.done, 'sync')).kind, 'nothing')
    assert.match((await followed.run(exit.done, 'status')).stdout, /^Stalled +false/m)
  })

  test('shows warnings when a revision goes live', async () => {
    const file = 'environments/dev/partner.yaml'
    const partner = (password: string) => `security:\n  - { name: Partner, type: basic_auth, username: partner, password: ${password} }\n`
    await followed.push({ [file]: partner('first') })
    const { stdout, stderr } = await followed.run(exit.done, 'sync')
    assert.match(stdout, /^Live: /)
    assert.match(stderr, /^environments\/dev\/partner\.yaml:2:\d+: warning PLAINTEXT_SECRET: .*"password".*$/m)
    await followed.push({ [file]: partner('second') })
    const outcome = await followed.outcome(exit.done, 'sync')
    assert.deepEqual([outcome.kind, outcome.issues?.map(({ code }) => code)], ['live', ['PLAINTEXT_SECRET']])
    // Lines go out in batches.
    const counted = () =>
      logged('sync.applied')
        .slice(-2)
        .map(({ issueCount }) => issueCount)
    await until(() => counted().every(count => count === 1), 'Both warnings in the log')
    await followed.push({ [file]: null })
    assert.equal((await followed.outcome(exit.done, 'sync')).kind, 'live')
  })

  test('says in its status and its log that the repository is away, and that it is back', async () => {
    const { url } = followed.remote
    await rename(url, `${url}.away`)
    try {
      await followed.run(exit.failed, 'sync')
      const { stdout } = await followed.run(exit.done, 'status')
      assert.match(stdout, /^Stalled +true, Source/m)
      assert.match(stdout, /^Last sync +failed \(\S+\), at \d{4}-.*\nCause +Cannot /m)
      assert.equal(logged('sync.failed').at(-1)?.level, 40)
    } finally {
      await rename(`${url}.away`, url)
    }
    assert.equal((await followed.outcome(exit.done, 'sync')).kind, 'nothing')
    await until(() => logged('sync.recovered').length === 1, 'The recovery in the log')
    assert.match((await followed.run(exit.done, 'status')).stdout, /^Stalled +false/m)
  })

  test('logs what went live and what was rolled back', async () => {
    const { history } = (await followed.run(exit.done, 'history', '--json')).json()
    const serials = (history as readonly { readonly serial: number }[]).map(({ serial }) => serial)
    await until(() => logged('generation.live').length >= serials.length, 'All that went live in the log')
    assert.deepEqual(
      logged('generation.live').map(({ serial }) => serial),
      serials.toReversed(),
    )
    assert.partialDeepStrictEqual(logged('rollback')[0], { level: 40, reason: 'too short', from: 2, to: 1 })
    assert.doesNotMatch(followed.server.output(), /"name":"Bob"|: (?:first|second)\b/)
  })

  /** The lines that the server logged of a journal event. */
  function logged(type: string): readonly JsonObject[] {
    return followed.server
      .output()
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as JsonObject) // pino writes objects
      .filter(line => line.type === type)
  }

  test('validates a clone and writes its types without a server', async () => {
    const { clone } = followed.remote
    assert.equal((await followed.run(exit.done, 'validate', clone, '--types', '--json')).json().ok, true)
    await followed.remote.write({ [at.service]: greeting('Hi').replace('greeting: `', 'greting: `') })
    const { stdout } = await followed.run(exit.failed, 'validate', clone, '--types')
    assert.match(stdout, /^services\/greet\.ts:11:9: error TYPE_ERROR: .*Property 'greeting' is missing .*\(TS2322\)$/m)
    // Types are not what a revision is judged by.
    assert.match((await followed.run(exit.done, 'validate', clone)).stdout, /^dev: \d+ resources, 0 warnings\n$/)
    await followed.remote.write({ [at.service]: greeting('Hi') })

    const { written } = (await followed.run(exit.done, 'types', clone, '--json')).json()
    assert.equal((written as readonly string[])[0], join(clone, 'services', 'environment.d.ts'))
    await followed.remote.write({ 'services/environment.d.ts': null })
    await followed.run(exit.usage, 'validate', '/')
  })

  test('lets nobody in over TCP without its token', async () => {
    const { adminUrl, output } = followed.server
    const first = /^First token, shown this once, .*: (\S+)$/m.exec(output())?.[1] ?? ''
    const status = `${adminUrl}/api/v1/environments/dev/status`
    assert.equal((await call(status)).status, 401)
    const wrong = await call(status, undefined, { headers: { authorization: 'Bearer plumb_wrong' } })
    assert.deepEqual([wrong.status, (wrong.body as { readonly code: string }).code], [401, 'UNAUTHORIZED'])
    const tooEarly = await call(status, undefined, { headers: { authorization: `Bearer ${first}` } })
    assert.deepEqual([tooEarly.status, (tooEarly.body as { readonly code: string }).code], [403, 'TOKEN_NOT_EXCHANGED'])
    const exchanged = await call(`${adminUrl}/api/v1/tokens/exchange`, {}, { headers: { authorization: `Bearer ${first}` } })
    const { token } = exchanged.body as { readonly token: string } // as the admin API documents
    const again = await call(`${adminUrl}/api/v1/tokens/exchange`, {}, { headers: { authorization: `Bearer ${first}` } })
    assert.equal(again.status, 401)
    const right = { headers: { authorization: `Bearer ${token}` } }
    await until(async () => (await call(status, undefined, right)).status === 200, 'The token is taken')

    assert.equal((await plumb(['status', '--server', adminUrl], { token })).status, exit.done)
    const refused = await plumb(['status', '--server', adminUrl, '--json'], { token: 'plumb_wrong' })
    assert.equal(refused.status, exit.failed)
    assert.equal((refused.json().error as { readonly code: string }).code, 'UNAUTHORIZED')
    const away = await plumb(['status', '--server', 'http://127.0.0.1:1', '--json'])
    assert.equal(away.status, exit.unreachable)
  })

  test('streams what happens, and goes on where a client was cut off', async () => {
    await using admin = await followed.server.client()
    const token = String((await admin.post('tokens', { name: 'watcher', role: 'viewer' })).token)
    await using first = await openEvents(followed.server.adminUrl, token, null)
    await followed.push({ [at.service]: greeting('Servus') })
    await followed.run(exit.done, 'sync')
    const live = await first.next('generation.live')
    await first[Symbol.asyncDispose]()

    // Happens while nobody listens.
    await followed.push({ [at.service]: greeting('Moin') })
    await followed.run(exit.done, 'sync')
    await using second = await openEvents(followed.server.adminUrl, token, live.id)
    const missed = await second.next('generation.live')
    assert.equal(missed.serial, live.serial + 1)
    assert.ok(Number(missed.id) > Number(live.id))
  })
})

describe('what waits for somebody', () => {
  let followed: Followed

  beforeAll(async () => {
    followed = await follow({ ...estate, [at.channels]: channels('hello', 'bye', 'again', 'later') })
  }, bootMs)
  afterAll(() => followed?.[Symbol.asyncDispose]())

  test('a commit of rules alone is planned, undone by itself, and stays undone', async () => {
    await followed.run(exit.done, 'plan', '--detailed-exitcode')
    await followed.push({ [at.environment]: environment({ preflight: 'require' }) })
    const { stdout } = await followed.run(exit.changes, 'plan', '--detailed-exitcode')
    assert.match(stdout, /^ {2}~ environment\n {6}sync\.preflight: "warn" → "require"\n/m)
    assert.match(stdout, /^Plan: 0 to create, 0 to update, 0 to delete, \d+ unchanged; 1 setting to change\.$/m)
    const { serial = 0 } = await followed.outcome(exit.done, 'sync')
    await followed.run(exit.done, 'plan', '--detailed-exitcode')
    assert.partialDeepStrictEqual(await followed.outcome(exit.done, 'rollback', '--reason', 'too strict'), { kind: 'live', to: serial - 1 })
    assert.partialDeepStrictEqual((await followed.outcome(exit.waits, 'sync')).holds, [{ kind: 'marked', reason: 'too strict' }])
  })

  test('more deletes than the budget wait for their confirmed number', async () => {
    await followed.push({ [at.environment]: environment({ maxDeletes: 1 }) })
    assert.equal((await followed.outcome(exit.done, 'sync')).kind, 'live')
    await followed.push({ [at.channels]: channels('hello', 'bye') })
    const held = await followed.outcome(exit.waits, 'sync')
    const { plan = '' } = held
    assert.partialDeepStrictEqual(held.holds, [{ kind: 'deletes', next: `plumb apply ${plan} --confirm-deletes 2` }])
    assert.deepEqual(await followed.ask('/later'), { greeting: 'Hello Ann' })
    assert.equal((await followed.outcome(exit.waits, 'apply', plan)).kind, 'held')
    assert.equal((await followed.outcome(exit.waits, 'apply', plan, '--confirm-deletes', '1')).kind, 'held')
    assert.equal((await followed.outcome(exit.done, 'apply', plan, '--confirm-deletes', '2')).kind, 'live')
    assert.deepEqual([await followed.ask('/later'), await followed.ask('/again')], [404, 404])
    await followed.run(exit.failed, 'apply', plan)
    assert.equal((await followed.outcome(exit.done, 'sync')).kind, 'nothing')
  })

  test('what is no longer declared stays where prune is false', async () => {
    await followed.push({ [at.environment]: environment({ maxDeletes: 1, prune: false }) })
    assert.equal((await followed.outcome(exit.done, 'sync')).kind, 'live')
    await followed.push({ [at.channels]: channels('hello') })
    assert.equal((await followed.outcome(exit.done, 'sync')).kind, 'nothing')
    assert.deepEqual(await followed.ask('/bye'), { greeting: 'Hello Ann' })
    await followed.run(exit.done, 'get', 'channel_rest/bye')
  })

  test('every change waits for an approval where auto is false', async () => {
    // The environment that is live judges: this revision still goes by itself, the next one waits.
    await followed.push({ [at.environment]: environment({ auto: false }), [at.channels]: channels('hello', 'bye') })
    assert.equal((await followed.outcome(exit.done, 'sync')).kind, 'live')
    await followed.push({ [at.service]: greeting('Ciao') })
    const held = await followed.outcome(exit.waits, 'sync')
    assert.partialDeepStrictEqual(held.holds, [{ kind: 'approval', next: `plumb apply ${held.plan}` }])
    assert.match((await followed.run(exit.done, 'status')).stdout, /^Held +approval; plumb apply /m)
    assert.deepEqual(await followed.ask('/hello'), { greeting: 'Hello Ann' })
    assert.match((await followed.run(exit.done, 'apply', held.plan ?? '')).stdout, /^Live: /)
    assert.deepEqual(await followed.ask('/hello'), { greeting: 'Ciao Ann' })
  })

  test('a commit does not take over what came by another way', async () => {
    await followed.push({ [at.environment]: environment({}, ['mode: live']) })
    const { plan = '' } = await followed.outcome(exit.waits, 'sync')
    await followed.run(exit.done, 'apply', plan)
    await using uploaded = await createRemote({
      [at.environment]: environment({}, ['mode: live']),
      [at.channels]: ['channel_rest:', '  - { name: mine, service: mine.hello, url_path: /mine, public: true }', ''].join('\n'),
      'services/mine.ts': greeting('Mine').replace('greet.hello', 'mine.hello'),
    })
    const planned = (await followed.run(exit.done, 'plan', uploaded.clone, '--json')).json()
    assert.partialDeepStrictEqual(planned, { summary: { create: 2, update: 0, delete: 0, settings: 0 } })
    assert.match((await followed.run(exit.done, 'apply', String(planned.id))).stdout, /^Live: /)
    assert.equal((await followed.outcome(exit.done, 'apply', uploaded.clone)).kind, 'nothing')
    assert.deepEqual([await followed.ask('/mine'), await followed.ask('/hello')], [{ greeting: 'Mine Ann' }, { greeting: 'Ciao Ann' }])
    assert.match((await followed.run(exit.done, 'get', '--kind', 'channel_rest')).stdout, /^channel_rest\/mine +cli local +ready$/m)

    // A pass of git leaves it alone.
    await followed.push({ [at.service]: greeting('Salut') })
    assert.equal((await followed.outcome(exit.done, 'sync')).kind, 'live')
    assert.deepEqual([await followed.ask('/mine'), await followed.ask('/hello')], [{ greeting: 'Mine Ann' }, { greeting: 'Salut Ann' }])
    await followed.push({ [at.channels]: channels('hello', 'bye', 'mine') })
    const { stderr } = await followed.run(exit.failed, 'sync')
    assert.match(stderr, /error ORIGIN_CONFLICT: /)
    assert.deepEqual(await followed.ask('/mine'), { greeting: 'Mine Ann' })
  })
})

interface StreamedEvent {
  readonly id: string
  readonly serial: number
}

/** Server-Sent Events of the environment; `after` is the last id that was seen. */
async function openEvents(adminUrl: string, token: string, after: string | null) {
  const ending = new AbortController()
  const { body, status } = await fetch(`${adminUrl}/api/v1/environments/dev/events`, {
    headers: { authorization: `Bearer ${token}`, ...(after === null ? {} : { 'last-event-id': after }) },
    signal: ending.signal,
  })
  assert.equal(status, 200)
  assert.ok(body)
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return {
    /** The next event of a type. */
    async next(type: string): Promise<StreamedEvent> {
      for (;;) {
        const end = text.indexOf('\n\n')
        if (end >= 0) {
          const fields = new Map(
            text
              .slice(0, end)
              .split('\n')
              .map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
          )
          text = text.slice(end + 2)
          if (fields.get('event') !== type) continue
          const data = JSON.parse(fields.get('data') ?? '{}')
          return { id: fields.get('id') ?? '', serial: Number(data.serial ?? data.body?.serial) }
        }
        const { value, done } = await reader.read()
        assert.ok(!done, 'the stream ended')
        text += value
      }
    },
    async [Symbol.asyncDispose]() {
      ending.abort()
    },
  }
}
