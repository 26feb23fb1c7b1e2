import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'vitest'
import { examineClock } from '../../cli/diagnosis/clock.ts'
import type { Diagnosis, Subject } from '../../cli/diagnosis/diagnosis.ts'
import { examineDisk, examineStore } from '../../cli/diagnosis/disk.ts'
import { examineSealKey, examineTokenFile } from '../../cli/diagnosis/keys.ts'
import { examinePort } from '../../cli/diagnosis/ports.ts'
import { examineConnections, examineStatus, examineVersion } from '../../cli/diagnosis/server.ts'
import { examineSource } from '../../cli/diagnosis/source.ts'
import { examineGit, examineNode } from '../../cli/diagnosis/tools.ts'
import { exit } from '../../cli/run.ts'
import { createSealKey } from '../../schema/seal.ts'
import { temporaryDirectory } from '../directory.ts'
import { plumb } from '../e2e/command.ts'

const said = ({ check, status }: Diagnosis) => `${check}: ${status}`

/** What is wrong has a next step, and what works needs none. */
function assertFound(found: Diagnosis, expected: string, message: RegExp): void {
  assert.equal(said(found), expected)
  assert.match(found.message, message)
  assert.equal(found.next !== null, found.status === 'problem' || found.status === 'warning')
}

for (const [version, status] of [
  ['24.0.0', 'ok'],
  ['25.1.0', 'ok'],
  ['22.23.3', 'problem'],
] as const)
  test(`Node ${version} is ${status}`, () => assertFound(examineNode(version), `node: ${status}`, new RegExp(`Node ${version}`)))

for (const [version, status] of [
  ['git version 2.39.5', 'ok'],
  ['git version 2.24.0', 'ok'],
  ['git version 2.17.1', 'problem'],
  ['git version 1.99', 'problem'],
  ['no such thing', 'problem'],
] as const)
  test(`a git that says "${version}" is ${status}`, async () => {
    await using directory = await temporaryDirectory()
    const program = join(directory.path, 'git')
    await writeFile(program, `#!/bin/sh\necho '${version}'\n`, { mode: 0o755 })
    assertFound(await examineGit(program), `git: ${status}`, new RegExp(version))
  })

test('a git that is not there is a problem', async () => assertFound(await examineGit('/nonexistent/git'), 'git: problem', /cannot be run/))

describe('the data directory', () => {
  test('is looked at above where it is not there yet', async () => {
    await using directory = await temporaryDirectory()
    assert.deepEqual((await examineDisk(join(directory.path, 'a/b'))).map(said), ['data: skipped', 'room: ok'])
  })

  test('is written to, and nothing is left there', async () => {
    await using directory = await temporaryDirectory()
    await chmod(directory.path, 0o700)
    const [data, disk] = await examineDisk(directory.path)
    assert.deepEqual(data && said(data), 'data: ok')
    assert.match(disk?.message ?? '', /^A flushed write takes [\d.]+ ms/)
  })

  test('that others may enter is a warning, and a file in its place a problem', async () => {
    await using directory = await temporaryDirectory()
    await chmod(directory.path, 0o755)
    assert.equal((await examineDisk(directory.path)).map(said)[0], 'data: warning')
    await writeFile(join(directory.path, 'file'), '')
    assert.deepEqual((await examineDisk(join(directory.path, 'file'))).map(said), ['data: problem'])
  })

  test('holds a store that this version reads, or one of a later version, or garbage', async () => {
    await using directory = await temporaryDirectory()
    assertFound(await examineStore(directory.path), 'store: skipped', /no store yet/)
    const path = join(directory.path, 'plumb.db')
    const database = new DatabaseSync(path)
    database.exec('PRAGMA user_version = 1')
    assertFound(await examineStore(directory.path), 'store: ok', /version 1 of /)
    database.exec('PRAGMA user_version = 1000000')
    assertFound(await examineStore(directory.path), 'store: problem', /later version/)
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; CREATE TABLE a (b)')
    database.exec('COMMIT')
    assertFound(await examineStore(directory.path), 'store: ok', /A server has it open/)
    database.close()
    await writeFile(path, 'this is no database at all, and long enough to be read as one'.repeat(40))
    assertFound(await examineStore(directory.path), 'store: problem', /cannot be read/)
  })
})

