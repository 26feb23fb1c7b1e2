// A server of a small good estate under a light load, watched: what is done to it must change nothing that runs.

import assert from 'node:assert/strict'
import type { AdminClient } from '../../cli/client.ts'
import type { Issue } from '../../schema/issue.ts'
import { createRemote, type Remote, type ServerOptions, type Status, startServer, type TestServer } from './server.ts'
import { keepCalling, type Traffic } from './traffic.ts'

export type Files = Readonly<Record<string, string | null>>

const environmentFile = 'environments/dev/environment.yaml'
const stampFile = 'services/stamp.ts'

/** Only `plumb sync` looks for commits. @param sync further fields of `sync` */
export function environmentYaml(sync = ''): string {
  return `environment: dev
requireSecurity: false
sync: { schedule: '0 0 1 1 *', probation: 0s${sync} }
vars: { region: eu }
secrets: [{ env: PLUMB_SECRET_ }]
`
}

export const goodFiles: Readonly<Record<string, string>> = {
  [environmentFile]: environmentYaml(),
  'environments/dev/channels.yaml': `channel_rest:
  - { name: ping, service: ping, url_path: /ping, public: true }
  - { name: ping.eu, service: ping, url_path: '/ping/\${{ vars.region }}', public: true }
  - { name: ping.two, service: ping, url_path: /ping/two, public: true }
`,
  'services/ping.ts': `import { service } from 'plumb-server'
import { stamp } from './stamp.ts'

export const ping = service<{ at: number }, { stamp: number }>({
  name: 'ping',
  async handle() {
    return { stamp }
  },
})
`,
  [stampFile]: 'export const stamp = 0\n',
}

export interface Outcome {
  readonly kind: string
  readonly code?: string
  readonly fault?: string
  readonly reasons?: readonly string[]
  readonly issues?: readonly Issue[]
  readonly holds?: readonly { readonly kind: string; readonly next: string }[]
}

export interface Watched extends AsyncDisposable {
  readonly remote: Remote
  readonly server: TestServer
  readonly admin: AdminClient
  readonly traffic: Traffic
  sync(): Promise<Outcome>
  /** The status once both workers serve what is live. */
  settled(): Promise<Status>
  /** Asserts that generation, serial, digest and workers are those of `before`, and that no request failed. */
  assertUnchanged(before: Status): Promise<void>
  /** Pushes `files` together with a new stamp, and asserts that both go live. */
  goLive(files?: Files): Promise<void>
}

export async function startWatched(options: Partial<ServerOptions> & { readonly remote?: Remote } = {}): Promise<Watched> {
  await using opened = new AsyncDisposableStack()
  const remote = options.remote ?? opened.use(await createRemote(goodFiles))
  const server = opened.use(await startServer({ source: remote.url, workers: 2, ...options }))
  const settled = () =>
    server.until(
      ({ live, workers }) => live.serial > 0 && workers.length === 2 && workers.every(({ generation }) => generation === live.generation),
    )
  await settled()
  const admin = opened.use(await server.client())
  const traffic = opened.use(keepCalling(`${server.channels}/ping`, { at: 1 }))
  const owned = opened.move()
  // Above every stamp of a server that ran on the same repository before.
  let stamp = Date.now()
  const sync = async () => (await admin.post('sync', {})).outcome as unknown as Outcome // as the admin API documents
  return {
    remote,
    server,
    admin,
    traffic,
    sync,
    settled,
    async assertUnchanged(before) {
      await traffic.goesOn()
      const after = await settled()
      assert.deepEqual([after.live, after.workers], [before.live, before.workers])
      assert.deepEqual(traffic.failures, [])
    },
    async goLive(files = {}) {
      stamp += 1
      await remote.write({ ...files, [stampFile]: `export const stamp = ${stamp}\n` })
      await remote.push(`stamp ${stamp}`)
      const outcome = await sync()
      assert.equal(outcome.kind, 'live', JSON.stringify(outcome))
      await traffic.until(({ body }) => (body as { readonly stamp: number }).stamp === stamp) // as services/ping.ts answers
      assert.deepEqual(traffic.failures, [])
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
