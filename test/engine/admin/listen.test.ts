import assert from 'node:assert'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Client } from 'undici'
import { test } from 'vitest'
import { chooseSocketPath } from '../../../engine/admin/address.ts'
import { createAdminApp } from '../../../engine/admin/app.ts'
import { listenAdmin } from '../../../engine/admin/listen.ts'
import { temporaryDirectory } from '../../directory.ts'
import { debugging, startServer, type TestServer } from './server.ts'

test('listenAdmin() trusts who comes through the socket, which only its user may open', async () => {
  await using server = await startServer()
  assert.equal(server.socketPath, join(server.dataDir, 'admin.sock'))
  assert.equal((await stat(server.socketPath)).mode & 0o777, 0o600)
  assert.deepEqual((await readdir(server.dataDir)).sort(), ['admin.addr', 'admin.sock'])
  assert.equal(await readFile(join(server.dataDir, 'admin.addr'), 'utf8'), `${server.socketPath}\n`)
  assert.deepEqual(await overSocket(server, 'POST', '/api/v1/environments/dev/sync'), { status: 200, text: '{"operation":"sync"}' })
  assert.deepEqual(server.asked[0]?.args[1], { name: 'local', via: 'socket', role: 'admin', scopes: [], token: null, address: null })
})

test('listenAdmin() takes the place of a socket that a killed server left', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'admin.sock')
  const child = spawn(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`])
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert((await stat(path)).isSocket())
  await using listener = await listenIn(directory.path)
  const client = new Client('http://localhost', { socketPath: path })
  assert.equal((await client.request({ method: 'GET', path: '/healthz' })).statusCode, 200)
  await client.destroy()
  assert.equal(listener.socketPath, path)
})

test('listenAdmin() listens on a descriptor that was handed down', async () => {
  await using directory = await temporaryDirectory()
  const holder = createServer()
  holder.listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as { port: number } // a TCP server has one
  const { fd } = (holder as unknown as { _handle: { fd: number } })._handle // the descriptor, as the binder passes it on
  const script = `
    const { createAdminApp } = await import(${JSON.stringify(urlOf('app.ts'))})
    const { listenAdmin } = await import(${JSON.stringify(urlOf('listen.ts'))})
    const app = createAdminApp({ environment: 'dev', version: '0', ready: () => ({ ready: true, reason: null }) })
    const listener = await listenAdmin({ app, listen: { fd: 3 }, dataDir: ${JSON.stringify(directory.path)} })
    console.log(listener.port)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit', fd] })
  const exit = once(child, 'exit')
  holder.close()
  assert(child.stdout)
  const [said] = await once(child.stdout, 'data')
  assert.equal(Number(said), port)
  assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`, { headers: { connection: 'close' } })).status, 200)
  child.kill('SIGKILL')
  await exit
})

test('listenAdmin() names a socket elsewhere where the path would be too long', async () => {
  await using directory = await temporaryDirectory()
  const dataDir = join(directory.path, 'deep'.repeat(30))
  await mkdir(dataDir)
  await using listener = await listenIn(dataDir)
  assert(Buffer.byteLength(listener.socketPath) <= 107)
  assert.equal(await readFile(join(dataDir, 'admin.addr'), 'utf8'), `${listener.socketPath}\n`)
  const client = new Client('http://localhost', { socketPath: listener.socketPath })
  assert.equal((await client.request({ method: 'GET', path: '/healthz' })).statusCode, 200)
  await client.destroy()
})

for (const [what, dataDir, env, expected] of [
  ['107 bytes', `/${'d'.repeat(95)}`, {}, /\/d+\/admin\.sock$/],
  ['108 bytes', `/${'d'.repeat(96)}`, { XDG_RUNTIME_DIR: '/run/user/7' }, /^\/run\/user\/7\/plumb-[0-9a-f]{16}\.sock$/],
] as const)
  test(`chooseSocketPath() of a path of ${what} is ${expected}`, async () => assert.match(await chooseSocketPath(dataDir, env), expected))

test('chooseSocketPath() takes the private directory of the start before, and no other', async () => {
  await using directory = await temporaryDirectory()
  const dataDir = join(directory.path, 'd'.repeat(100))
  await mkdir(dataDir)
  const address = join(dataDir, 'admin.addr')
  const first = await chooseSocketPath(dataDir, {})
  await writeFile(address, `${first}\n`)
  assert.equal(await chooseSocketPath(dataDir, {}), first)
  await chmod(dirname(first), 0o755)
  const second = await chooseSocketPath(dataDir, {})
  assert.notEqual(second, first)
  await writeFile(address, '/etc/admin.sock\n')
  const third = await chooseSocketPath(dataDir, {})
  assert.equal(dirname(dirname(third)), tmpdir())
  for (const made of [first, second, third]) await rmdir(dirname(made))
})

test('close() ends event streams, removes the socket and refuses what comes after', async () => {
  await using server = await startServer()
  const answer = await fetch(`${server.url}/api/v1/environments/dev/events`, { headers: { authorization: `Bearer ${server.token}` } })
  const ended = answer.text()
  await server.close()
  assert.match(await ended, /^retry: 1000/)
  await assert.rejects(fetch(server.url))
  assert.deepEqual(await readdir(server.dataDir), ['admin.addr'])
})

test('nobody else can connect to the socket', async context => {
  if (process.getuid?.() !== 0) return context.skip('becoming another user needs root')
  await using server = await startServer()
  execFileSync('chmod', ['755', server.dataDir])
  const script = `require('net').connect(${JSON.stringify(server.socketPath)}).on('error', e => process.exit(e.code === 'EACCES' ? 7 : 1))`
  const child = spawn(process.execPath, ['-e', script], { uid: 65534, gid: 65534, stdio: 'ignore' })
  const [code] = await once(child, 'exit')
  assert.equal(code, 7)
})

function urlOf(file: string): string {
  return pathToFileURL(join(import.meta.dirname, '../../../engine/admin', file)).href
}

async function listenIn(dataDir: string) {
  const app = createAdminApp({
    environment: 'dev',
    version: '0',
    work: {} as never, // nothing asks it
    operations: {} as never, // only /healthz is asked
    deploys: {} as never, // likewise
    jobs: {} as never, // as above
    events: { subscribe: () => () => undefined },
    journal: { readJournal: async () => [] },
    metrics: { text: async () => '' },
    logs: { query: async () => ({ lines: [], missing: [] }), subscribe: () => () => undefined },
    tokens: {} as never, // nobody presents one
    audit: {} as never, // nothing is changed
    debug: debugging,
    ready: () => ({ ready: true, reason: null }),
  })
  const listener = await listenAdmin({ app, listen: { host: '127.0.0.1', port: 0 }, dataDir, onTunnel: socket => socket.terminate() })
  return { ...listener, [Symbol.asyncDispose]: () => listener.close(0) }
}

async function overSocket(server: TestServer, method: 'GET' | 'POST', path: string): Promise<{ status: number; text: string }> {
  const client = new Client('http://localhost', { socketPath: server.socketPath })
  try {
    const answer = await client.request({ method, path })
    return { status: answer.statusCode, text: await answer.body.text() }
  } finally {
    await client.destroy()
  }
}
