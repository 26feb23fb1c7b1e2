// A failing world never disturbs what runs: a repository that is gone or answers garbage, a far end that refuses, a port that is taken,
// a token that is wrong, a damaged file, a full disk. It is said with its cause, and is over by itself when the world is well again.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { temporaryDirectory } from '../directory.ts'
import { mountSmallDisk } from '../small-disk.ts'
import { until } from '../until.ts'
import { plumb } from './command.ts'
import { type Crm, createCrm } from './crm.ts'
import { call, createRemote, type Remote, type Status, startServer } from './server.ts'
import { environmentYaml, goodFiles, startWatched, type Watched } from './watched.ts'

describe('a server whose world fails', () => {
  let watched: Watched

  beforeAll(async () => {
    watched = await startWatched()
  })

  afterAll(() => watched?.[Symbol.asyncDispose]())

  test('goes on without its repository, and follows it when it is back', async () => {
    const before = await watched.settled()
    const { url } = watched.remote
    await rename(url, `${url}.away`)
    const { kind, fault, reasons } = await watched.sync()
    assert.deepEqual([kind, fault], ['failed', 'unreachable'])
    assert.match(reasons?.join() ?? '', /as the remote does not answer, or has no repository there/)
    await watched.assertUnchanged(before)
    assert.deepEqual(await stalled(), { status: true, reason: 'SourceUnreachable' })
    await rename(`${url}.away`, url)
    await watched.goLive()
    assert.deepEqual(await stalled(), { status: false, reason: 'UpToDate' })
  })

  for (const [what, damage] of [
    ['a folder of other files', async (url: string) => writeFile(join(url, 'README'), 'no repository')],
    [
      'a repository that names an object it does not hold',
      async (url: string) => {
        for (const folder of ['objects', 'refs/heads']) await mkdir(join(url, folder), { recursive: true })
        await writeFile(join(url, 'HEAD'), 'ref: refs/heads/main\n')
        await writeFile(join(url, 'config'), '[core]\n\tbare = true\n')
        await writeFile(join(url, 'refs/heads/main'), `${'1234567890'.repeat(4)}\n`)
      },
    ],
  ] as const)
    test(`goes on where its repository became ${what}`, async () => {
      const before = await watched.settled()
      const { url } = watched.remote
      await rename(url, `${url}.away`)
      try {
        await mkdir(url)
        await damage(url)
        const { kind, reasons } = await watched.sync()
        assert.equal(kind, 'failed')
        assert.match(reasons?.join() ?? '', /^Cannot .* as /)
        await watched.assertUnchanged(before)
      } finally {
        await rm(url, { recursive: true })
        await rename(`${url}.away`, url)
      }
      await watched.goLive()
    })

  test('refuses a wrong token, and none, and serves who has the right one', async () => {
    const before = await watched.settled()
    const sync = `${watched.server.adminUrl}/api/v1/environments/dev/sync`
    for (const headers of [undefined, { authorization: 'Bearer plumb_wrong' }, { authorization: 'Basic cGx1bWI6cGx1bWI=' }])
      assert.equal((await call(sync, {}, headers ? { headers } : {})).status, 401)
    const run = await plumb(['sync'], { server: watched.server.adminUrl, token: 'plumb_wrong' })
    assert.equal(run.status, 1)
    assert.match(run.stderr, /token/)
    await watched.assertUnchanged(before)
    await watched.goLive()
  })

  test('is not disturbed by a second server on its ports, nor by one on its data, which say why they end', async () => {
    const before = await watched.settled()
    const ports = { channelsPort: portOf(watched.server.channels), adminPort: portOf(watched.server.adminUrl) }
    for (const [options, says] of [
      [ports, /Cannot listen on 127\.0\.0\.1:\d+ as another process listens there; stop it or choose another port/],
      [
        { data: watched.server.data },
        /Cannot use the data directory .* as another plumb server uses it; stop that one or choose another --data/,
      ],
    ] as const) {
      await using second = await startServer({ source: watched.remote.url, ...options })
      const [status] = await once(second.binder, 'close')
      assert.notEqual(status, 0)
      assert.match(second.output(), says)
    }
    await watched.assertUnchanged(before)
    await watched.goLive()
  })

  describe('by a far end that refuses connections', () => {
    let crm: Crm

    beforeAll(async () => {
      crm = await createCrm()
    })

    afterAll(() => crm?.[Symbol.asyncDispose]())

    const service = {
      'services/contacts.ts': `import { service } from 'plumb-server'

export const contacts = service({
  name: 'contacts',
  async handle(_request, ctx) {
    const answer = await ctx.rest('CRM').get('/contacts', { query: { email: 'jane@example.com' } })
    return { status: answer.status }
  },
})
`,
    }
    const connection = () => ({
      'environments/dev/crm.yaml': `outgoing_rest:
  - { name: CRM, host: '${crm.url}', url_path: /api }
channel_rest:
  - { name: contacts, service: contacts, url_path: /contacts, public: true }
`,
    })

    test('refuses the revision where preflight is required', async () => {
      await watched.goLive({ 'environments/dev/environment.yaml': environmentYaml(', preflight: require') })
      const before = await watched.settled()
      await watched.remote.write({ ...service, ...connection() })
      await watched.remote.push('contacts')
      const { kind, code, reasons } = await watched.sync()
      assert.deepEqual([kind, code], ['refused', 'PREPARE_FAILED'])
      assert.match(reasons?.join() ?? '', /outgoing_rest\/CRM.*ECONNREFUSED|ECONNREFUSED.*outgoing_rest\/CRM/)
      await watched.assertUnchanged(before)
      await watched.remote.write(Object.fromEntries(Object.keys({ ...service, ...connection() }).map(path => [path, null])))
      await watched.goLive({ 'environments/dev/environment.yaml': environmentYaml(', preflight: warn') })
    })

    test('goes live degraded where preflight warns: its users get 503 until it is back, and nobody else notices', async () => {
      await watched.goLive({ ...service, ...connection() })
      const { degraded } = await watched.server.until(status => status.degraded.length > 0)
      assert.deepEqual(
        degraded.map(({ ref }) => ref),
        ['outgoing_rest/CRM'],
      )
      assert.match(degraded[0]?.reason ?? '', /ECONNREFUSED/)
      const answer = await call(`${watched.server.channels}/contacts`)
      assert.deepEqual([answer.status, answer.contentType], [503, 'application/problem+json'], JSON.stringify(answer.body))
      assert.match(JSON.stringify(answer.body), /CRM/)
      await crm.open()
      await watched.server.until(status => status.degraded.length === 0)
      assert.deepEqual((await call(`${watched.server.channels}/contacts`)).body, { status: 200 })
      assert.deepEqual(watched.traffic.failures, [])
    })
  })

  async function stalled() {
    const { conditions } = await watched.settled()
    const found = conditions.find(({ type }) => type === 'Stalled')
    return { status: found?.status, reason: found?.reason }
  }
})

