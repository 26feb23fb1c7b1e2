// A real `plumb serve` over a real bare repository: started, asked, killed and started again by the end-to-end tests.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Agent, request } from 'undici'
import { type AdminClient, openClient, socketIn } from '../../cli/client.ts'

const run = promisify(execFile)
export const root = join(import.meta.dirname, '..', '..')
export const launcher = join(root, 'cli', 'plumb')

/** A bare repository and a clone of it whose files tests write and push. */
export interface Remote extends AsyncDisposable {
  readonly url: string
  readonly clone: string
  write(files: Readonly<Record<string, string | null>>): Promise<void>
  /** Commits what is written and pushes it; gives the commit. */
  push(message: string): Promise<string>
  /** Commits on top of each other, made by one git process and pushed by none; gives their ids. Files that are not named stay. */
  series(commits: readonly Readonly<Record<string, string>>[]): Promise<readonly string[]>
  /** Pushes a commit that the clone has. */
  pushCommit(id: string): Promise<void>
}

export async function createRemote(files: Readonly<Record<string, string>> | 'sample'): Promise<Remote> {
  const home = await mkdtemp(join(tmpdir(), 'plumb-remote-'))
  const [url, clone] = [join(home, 'estate.git'), join(home, 'clone')]
  const git = (...args: string[]) => run('git', ['-C', clone, '-c', 'user.name=Test', '-c', 'user.email=test@example.com', ...args])
  await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', url])
  await run('git', ['clone', '--quiet', url, clone])
  await git('checkout', '--quiet', '-B', 'main')
  const remote: Remote = {
    url,
    clone,
    async write(changes) {
      for (const [path, text] of Object.entries(changes)) {
        const file = join(clone, path)
        if (text === null) await rm(file)
        else {
          await mkdir(dirname(file), { recursive: true })
          await writeFile(file, text)
        }
      }
    },
    async push(message) {
      await git('add', '--all')
      await git('commit', '--quiet', '--allow-empty', '-m', message)
      await git('push', '--quiet', 'origin', 'main')
      return (await git('rev-parse', 'HEAD')).stdout.trim()
    },
    async series(commits) {
      const marks = join(home, 'marks')
      const importing = run('git', ['-C', clone, 'fast-import', '--quiet', `--export-marks=${marks}`])
      importing.child.stdin?.end(fastImport(commits))
      await importing
      const ids = (await readFile(marks, 'utf8')).trim().split('\n')
      return ids
        .map(line => line.split(' ') as [string, string])
        .sort(([a], [b]) => Number(a.slice(1)) - Number(b.slice(1)))
        .map(([, id]) => id) // `:1 <id>`
    },
    async pushCommit(id) {
      await git('push', '--quiet', 'origin', `${id}:refs/heads/main`)
    },
    [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true, maxRetries: 5 }),
  }
  if (files === 'sample')
    for (const part of ['environments', 'services']) await cp(join(root, part), join(clone, part), { recursive: true })
  else await remote.write(files)
  await remote.push('start')
  return remote
}

/** @see git-fast-import(1) */
function fastImport(commits: readonly Readonly<Record<string, string>>[]): string {
  const text = (content: string) => `data ${Buffer.byteLength(content)}\n${content}\n`
  return commits
    .map((files, at) =>
      [
        'commit refs/heads/series\n',
        `mark :${at + 1}\n`,
        `committer Test <test@example.com> ${1_700_000_000 + at} +0000\n`,
        text(`commit ${at + 1}`),
        at === 0 ? 'from refs/heads/main^0\n' : '',
        ...Object.entries(files).map(([path, content]) => `M 100644 inline ${path}\n${text(content)}`),
      ].join(''),
    )
    .join('')
}

export interface ServerOptions {
  readonly source?: string
  readonly environment?: string
  readonly workers?: number
  readonly data?: string
  /** Further arguments of the command. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Arms failpoints: Node runs with --conditions=failpoints. */
  readonly failpoints?: string
  /** `dev` serves the directory `source`. */
  readonly command?: 'serve' | 'dev'
  /** Command and arguments, in place of those that the other options make; ports and workers are added. `data` is where it keeps its state. */
  readonly line?: readonly string[]
  readonly cwd?: string
}

export interface TestServer extends AsyncDisposable {
  readonly channels: string
  readonly adminUrl: string
  readonly data: string
  readonly binder: ChildProcess
  /** Everything the processes wrote. */
  output(): string
  client(): Promise<AdminClient>
  /** Waits until `holds` is true of the status. */
  until(holds: (status: Status) => boolean, ms?: number): Promise<Status>
  /** Waits until something is live on every worker. */
  ready(): Promise<Status>
  /** Pids of the processes by title: supervisor, control, workers. */
  pids(): Promise<{ readonly supervisor: number; readonly control: number; readonly workers: readonly number[] }>
  /** Ends everything in good order; gives the exit status. */
  stop(): Promise<number | null>
  /** SIGKILL to every process at once. */
  killAll(): Promise<void>
}

