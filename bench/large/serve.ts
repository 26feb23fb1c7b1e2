// A server of a large estate, and what is done to it: commits that change one thing or nothing, passes, rollbacks.

import { readFile } from 'node:fs/promises'
import type { AdminClient } from '../../cli/client.ts'
import { isObject, type JsonObject } from '../../schema/json.ts'
import { createRemote, type Remote, startServer, type TestServer } from '../../test/e2e/server.ts'
import { filePath, fileText, firstChannel, largeEstate, perFile, servicePath, serviceText } from '../estate/large.ts'
import { firstAnswer } from '../poll.ts'
import { watchable } from './watch-worker.ts'

export interface LargeServer extends AsyncDisposable {
  readonly remote: Remote
  readonly server: TestServer
  /** Where the workers can be watched. */
  readonly probes: string
  /** The first pass, from an empty server to the live estate. */
  readonly first: Pass
  /** Pushes an edition of the first channel of a file, or of a service; nothing sees it before the next pass. */
  pushChannel(edition: number): Promise<void>
  pushService(edition: number): Promise<void>
  /** Pushes a commit that changes no file the server reads. */
  pushNothing(edition: number): Promise<void>
  pass(options?: { readonly retry?: boolean }): Promise<Pass>
  rollback(): Promise<Pass>
  /** Ends probation of the live generation by waiting for it. */
  settled(): Promise<void>
  /** Fails where the channel does not show the edition. */
  check(what: 'channel' | 'service', edition: number): Promise<void>
  /** Resident megabytes of each worker. */
  workerMegabytes(): Promise<readonly number[]>
}

export interface Pass {
  readonly kind: string
  readonly phases: Readonly<Record<string, number>>
  /** Of the whole call. */
  readonly elapsedMs: number
}

/** The fifth channel of each file is public and calls the fifth service. */
const changedService = 4
const paths = { channel: firstChannel(0), service: `/api/v1/area-0/thing-${changedService}/7` } as const

export async function serveLarge(files: number, probation: string, folder: string): Promise<LargeServer> {
  const environment = [
    'requireSecurity: false',
    'services: ../../services',
    // Passes come when they are asked for.
    `sync: { schedule: '0 0 1 1 *', probation: ${probation}, preflight: warn }`,
    '',
  ].join('\n')
  const remote = await createRemote(largeEstate(files, environment))
  const server = await startServer({ source: remote.url, workers: 2, env: watchable(folder) })
  try {
    const status = await server.until(
      ({ live, workers }) => live.serial > 0 && workers.every(({ generation }) => generation === live.generation),
      180_000,
    )
    await using client = await server.client()
    let last: unknown = null
    // A generation is live a moment before its pass has ended.
    while (!isObject(last)) last = (await client.get('status')).lastSync
    const large = largeServer({ remote, server, probes: folder, first: passOf(last, 0) })
    await large.check('channel', 0)
    await large.check('service', 0)
    const listed = (await client.get('resources?kind=channel_rest&limit=1')).resources
    if (!Array.isArray(listed) || listed.length !== 1 || status.live.serial !== 1)
      throw new Error(`The estate of ${files * perFile} is not live`)
    return large
  } catch (error) {
    await server[Symbol.asyncDispose]()
    await remote[Symbol.asyncDispose]()
    throw error
  }
}

function largeServer(parts: Pick<LargeServer, 'remote' | 'server' | 'probes' | 'first'>): LargeServer {
  const { remote, server } = parts
  const post = async (path: string, body: JsonObject): Promise<Pass> => {
    await using client: AdminClient = await server.client()
    const startedAt = performance.now()
    const { outcome } = await client.post(path, body)
    return passOf(isObject(outcome) ? outcome : {}, performance.now() - startedAt)
  }
  return {
    ...parts,
    async pushChannel(edition) {
      await remote.write({ [filePath(0)]: fileText(0, edition) })
      await remote.push(`channel ${edition}`)
    },
    async pushService(edition) {
      await remote.write({ [servicePath(changedService)]: serviceText(changedService, edition) })
      await remote.push(`service ${edition}`)
    },
    async pushNothing(edition) {
      await remote.write({ 'README.md': `Edition ${edition}\n` })
      await remote.push(`nothing ${edition}`)
    },
    pass: ({ retry = false } = {}) => post('sync', { retry }),
    rollback: () => post('rollback', {}),
    async settled() {
      await server.until(({ live }) => live.probationUntil === null)
    },
    async check(what, edition) {
      const shows = what === 'channel' ? `edition=${edition}` : `"edition":${edition},`
      const probe = { origin: server.channels, path: paths[what], method: 'GET' } as const
      await firstAnswer(probe, ({ status, contentType, body }) => status === 200 && `${contentType} ${body}`.includes(shows))
    },
    async workerMegabytes() {
      const { workers } = await server.pids()
      return await Promise.all(workers.map(residentMegabytes))
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await remote[Symbol.asyncDispose]()
    },
  }
}

function passOf(outcome: JsonObject, elapsedMs: number): Pass {
  const phases: Record<string, number> = {}
  for (const [phase, ms] of Object.entries(isObject(outcome.phases) ? outcome.phases : {})) phases[phase] = Number(ms)
  if (outcome.kind === 'refused' || outcome.kind === 'failed' || outcome.kind === 'held')
    throw new Error(`Cannot measure as a pass ended: ${JSON.stringify(outcome).slice(0, 1000)}`)
  return { kind: String(outcome.kind), phases, elapsedMs }
}

async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024
}