describe('a server that starts again', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>
  let remote: Remote
  let data: string
  /** The last two states that were live. */
  let before: State
  let last: State

  beforeAll(async () => {
    directory = await temporaryDirectory()
    remote = await createRemote(goodFiles)
    data = join(directory.path, 'data')
    await using first = await startWatched({ remote, data })
    before = stateOf(await first.settled())
    await first.goLive()
    last = stateOf(await first.settled())
  })

  afterAll(async () => {
    await remote?.[Symbol.asyncDispose]()
    await directory?.[Symbol.asyncDispose]()
  })

  for (const [what, damage] of [
    ['current is damaged', () => flipBit(join(data, 'current'))],
    ['current is empty', () => writeFile(join(data, 'current'), '')],
    ['the manifest of current is damaged', async () => flipBit(join(data, 'manifests', await liveManifest(data)))],
    ['the manifest of current is gone', async () => rm(join(data, 'manifests', await liveManifest(data)))],
  ] as const)
    test(`serves the state before where ${what}, without its repository, and catches up with it`, async () => {
      await damage()
      await rename(remote.url, `${remote.url}.away`)
      await using again = await startWatched({ remote, data })
      assert.match(again.server.output(), /The last good state was damaged and an older one is used/)
      assert.deepEqual(stateOf(await again.settled()), before)
      assert.equal((await call(`${again.server.channels}/ping`, { at: 1 })).status, 200)
      await rename(`${remote.url}.away`, remote.url)
      // It may have looked again by itself.
      await again.sync()
      before = stateOf(await again.settled())
      assert.deepEqual([before.digest, before.revision], [last.digest, last.revision])
      await again.goLive()
      last = stateOf(await again.settled())
      assert.ok(last.serial > before.serial && last.digest !== before.digest, JSON.stringify(last))
    })

  test('serves on where its source is a port that answers garbage', async () => {
    const garbage = createServer(socket => {
      socket.on('error', () => socket.destroy())
      socket.end('HTTP/1.1 200 OK\r\ncontent-type: application/x-git-upload-pack-advertisement\r\n\r\n\u0000\u0001garbage')
    })
    await new Promise<void>(resolve => garbage.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = garbage.address() as AddressInfo // it listens on TCP
      await using again = await startWatched({ remote, data, source: `http://127.0.0.1:${port}/estate.git` })
      const before = await again.settled()
      const { kind, fault } = await again.sync()
      assert.deepEqual([kind, fault], ['failed', 'garbage'])
      await again.assertUnchanged(before)
    } finally {
      garbage.close()
    }
  })

  test('is not ready where every state is damaged, says so, and takes the repository', async () => {
    for (const name of await readdir(join(data, 'manifests'))) await flipBit(join(data, 'manifests', name))
    await rename(remote.url, `${remote.url}.away`)
    await using again = await startServer({ source: remote.url, data })
    const { live } = await again.until(({ workers }) => workers.length === 2)
    assert.equal(live.serial, 0)
    assert.equal((await call(`${again.channels}/ping`, { at: 1 })).status, 503)
    const ready = await call(`${again.adminUrl}/readyz`)
    assert.equal(ready.status, 503)
    assert.match(JSON.stringify(ready.body), /manifest/)
    await rename(`${remote.url}.away`, remote.url)
    await using admin = await again.client()
    await admin.post('sync', {})
    await again.until(status => status.live.serial > 0 && status.workers.every(({ generation }) => generation === status.live.generation))
    assert.equal((await call(`${again.channels}/ping`, { at: 1 })).status, 200)
  })
})