function subject(directory: string, given: Partial<Subject> = {}): Subject {
  const address = { host: '127.0.0.1', port: 0 }
  return {
    environment: 'dev',
    source: { kind: 'git', url: `${directory}/estate.git`, ref: 'main', allowLocal: true },
    dataDirectory: join(directory, 'data'),
    sealKeyPath: join(directory, 'seal.key'),
    channels: address,
    admin: address,
    ...given,
  }
}

test('a seal key is missing, private, open to others, or inside the data directory', async () => {
  await using directory = await temporaryDirectory()
  const outside = subject(directory.path)
  assertFound(await examineSealKey(outside), 'seal key: skipped', /not there yet/)
  createSealKey(outside.sealKeyPath)
  assertFound(await examineSealKey(outside), 'seal key: ok', /its owner's alone/)
  await chmod(outside.sealKeyPath, 0o644)
  assertFound(await examineSealKey(outside), 'seal key: problem', /others than its owner may read it/)
  const inside = subject(directory.path, { sealKeyPath: join(directory.path, 'data/seal.key') })
  createSealKey(inside.sealKeyPath)
  assertFound(await examineSealKey(inside), 'seal key: warning', /a copy of that opens every secret/)
})

test('a token file is private, open to others or missing', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'token')
  assertFound(await examineTokenFile(path), 'token: problem', /cannot be read/)
  await writeFile(path, 'x', { mode: 0o600 })
  assertFound(await examineTokenFile(path), 'token: ok', /alone/)
  await chmod(path, 0o640)
  assertFound(await examineTokenFile(path), 'token: warning', /mode is 640/)
})

test('a port is free, taken by a stranger, or taken by the server that has it', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // of TCP
  const at = { host: '127.0.0.1', port }
  assertFound(await examinePort('channels', at, true), `port ${port}: ok`, /The server has it/)
  assertFound(await examinePort('channels', at, false), `port ${port}: problem`, /another process listens there/)
  server.close()
  await once(server, 'close')
  assertFound(await examinePort('channels', at, false), `port ${port}: ok`, /is free/)
  assertFound(await examinePort('channels', at, true), `port ${port}: problem`, /though a server runs/)
})

const now = Date.parse('2026-01-01T12:00:00Z')
for (const [what, others, status, message] of [
  ['nobody', [], 'ok', /nobody to compare with/],
  ['one that agrees to the second', [['the server', now - 900]], 'ok', /in agreement with the server/],
  ['one that is ten seconds behind', [['the server', now - 10_000]], 'warning', /the server is 10 s behind/],
  [
    'one that is an hour ahead, and one that agrees',
    [
      ['a', now],
      ['b', now + 3_600_000],
    ],
    'problem',
    /b is 3600 s ahead/,
  ],
] as const)
  test(`a clock beside ${what} is ${status}`, () => assertFound(examineClock(now, new Map(others)), `clock: ${status}`, message))

describe('the source', () => {
  test('of git that cannot be reached is a problem that names it', async () => {
    await using directory = await temporaryDirectory()
    assertFound(await examineSource(subject(directory.path)), 'source: problem', /^Cannot /)
  })

  test('of a working tree has the environment, another, or none', async () => {
    await using directory = await temporaryDirectory()
    const inTree = (environment: string) => subject(directory.path, { environment, source: { kind: 'worktree', root: directory.path } })
    await mkdir(join(directory.path, 'environments/dev'), { recursive: true })
    assertFound(await examineSource(inTree('dev')), 'source: problem', /Cannot find an environment/)
    await writeFile(join(directory.path, 'environments/dev/environment.yaml'), 'environment: dev\n')
    assertFound(await examineSource(inTree('dev')), 'source: ok', /has the environments dev/)
    assertFound(await examineSource(inTree('prod')), 'source: problem', /no environment "prod"/)
  })
})