export interface Status {
  readonly live: {
    readonly serial: number
    readonly generation: number
    readonly revision: string | null
    readonly digest: string
    readonly probationUntil: string | null
  }
  readonly workers: readonly { readonly id: number; readonly pid: number; readonly generation: number; readonly state: string }[]
  readonly conditions: readonly { readonly type: string; readonly status: boolean; readonly reason: string }[]
  readonly degraded: readonly { readonly ref: string; readonly reason: string }[]
}

/** How long tests wait for a server: a machine that is busy with other things takes its time to start four processes. */
export const bootMs = 120_000

export async function startServer(
  options: ServerOptions & { readonly channelsPort?: number; readonly adminPort?: number },
): Promise<TestServer> {
  const { environment = 'dev', workers = 2, command = 'serve', args = [], failpoints } = options
  const home = options.data ? null : await mkdtemp(join(tmpdir(), 'plumb-data-'))
  const data = options.data ?? join(home ?? '', 'data')
  const channelsPort = options.channelsPort ?? (await freePort())
  const adminPort = options.adminPort ?? (await freePort())
  const from =
    command === 'serve'
      ? ['--source', options.source ?? '', '--ref', 'main', '--seal-key', join(dirname(data), 'seal.key')]
      : [options.source ?? '.']
  const line = options.line ?? [command, ...from, '--environment', environment, '--data', data]
  const flags = ['--workers', String(workers), '--channels-port', String(channelsPort), '--admin-port', String(adminPort)]
  const node = failpoints === undefined ? [] : ['--conditions=failpoints']
  const binder = spawn(process.execPath, [...node, launcher, ...line, ...flags, ...args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env, ...(failpoints === undefined ? {} : { FAILPOINTS: failpoints }) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const written: string[] = []
  for (const stream of [binder.stdout, binder.stderr]) stream.on('data', chunk => written.push(String(chunk)))
  const ended = new Promise<number | null>(resolve => binder.on('exit', code => resolve(code)))
  const server: TestServer = {
    channels: `http://127.0.0.1:${channelsPort}`,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    data,
    binder,
    output: () => written.join(''),
    client: () => openClient({ server: `unix:${socketIn(data)}` }),
    async until(holds, ms = 30_000) {
      const giveUpAt = Date.now() + ms
      let last: unknown
      while (Date.now() < giveUpAt && binder.exitCode === null) {
        try {
          await using client = await openClient({ server: `unix:${socketIn(data)}` })
          const status = (await client.get('status')) as unknown as Status // as the admin API documents
          last = status
          if (holds(status)) return status
        } catch (error) {
          last = error
        }
        await sleep(25)
      }
      throw new Error(
        `The server did not get there within ${ms} ms: ${last instanceof Error ? last.message : JSON.stringify(last)}\n${written.join('').slice(-4000)}`,
      )
    },
    ready: () =>
      server.until(
        ({ live, workers: found }) =>
          live.serial > 0 && found.length === workers && found.every(each => each.generation === live.generation),
        bootMs,
      ),
    async pids() {
      const supervisor = (await childrenOf(binder.pid ?? 0))[0] ?? 0
      const titled = await Promise.all((await childrenOf(supervisor)).map(async pid => ({ pid, title: await titleOf(pid) })))
      const control = titled.find(({ title }) => title.startsWith('plumb control'))?.pid ?? 0
      return { supervisor, control, workers: titled.filter(({ title }) => title.startsWith('plumb worker')).map(({ pid }) => pid) }
    },
    async stop() {
      binder.kill('SIGTERM')
      return await ended
    },
    async killAll() {
      const { supervisor, control, workers: workerPids } = await server.pids()
      for (const pid of [supervisor, control, ...workerPids, binder.pid ?? 0]) if (pid > 0) kill(pid)
      await ended
    },
    async [Symbol.asyncDispose]() {
      if (binder.exitCode === null && binder.signalCode === null) await server.killAll()
      if (home) await rm(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
    },
  }
  return server
}

export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    // It ended by itself a moment ago.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

export async function childrenOf(pid: number): Promise<number[]> {
  try {
    const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return text.split(' ').filter(Boolean).map(Number)
  } catch {
    return [] // The process is gone.
  }
}

async function titleOf(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ').trim() // '' where it is gone
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  if (typeof address !== 'object' || address === null) throw new Error('A TCP server has an address')
  return address.port
}

export interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: unknown
}

const agent = new Agent({ connections: 8, pipelining: 1 })

export async function call(
  url: string,
  body?: unknown,
  options: { readonly method?: 'GET' | 'POST'; readonly headers?: Record<string, string> } = {},
): Promise<Answer> {
  const answer = await request(url, {
    dispatcher: agent,
    method: options.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...options.headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.body.text()
  return {
    status: answer.statusCode,
    contentType: String(answer.headers['content-type'] ?? ''),
    body: text === '' ? null : JSON.parse(text),
  }
}