test('a full disk keeps what is live, and the revision goes live once there is room', async context => {
  await using disk = await mountSmallDisk(64)
  if (disk === null) return context.skip('mounting a file system needs root')
  await using watched = await startWatched({ data: join(disk.path, 'data') })
  await watched.goLive()
  const before = await watched.settled()
  await disk.fill()
  await watched.remote.write({ 'services/stamp.ts': 'export const stamp = -1\n' })
  const revision = await watched.remote.push('no room')
  // A change that cannot be written down is not begun; the log has the reason.
  await assert.rejects(watched.sync(), { status: 503, code: 'AUDIT_UNAVAILABLE' })
  await until(() => /the disk is full/.test(watched.server.output()), 'The reason in the log')
  await watched.assertUnchanged(before)
  await disk.free()
  assert.equal((await watched.sync()).kind, 'live')
  assert.equal((await watched.settled()).live.revision, revision)
  assert.deepEqual(watched.traffic.failures, [])
})

type State = Pick<Status['live'], 'serial' | 'digest' | 'revision'>

function stateOf({ live: { serial, digest, revision } }: Status): State {
  return { serial, digest, revision }
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

async function liveManifest(data: string): Promise<string> {
  const text = await readFile(join(data, 'current'), 'utf8')
  const [, name] = /([0-9a-f]{64}\.manifest)/.exec(text) ?? []
  assert.ok(name, text)
  return name
}

/** In the middle of the file. */
async function flipBit(path: string): Promise<void> {
  const bytes = await readFile(path)
  const at = bytes.length >> 1
  bytes[at] = bytes.readUInt8(at) ^ 1
  await rm(path)
  await writeFile(path, bytes)
}