describe('a server that runs', () => {
  test('of another version is a warning', () => {
    assertFound(examineVersion('1.0.0', '1.0.0'), 'version: ok', /are 1.0.0/)
    assertFound(examineVersion('1.0.0', '1.1.0'), 'version: warning', /The server is 1.1.0/)
  })

  test('says what is not as it should be', () => {
    const since = '2026-01-01T00:00:00.000Z'
    const conditions = [
      { type: 'Ready', status: true, reason: 'Live', since },
      { type: 'Stalled', status: true, reason: 'SourceUnreachable', since },
      { type: 'Degraded', status: false, reason: 'None', since },
    ]
    assert.deepEqual(examineStatus({ live: { generation: 2 }, conditions }).map(said), ['live: ok', 'stalled: warning'])
    const broken = { live: { generation: 0 }, quarantined: [{ ref: 'service/a', reason: 'it blocked the event loop' }] }
    assert.deepEqual(examineStatus(broken).map(said), ['live: problem', 'quarantine: problem'])
  })

  test('is asked about every connection, and those that do not answer are told with their reason', async () => {
    const resources: Readonly<Record<string, readonly string[]>> = { sql: ['sql/a', 'sql/b'], redis: [] }
    const client = {
      environment: 'dev',
      get: async (path: string) => ({ resources: (resources[/kind=(\w+)/.exec(path)?.[1] ?? ''] ?? []).map(ref => ({ ref })) }),
      post: async (_: string, { ref }: { readonly ref?: unknown }) =>
        ref === 'sql/b' ? { ok: false, elapsedMs: 5, reason: 'it refused the login' } : { ok: true, elapsedMs: 1, reason: null },
      delete: async () => ({}),
    }
    const found = await examineConnections(client, ['sql', 'redis'])
    assert.deepEqual(found.map(said), ['sql/a: ok', 'sql/b: problem'])
    assert.equal(found[1]?.message, 'it refused the login')
    assert.deepEqual((await examineConnections(client, ['redis'])).map(said), ['connections: ok'])
  })
})

describe('plumb doctor', () => {
  test('tells its findings as JSON, and ends with 1 where something does not work', async () => {
    await using directory = await temporaryDirectory()
    await mkdir(join(directory.path, 'environments/dev'), { recursive: true })
    const { status, json } = await plumb(['doctor', '--json', '--environment', 'prod'], { cwd: directory.path })
    const { ok, findings } = json()
    assert.deepEqual([status, ok], [exit.failed, false])
    const checks = (findings as unknown as readonly Diagnosis[]).map(({ check }) => check) // as docs/cli.md says
    for (const check of ['node', 'git', 'data', 'room', 'store', 'seal key', 'source', 'clock', 'server'])
      assert(checks.includes(check), check)
  })

  test('tells what is wrong with a configuration at its line', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(join(directory.path, 'plumb.yaml'), 'environment: dev\nsource: { git: 7 }\n')
    const { status, stdout } = await plumb(['doctor', '--config', 'plumb.yaml'], { cwd: directory.path })
    assert.equal(status, exit.failed)
    assert.match(stdout, /✗ configuration .*plumb\.yaml:2:\d+: Cannot/)
  })

  test('says that a socket was left by a server that was killed', async () => {
    await using directory = await temporaryDirectory()
    await mkdir(join(directory.path, 'environments/dev'), { recursive: true })
    await mkdir(join(directory.path, '.plumb'), { mode: 0o700 })
    await writeFile(join(directory.path, '.plumb/admin.sock'), '')
    const { stdout } = await plumb(['doctor'], { cwd: directory.path })
    assert.match(stdout, /- server .*left by one that was killed/)
  })
})
