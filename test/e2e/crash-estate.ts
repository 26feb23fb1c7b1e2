// A small estate whose one channel shows its revision twice, a server over it that is killed and started again on the same data
// directory and ports, and what is read from outside: the disk, the processes, the ports.

import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { readCurrent } from '../../engine/generation/current.ts'
import { until } from '../until.ts'
import { createRemote, freePort, type Remote, type ServerOptions, startServer, type TestServer } from './server.ts'
import { type StampedAnswer as Answer, contentTypeOf, judge } from './stamps.ts'

type Files = Readonly<Record<string, string>>

/** The revision of that stamp; `more` adds files or replaces them. */
export function stamped(stamp: number, more: Files = {}): Files {
  return {
    'environments/dev/environment.yaml': environmentOf('0s'),
    'environments/dev/channels.yaml': `channel_rest:\n${channelOf('stamp', contentTypeOf(stamp))}`,
    'services/stamp.ts': serviceOf('stamp', `return { stamp: ${stamp}, echo: request.echo, pid: process.pid }`, '{ echo: number }'),
    ...more,
  }
}

/** Only `plumb sync` looks for commits. */
export function environmentOf(probation: string): string {
  return `environment: dev\nrequireSecurity: false\nsync: { schedule: '0 0 1 1 *', probation: ${probation}, preflight: warn }\n`
}

export function channelOf(name: string, contentType = 'application/json'): string {
  return `  - { name: ${name}, service: ${name}, url_path: /${name}, public: true, timeout: 60, content_type: ${contentType} }\n`
}

export function serviceOf(name: string, body: string, input = 'Record<string, never>'): string {
  return `import { service } from 'plumb-server'

export const answer = service<${input}, Record<string, number>>({
  name: '${name}',
  async handle(request, ctx) {
    ${body}
  },
})
`
}

export interface Ground extends AsyncDisposable {
  readonly remote: Remote
  readonly data: string
  readonly rules: string
  /** Starts `plumb serve` on the data directory, always on the same ports. Resolves when they are open, or it ended. */
  start(options?: Partial<ServerOptions>): Promise<TestServer>
  push(files: Files): Promise<string>
  /** Moves the repository away, until it is disposed of. */
  away(): Promise<AsyncDisposable>
}

/** A repository at stamp 1, and an empty data directory. */
export async function createGround(more: Files = {}): Promise<Ground> {
  const remote = await createRemote(stamped(1, more))
  const home = await mkdtemp(join(tmpdir(), 'plumb-crash-'))
  const [channelsPort, adminPort] = [await freePort(), await freePort()]
  const data = join(home, 'data')
  const rules = join(home, 'failpoints')
  const servers: TestServer[] = []
  return {
    remote,
    data,
    rules,
    async start(options = {}) {
      const server = await startServer({ source: remote.url, data, channelsPort, adminPort, failpoints: `@${rules}`, ...options })
      servers.push(server)
      const isOver = () => server.binder.exitCode !== null || server.binder.signalCode !== null
      await until(() => server.output().includes('Channels  ') || isOver(), 'An open port', 30_000)
      return server
    },
    async push(files) {
      await remote.write(files)
      return await remote.push('next')
    },
    async away() {
      await rename(remote.url, `${remote.url}.away`)
      return { [Symbol.asyncDispose]: () => rename(`${remote.url}.away`, remote.url) }
    },
    async [Symbol.asyncDispose]() {
      for (const server of servers) await server[Symbol.asyncDispose]()
      await rm(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
      await remote[Symbol.asyncDispose]()
    },
  }
}

export async function arm({ rules }: Pick<Ground, 'rules'>, rule: string | null): Promise<void> {
  if (rule === null) await rm(rules, { force: true })
  else await writeFile(rules, rule)
}

// A connection for each request: one that was kept alive ends with the process at its far end.
const agent = new Agent({ pipelining: 0 })

/** @throws where there is no answer */
export async function ask(url: string, body?: unknown): Promise<Answer> {
  const answer = await request(url, {
    dispatcher: agent,
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: answer.statusCode, contentType: String(answer.headers['content-type']), text: await answer.body.text() }
}

/** The stamp of one whole answer. @throws where the two stamps differ, or the answer is none */
export async function stampOf(server: Pick<TestServer, 'channels'>): Promise<number> {
  const verdict = judge(await ask(`${server.channels}/stamp`, { echo: 7 }), 7)
  if (verdict.kind !== 'whole') throw new Error(`${verdict.kind}: ${verdict.reason}`)
  return verdict.stamp
}

export async function serialOnDisk(data: string): Promise<number> {
  return (await readCurrent(data)).state?.serial ?? 0
}

export interface Row {
  readonly serial: number
  readonly generation: number
  readonly outcome: string
  readonly reason: string
}

/** Newest first. */
export async function historyOf(server: TestServer): Promise<readonly Row[]> {
  await using client = await server.client()
  const { history } = (await client.get('history?limit=1000')) as unknown as { history: readonly Row[] } // as the admin API documents
  return history
}

export async function sync(server: TestServer, body: Record<string, boolean> = {}): Promise<Record<string, unknown>> {
  await using client = await server.client()
  return await client.post('sync', body)
}

export function ended(server: TestServer): Promise<number | null> {
  const { binder } = server
  if (binder.exitCode !== null || binder.signalCode !== null) return Promise.resolve(binder.exitCode)
  return new Promise(resolve => binder.once('exit', code => resolve(code)))
}

/** Processes of that group, the ones that only wait for their parent left out. */
export async function groupOf(leader: number): Promise<readonly number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '') // '' where it is gone
    const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(group) === leader && state !== 'Z') found.push(Number(name))
  }
  return found
}

export async function groupEnds(leader: number, ms: number): Promise<void> {
  await until(async () => (await groupOf(leader)).length === 0, `The end of all processes of group ${leader}`, ms)
}

/** Whether nobody listens there. */
export function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise(resolve => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

export function portOf(url: string): number {
  return Number(new URL(url).port)
}
